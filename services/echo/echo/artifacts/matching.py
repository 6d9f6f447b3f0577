"""Whether an artifact is the expected one. Pure. Source: Spinnaker's kork-artifacts."""

from collections.abc import Iterable
from typing import Any

from kork.documents import Document, object_in, objects_in

from echo.triggers.constraints import matches

_FIELDS = ("type", "name", "version", "location", "reference")
_SAME_TYPES = frozenset({"embedded/base64", "remote/base64"})


def matches_artifact(expected: Document, actual: Document) -> bool:
    """Compare type, name, version, location and reference: an expected blank takes anything.

    Otherwise the actual one must be equal, or match the expected one as a regular expression.
    """
    return all(_field_matches(field, expected.get(field), actual.get(field)) for field in _FIELDS)


def _field_matches(field: str, expected: Any, actual: Any) -> bool:
    if not isinstance(expected, str) or not expected.strip():
        return True
    if not isinstance(actual, str):
        return False
    if field == "type" and {expected, actual} <= _SAME_TYPES:
        return True
    return actual == expected or matches(expected, actual)


def expected_ids(pipeline: Document, artifacts: Iterable[Document]) -> list[str]:
    """Give the ids of a pipeline's expected artifacts of which one is among `artifacts`."""
    given = list(artifacts)
    return [
        str(expected.get("id"))
        for expected in objects_in(pipeline.get("expectedArtifacts"))
        if any(matches_artifact(object_in(expected.get("matchArtifact")), artifact) for artifact in given)
    ]


def unmet_expectation(pipeline: Document, trigger: Document, artifacts: Iterable[Document]) -> str | None:
    """Say that no artifact is one of those that a trigger asks for by `expectedArtifactIds`, or None.

    One match is enough, whatever the number of ids: so is Spinnaker's rule.
    """
    ids = trigger.get("expectedArtifactIds")
    if not isinstance(ids, list) or not ids:
        return None
    if set(expected_ids(pipeline, artifacts)) & {str(id) for id in ids}:  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return None
    return "none of the artifacts that came is one that the trigger expects"
