"""Executions of pipelines: read, searched and steered; orca answers."""
