"""Manifests as they were written: YAML text into JSON, lists laid flat. Pure."""

from typing import Any, cast

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor

from orca.execution.model import JsonMap
from orca.stages.results import TaskFailure

_MAX_VALUES = 200_000


class _Constructor(SafeConstructor):
    """Reads dates as the text they are: manifests are JSON, which has none."""


def _as_written(constructor: Any, node: Any) -> str:
    return cast(str, node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _as_written)  # pyright: ignore[reportUnknownMemberType]


def read_manifests(text: str, what: str) -> list[JsonMap]:
    """Read all documents of a YAML (or JSON) text as manifests; empty ones are dropped.

    YAML 1.1, as kubectl reads it: `0644` is octal, `yes` is true. Raises `TaskFailure` naming `what`.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # pyright: ignore[reportAttributeAccessIssue]
    yaml.Constructor = _Constructor
    try:
        documents = _Copy(what).of(list(cast(Any, yaml).load_all(text)))
    except (YAMLError, ValueError, RecursionError) as error:
        raise TaskFailure(f"{what} is not YAML: {error}", exception_type="InvalidManifest") from error
    return flattened(documents, what)


def flattened(value: Any, what: str) -> list[JsonMap]:
    """Lay manifests out as one list: nested lists opened, nulls dropped. Raises `TaskFailure` for what is no object."""
    if value is None:
        return []
    if isinstance(value, list):
        return [manifest for item in cast(list[Any], value) for manifest in flattened(item, what)]
    if isinstance(value, dict):
        return [cast(JsonMap, value)]
    raise TaskFailure(f"{what} must hold Kubernetes objects, not {value!r:.100}.", exception_type="InvalidManifest")


class _Copy:
    """Copies YAML values as JSON: keys are text, aliases written out, and no more than `_MAX_VALUES` of them.

    A small text can stand for millions of values by its aliases.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0

    def of(self, value: Any) -> Any:
        """Copy one value. Raises `TaskFailure` for what JSON has not."""
        self._count += 1
        if self._count > _MAX_VALUES:
            raise self._failure(f"has more than {_MAX_VALUES} values")
        if isinstance(value, dict):
            return {_key(key): self.of(item) for key, item in cast(dict[Any, Any], value).items()}
        if isinstance(value, list):
            return [self.of(item) for item in cast(list[Any], value)]
        if value is None or isinstance(value, str | int | float):
            return value
        raise self._failure(f"has a value that JSON doesn't know: {value!r:.100}")

    def _failure(self, reason: str) -> TaskFailure:
        return TaskFailure(f"{self._what} {reason}.", exception_type="InvalidManifest")


def _key(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)
