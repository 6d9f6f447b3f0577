"""JSON paths that users write, with regular expressions that can't run away."""

from functools import cache
from typing import Any


class NotFound(LookupError):
    """The path leads nowhere."""


@cache
def _environment() -> Any:
    from orca.webhooks.jsonpath_environment import Environment

    return Environment()


def read(path: str, document: Any) -> Any:
    """Give what `path` leads to: one value, or the list of them when it leads to several.

    Raises `NotFound` when it leads nowhere, `ValueError` when it is no JSON path.
    """
    if not isinstance(document, dict | list):
        raise NotFound(path)
    from jsonpath import JSONPathError

    try:
        found: list[Any] = _environment().findall(path, document)
    except JSONPathError as error:
        raise ValueError(f"'{path}' is no JSON path: {error}") from error
    if not found:
        raise NotFound(path)
    return found[0] if len(found) == 1 else list(found)
