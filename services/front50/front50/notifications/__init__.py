"""Whom to tell about an application's executions, whatever the pipeline."""
