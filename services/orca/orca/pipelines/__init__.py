"""Executions of pipelines, as the API shows and changes them."""
