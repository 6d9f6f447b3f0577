"""Live streams: what happens to executions, as server-sent events."""
