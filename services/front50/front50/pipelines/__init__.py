"""Pipelines and strategies: what is to run, as people wrote it."""
