"""How an object would change, as a text that people read. Pure.

What the API server keeps for itself is left out, and what a Secret holds is never shown, only that it differs.
"""

import difflib
import io
from typing import Any

from ruamel.yaml import YAML

from clouddriver.kubernetes.document import LAST_APPLIED, Manifest, kind_of_manifest, mapping_at

MAX_LINES = 2_000
_HIDDEN, _CHANGED = "(hidden)", "(hidden, another value)"
_OF_THE_SERVER = frozenset(
    {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "deletionTimestamp"}
)


def difference(before: Manifest | None, after: Manifest, name: str) -> str:
    """Give the unified difference of an object as it is and as it would be, as YAML; empty when nothing changes.

    No more than `MAX_LINES` lines; a last line says how many were left out.
    """
    then = readable(after)
    now = None if before is None else readable(before)
    if kind_of_manifest(after).name == "secret":
        now, then = _without_secrets(now), _without_secrets(then, now or {})
    if now == then:
        return ""
    lines = list(difflib.unified_diff(_lines(now), _lines(then), f"{name} (live)", f"{name} (planned)", lineterm=""))
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES} more lines"]
    return "\n".join(lines) + "\n"


def readable(manifest: Manifest) -> Manifest:
    """Give an object without `status` and without what the server keeps."""
    metadata = {key: value for key, value in mapping_at(manifest, "metadata").items() if key not in _OF_THE_SERVER}
    annotations = {key: value for key, value in mapping_at(metadata, "annotations").items() if key != LAST_APPLIED}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    kept = {key: value for key, value in manifest.items() if key not in ("status", "metadata")}
    return kept | {"metadata": metadata}


def _without_secrets(secret: Manifest | None, before: Manifest | None = None) -> Manifest | None:
    """Hide each value; one that differs from that of `before` is marked."""
    if secret is None:
        return None
    hidden = {
        field: {
            key: _HIDDEN if before is None or mapping_at(before, field).get(key) == value else _CHANGED
            for key, value in mapping_at(secret, field).items()
        }
        for field in ("data", "stringData")
        if field in secret
    }
    return secret | hidden


def _lines(document: Manifest | None) -> list[str]:
    if document is None:
        return []
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 1_000_000  # pyright: ignore[reportAttributeAccessIssue]
    written = io.StringIO()
    yaml.dump(_sorted(document), written)  # pyright: ignore[reportUnknownMemberType]
    return written.getvalue().splitlines()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return [_sorted(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
