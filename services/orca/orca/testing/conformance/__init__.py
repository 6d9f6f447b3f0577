"""Conformance cases: a pipeline, what is done to it, and what has to come out, in one YAML file per rule.

How a case is written is told in `tests/conformance/README.md`.
"""

from orca.testing.conformance.cases import Case, InvalidCase, load_cases, read_case
from orca.testing.conformance.matching import differences
from orca.testing.conformance.suite import Outcome, run_cases

__all__ = ["Case", "InvalidCase", "Outcome", "differences", "load_cases", "read_case", "run_cases"]
