"""Builders of executions, and scripted stage types, for the tests of this service."""

from orca.testing.builders import NoExpressions, pipeline, stage
from orca.testing.scripted import scripted_catalogue

__all__ = ["NoExpressions", "pipeline", "scripted_catalogue", "stage"]
