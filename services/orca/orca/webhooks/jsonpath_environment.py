"""The JSON path engine, on RE2. Imported when the first path is read: it takes a while."""

from jsonpath import JSONPathEnvironment
from jsonpath.function_extensions import ExpressionType, FilterFunction

from orca.patterns import compiled, matches_all


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


class Environment(JSONPathEnvironment):
    def __init__(self) -> None:
        super().__init__()
        self.function_extensions["match"] = _Match()
        self.function_extensions["search"] = _Search()

    def compare(self, left: object, operator: str, right: object) -> bool:
        if operator == "=~":
            pattern = getattr(right, "pattern", None)
            return isinstance(left, str) and isinstance(pattern, str) and matches_all(pattern, left)
        return super().compare(left, operator, right)
