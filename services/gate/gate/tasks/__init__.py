"""Tasks: what is done outside of pipelines, as orca's orchestrations."""
