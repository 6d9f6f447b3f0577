"""Pipelines as they are saved, and how they are started."""
