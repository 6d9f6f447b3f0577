"""Builders of executions, scripted stage types, and a driver, for the tests of this service."""

from orca.testing.builders import NoExpressions, pipeline, stage
from orca.testing.driver import Driver
from orca.testing.scripted import scripted_catalogue

__all__ = ["Driver", "NoExpressions", "pipeline", "scripted_catalogue", "stage"]
