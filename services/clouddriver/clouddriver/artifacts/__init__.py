"""Artifacts: things that pipelines refer to, and how their contents are fetched."""
