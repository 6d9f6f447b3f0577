"""`${…}` in texts, and in the texts within maps and lists.

A text that is one expression gives the value itself; any other text gives text. What can't be evaluated
stays as it was, and a `Problem` says why. Source: Spinnaker's expression evaluation (Orca, kork-expressions).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from spel.errors import EvaluationError, LimitError, ParseError, SpelError
from spel.evaluator import Evaluator, Functions
from spel.limits import DEFAULT_LIMITS, Limits
from spel.objects import JavaObject, SpelObject, to_text, type_name
from spel.parser import parse

_OPEN = "${"
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_MAX_TREE_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text was left as it was.

    `expression` is its text without `${` and `}`; `description` is fit for Spinnaker's
    `expressionEvaluationSummary`; `level` is `ERROR`, or `INFO` when a value was merely absent.
    """

    expression: str
    description: str
    level: Literal["ERROR", "INFO"]
    exception_type: str | None
    column: int = 0
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template became, and what was wrong with it."""

    value: Any
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: an expression, or text as it is."""

    text: str
    is_expression: bool


@lru_cache(maxsize=4096)
def parts_of(template: str) -> tuple[Part, ...]:
    """Split a template; raise `ParseError` for an expression that is empty or doesn't end."""
    return tuple(_split(template))


def _split(template: str) -> Iterator[Part]:
    position = 0
    while (start := template.find(_OPEN, position)) >= 0:
        if start > position:
            yield Part(template[position:start], False)
        end = _end_of(template, start + len(_OPEN))
        inner = template[start + len(_OPEN) : end].strip()
        if not inner:
            raise ParseError("No expression defined within delimiters '${}'", template, start)
        yield Part(inner, True)
        position = end + 1
    if position < len(template) or not template:
        yield Part(template[position:], False)


def _end_of(template: str, start: int) -> int:
    """Find the `}` that closes an expression: brackets and quotes within it are matched."""
    waiting: list[str] = []
    position = start
    while position < len(template):
        character = template[position]
        if character in "'\"":
            closing = template.find(character, position + 1)
            if closing < 0:
                raise ParseError(f"Found non terminating string literal at character {position}", template, position)
            position = closing
        elif character in _PAIRS:
            waiting.append(_PAIRS[character])
        elif waiting and character == waiting[-1]:
            waiting.pop()
        elif character == "}" and not waiting:
            return position
        elif character in ")]}":
            raise ParseError(f"Found closing '{character}' without an opening one", template, position)
        position += 1
    raise ParseError(f"No ending suffix '}}' for expression starting at character {start - 2}", template, start - 2)


def has_expression(value: Any) -> bool:
    """Say whether any text in a tree has an expression; cheap."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _OPEN in item:
                return True
        elif isinstance(item, dict):
            waiting.extend(cast(dict[str, Any], item).keys())
            waiting.extend(cast(dict[str, Any], item).values())
        elif isinstance(item, list):
            waiting.extend(cast(list[Any], item))
    return False


def evaluate(
    text: str,
    root: Any,
    *,
    functions: Functions | None = None,
    variables: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Any:
    """Evaluate one expression (without `${}`); raise a `SpelError` that points at what is wrong.

    `root` is a map (a missing key is null) or a `SpelObject`; `functions` are what `#name(…)` calls.
    """
    if len(text) > limits.expression_length:
        raise LimitError(f"The expression is longer than {limits.expression_length} characters", text, 0)
    tree = parse(text)
    try:
        return Evaluator(text, root, functions=functions, variables=variables, limits=limits).value(tree)
    except RecursionError as error:
        raise LimitError("The expression is nested too deeply", text, 0) from error


def render(
    template: str,
    root: Any,
    *,
    functions: Functions | None = None,
    variables: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    path: tuple[str, ...] = (),
) -> Rendered:
    """Evaluate the expressions of a text. It never raises: what fails stays as it was, with a problem."""
    if _OPEN not in template:
        return Rendered(template)
    try:
        parts = parts_of(template)
        values = [
            evaluate(part.text, root, functions=functions, variables=variables, limits=limits)
            if part.is_expression
            else part.text
            for part in parts
        ]
        if len(parts) == 1:
            return _single(template, parts[0], values[0], path)
        return _composite(parts, values, path)
    except SpelError as error:
        return Rendered(template, (_error(template, error, path),))


def _single(template: str, part: Part, value: Any, path: tuple[str, ...]) -> Rendered:
    if value is None:
        return Rendered(template, (_absent(part.text, path),))
    return Rendered(plain(value))


def _composite(parts: tuple[Part, ...], values: list[Any], path: tuple[str, ...]) -> Rendered:
    written: list[str] = []
    told: list[str] = []
    for part, value in zip(parts, values, strict=True):
        piece = part.text if value is None else _as_text(part, value)
        written.append(f"${{{piece}}}" if value is None else piece)
        told.append(piece)
    text = "".join(written)
    problems = (_absent("".join(told), path),) if any(value is None for value in values) else ()
    return Rendered(text, problems)


def _as_text(part: Part, value: Any) -> str:
    """Write a value into a text; a list becomes its elements with commas, a map has no such form."""
    if isinstance(value, list | tuple):
        return ",".join(to_text(item) for item in cast(list[Any], value))
    if isinstance(value, Mapping) and not isinstance(value, JavaObject):
        raise EvaluationError(
            f"EL1001E: Type conversion problem, cannot convert from {type_name(value)} to java.lang.String", part.text
        )
    return to_text(value)


def plain(value: Any) -> Any:
    """Turn what an expression gave into plain JSON values."""
    if isinstance(value, JavaObject):
        return value.text()
    if isinstance(value, Mapping):
        return {to_text(key): plain(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in cast(list[Any], value)]
    if isinstance(value, SpelObject):
        shown = getattr(value, "spel_plain", None)
        return shown() if callable(shown) else to_text(value)
    return value


def _named(path: tuple[str, ...]) -> str:
    return f"[{path[-1]}] " if path else ""


def _absent(expression: str, path: tuple[str, ...]) -> Problem:
    description = f"Failed to evaluate {_named(path)}: {expression} not found".replace("$", "")
    return Problem(expression, description, "INFO", None, 0, path)


def _error(template: str, error: SpelError, path: tuple[str, ...]) -> Problem:
    description = f"Failed to evaluate {_named(path)}{error.message}".replace("$", "")
    return Problem(_bare(template), description, "ERROR", error.kind, error.column, path)


def _bare(template: str) -> str:
    try:
        return "".join(part.text for part in parts_of(template))
    except ParseError:
        return template.replace(_OPEN, "").replace("$", "")


def render_tree(
    value: Any,
    root: Any,
    *,
    functions: Functions | None = None,
    variables: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Any, list[Problem]]:
    """Evaluate the expressions in all texts of a tree, keys included; the tree itself is not changed.

    Gives the evaluated tree and the problems in the order in which they were met.
    """
    problems: list[Problem] = []

    def walk(item: Any, path: tuple[str, ...]) -> Any:
        if isinstance(item, str):
            rendered = render(item, root, functions=functions, variables=variables, limits=limits, path=path)
            problems.extend(rendered.problems)
            return rendered.value
        if len(path) > _MAX_TREE_DEPTH:
            return item
        if isinstance(item, dict):
            entries = cast(dict[str, Any], item)
            return {to_text(walk(key, path)): walk(inner, (*path, key)) for key, inner in entries.items()}
        if isinstance(item, list):
            return [walk(inner, path) for inner in cast(list[Any], item)]
        return item

    return walk(value, ()), problems
