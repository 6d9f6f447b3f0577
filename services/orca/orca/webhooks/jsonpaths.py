"""JSON paths that users write, with regular expressions that can't run away."""

from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError
from jsonpath.function_extensions import ExpressionType, FilterFunction

from orca.patterns import compiled, matches_all


class NotFound(LookupError):
    """The path leads nowhere."""


class _Match(FilterFunction):
    """`match(value, pattern)`: the pattern matches all of the text."""

    @property
    def arg_types(self) -> list[ExpressionType]:
        return [ExpressionType.VALUE, ExpressionType.VALUE]

    @property
    def return_type(self) -> ExpressionType:
        return ExpressionType.LOGICAL

    def __call__(self, value: object, pattern: object) -> bool:
        return isinstance(value, str) and isinstance(pattern, str) and matches_all(pattern, value)


class _Search(_Match):
    """`search(value, pattern)`: the pattern matches some of the text."""

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        found = compiled(pattern)
        return found is not None and found.search(value) is not None


class _Environment(JSONPathEnvironment):
    def __init__(self) -> None:
        super().__init__()
        self.function_extensions["match"] = _Match()
        self.function_extensions["search"] = _Search()

    def compare(self, left: object, operator: str, right: object) -> bool:
        if operator == "=~":
            pattern = getattr(right, "pattern", None)
            return isinstance(left, str) and isinstance(pattern, str) and matches_all(pattern, left)
        return super().compare(left, operator, right)


_environment = _Environment()


def read(path: str, document: Any) -> Any:
    """Give what `path` leads to: one value, or the list of them when it leads to several.

    Raises `NotFound` when it leads nowhere, `ValueError` when it is no JSON path.
    """
    if not isinstance(document, dict | list):
        raise NotFound(path)
    try:
        found = _environment.findall(path, document)  # pyright: ignore[reportUnknownArgumentType]
    except JSONPathError as error:
        raise ValueError(f"'{path}' is no JSON path: {error}") from error
    if not found:
        raise NotFound(path)
    return found[0] if len(found) == 1 else list(found)
