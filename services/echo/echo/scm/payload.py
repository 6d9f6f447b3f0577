"""Reading values out of payloads."""

from typing import Any, cast

from kork.documents import Document


def at(payload: Document, *path: str | int) -> Any:
    """Give the value at a path of keys and positions, or None."""
    value: Any = payload
    for step in path:
        if isinstance(step, int):
            items: list[Any] = cast(list[Any], value) if isinstance(value, list) else []
            value = items[step] if -len(items) <= step < len(items) else None
        else:
            value = cast(Document, value).get(step) if isinstance(value, dict) else None
    return value


def text_at(payload: Document, *path: str | int) -> str:
    """Give the text at a path, or an empty one."""
    value = at(payload, *path)
    return value if isinstance(value, str) else ""


def branch_of(ref: str) -> str:
    """Give the branch's name without `refs/heads/`."""
    return ref.removeprefix("refs/heads/")
