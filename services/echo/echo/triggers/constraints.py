"""Payload constraints and regular expressions that users write. Pure; RE2, so that none takes long."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import re2
from kork.documents import Document, json_type, write_json


@lru_cache(maxsize=2048)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def found(pattern: str, text: str) -> bool:
    """Say whether the regular expression is found anywhere in `text`; one that is wrong is found nowhere."""
    try:
        return _compile(pattern).search(text) is not None
    except re2.error:
        return False


def matches(pattern: str, text: str) -> bool:
    """Say whether the regular expression matches the whole of `text`; one that is wrong matches nothing."""
    try:
        return _compile(pattern).fullmatch(text) is not None
    except re2.error:
        return False


def fault_in(pattern: str) -> str | None:
    """Say what is wrong with a regular expression, or None."""
    try:
        _compile(pattern)
    except re2.error as error:
        return error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
    return None


def unmet_constraint(constraints: Document, payload: Mapping[str, Any]) -> str | None:
    """Say which constraint a payload doesn't meet and why, or None when it meets all.

    Every key must be there and not null, and its value found by the expected regular expression; an expected
    null takes any value. A key that is absent is looked up as a JSONPath, of which any value may match.
    Source: Spinnaker's Echo, constraints of webhook triggers.
    """
    for key, expected in constraints.items():
        values = [payload[key]] if key in payload else _at_path(key, payload)
        present = [value for value in values if value is not None]
        if not present:
            return f"the payload has nothing at '{key}'"
        if expected is None:
            continue
        pattern = _text(expected)
        if fault_in(pattern):
            return f"the constraint on '{key}' is not a regular expression"
        if not any(found(pattern, _text(value)) for value in present):
            # The expected value may be a shared secret, and whoever sent the payload may read this.
            return f"the payload's '{key}' does not match its constraint"
    return None


def _at_path(key: str, payload: Mapping[str, Any]) -> list[Any]:
    path = key if key.startswith("$") else f"$.{key}"
    try:
        values = _path(path).findall(payload)
    except Exception:
        # A wrong path, or one that meets values of another kind: the library has several errors for these.
        return []
    flat: list[Any] = []
    for value in values:
        flat.extend(cast(list[Any], value) if isinstance(value, list) else [value])
    return flat


@lru_cache(maxsize=512)
def _path(path: str) -> Any:
    import jsonpath

    return jsonpath.compile(path)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if json_type(value) in ("an array", "an object"):
        return write_json(value).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)
