"""Trigger types: which events start which pipelines, and what a start is told of the event."""
