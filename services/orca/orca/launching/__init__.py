"""Launching: from a pipeline's configuration, or a list of jobs, to an execution."""
