"""The door: Spinnaker's Gate API, webhooks in, streams of changes."""
