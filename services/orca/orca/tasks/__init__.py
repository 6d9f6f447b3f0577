"""Orchestrations, which Spinnaker's API calls tasks."""
