"""Who owns which field of an object: conflicts in words, and fields that came to us under another name. Pure.

What Spinnaker's client-side apply and our own roll-backs wrote belongs to our apply: unless it is moved there,
a field that a later manifest no longer has would stay for ever.
Source: Kubernetes' server-side apply, and `csaupgrade` of client-go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from clouddriver.kubernetes.annotations import ARTIFACT_TYPE, SERVER_SIDE_APPLY
from clouddriver.kubernetes.client import FIELD_MANAGER
from clouddriver.kubernetes.document import LAST_APPLIED, Manifest, annotations_of, items_at, mapping_at

UNDO_MANAGER = f"{FIELD_MANAGER}-undo"
OPERATION_MANAGER = f"{FIELD_MANAGER}-operation"
_OURS = frozenset({FIELD_MANAGER, UNDO_MANAGER, OPERATION_MANAGER})
_CLIENT_SIDE = "kubectl-client-side-apply"
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]*)"')


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another manager has set to something else."""

    manager: str
    field: str


def conflicts_in(status: Mapping[str, Any]) -> list[FieldConflict]:
    """Read the conflicts of an API server's refusal (a `Status` object); empty when it is about something else."""
    found: list[FieldConflict] = []
    for cause in items_at(dict(status), "details", "causes"):
        manager = _CONFLICT.search(str(cause.get("message") or ""))
        if cause.get("reason") == "FieldManagerConflict" and manager:
            found.append(FieldConflict(manager["manager"], str(cause.get("field") or "")))
    return found


def only_with_ourselves(conflicts: list[FieldConflict]) -> bool:
    """Say whether the fields were set by operations of ours, such as a scale or a roll-back."""
    return bool(conflicts) and all(conflict.manager in _OURS for conflict in conflicts)


def explain(conflicts: list[FieldConflict]) -> str:
    """Say who owns what, and what can be done."""
    fields: dict[str, list[str]] = {}
    for conflict in conflicts:
        if conflict.manager not in _OURS:
            fields.setdefault(conflict.manager, []).append(conflict.field)
    owners = "; ".join(f"'{manager}' has set {', '.join(names)}" for manager, names in sorted(fields.items()))
    return (
        f"Another field manager owns what the manifest changes: {owners}. Leave these fields out of the manifest, or "
        f'take them over with the annotation {SERVER_SIDE_APPLY}: "force-conflicts".'
    )


def taken_over(live: Manifest) -> list[dict[str, Any]] | None:
    """Give the object's `managedFields` with what is ours by right moved to our apply; None when nothing is to move."""
    entries = items_at(live, "metadata", "managedFields")
    moving = [entry for entry in entries if _is_ours_by_right(entry, live)]
    if not moving:
        return None
    target = next((entry for entry in entries if _is_our_apply(entry)), None)
    merged: dict[str, Any] = dict(target or {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsType": "FieldsV1"})
    merged["apiVersion"] = merged.get("apiVersion") or moving[-1].get("apiVersion")
    merged["time"] = merged.get("time") or moving[-1].get("time")
    fields = mapping_at(merged, "fieldsV1")
    for entry in moving:
        fields = _union(fields, mapping_at(entry, "fieldsV1"))
    merged["fieldsV1"] = fields
    return [entry for entry in entries if entry not in moving and entry is not target] + [merged]


def _is_ours_by_right(entry: Mapping[str, Any], live: Manifest) -> bool:
    if entry.get("operation") != "Update" or entry.get("subresource"):
        return False
    if entry.get("manager") == UNDO_MANAGER:
        return True
    annotations = annotations_of(live)
    return entry.get("manager") == _CLIENT_SIDE and ARTIFACT_TYPE in annotations and LAST_APPLIED in annotations


def _is_our_apply(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    joined = dict(one)
    for key, value in other.items():
        known = joined.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            joined[key] = _union(cast(dict[str, Any], known), cast(dict[str, Any], value))
        else:
            joined.setdefault(key, value)
    return joined
