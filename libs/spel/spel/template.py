"""Texts with `${…}` in them: their parts, and what they become.

A text that is one expression gives the value itself; any other text gives text. What can't be evaluated
stays as it was, and a `Problem` says why. Source: Spinnaker's expression evaluation (Orca, kork-expressions) and
Spring's parser of templates.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, cast

from spel import ast
from spel.errors import TEMPLATE, EvaluationError, LimitError, ParseError, SpelError, caret
from spel.evaluator import Evaluator, Functions
from spel.limits import DEFAULT_LIMITS, Limits, Meter
from spel.objects import converted_text, plain, type_name
from spel.parser import parse

OPEN = "${"
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_CHARACTERS_A_STEP_OF_PARSING = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text was left as it was.

    `expression`, `description`, `level` and `exception_type` are those of Spinnaker's `expressionEvaluationSummary`:
    the expressions of the text, without `${` and `}`; why, with the keys under which the text stands; `ERROR`, or
    `INFO` when a value was merely absent. `failed` is the expression at fault, `column` (from 0) where in it, and
    `message` what is wrong there. `path` are the keys from the root of the tree.
    """

    expression: str
    description: str
    level: Literal["ERROR", "INFO"]
    exception_type: str | None
    column: int = 0
    path: tuple[str, ...] = ()
    failed: str = ""
    message: str = ""

    def pointed(self) -> str:
        """Show the message, the expression at fault and a caret under the place."""
        return f"{self.message}\n{caret(self.failed, self.column)}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template became, and what was wrong with it. `attempted` is what a problem would call its expressions."""

    value: Any
    problems: tuple[Problem, ...] = ()
    attempted: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: an expression, or text as it is."""

    text: str
    is_expression: bool


@lru_cache(maxsize=4096)
def parts_of(template: str) -> tuple[Part, ...]:
    """Split a template; raise `ParseError` for an expression that is empty or doesn't end."""
    return tuple(_split(template))


def _fault(template: str, at: int, what: str) -> ParseError:
    return ParseError(f"Expression [{template}] @{at}: {what}", template, at, TEMPLATE)


def _split(template: str) -> Iterator[Part]:
    position = 0
    while (start := template.find(OPEN, position)) >= 0:
        if start > position:
            yield Part(template[position:start], False)
        end = _end_of(template, start + len(OPEN))
        if end < 0:
            rest = template[start:]
            raise _fault(template, start, f"No ending suffix '}}' for expression starting at character {start}: {rest}")
        inner = template[start + len(OPEN) : end].strip()
        if not inner:
            raise _fault(template, start, f"No expression defined within delimiter '${{}}' at character {start}")
        yield Part(inner, True)
        position = end + 1
    if position < len(template) or not template:
        yield Part(template[position:], False)


def _end_of(template: str, start: int) -> int:
    """Find the `}` that closes an expression, -1 when there is none: brackets and quotes within it are matched."""
    if template.find("}", start) < 0:
        return -1
    opened: list[tuple[str, int]] = []
    position = start
    while position < len(template):
        character = template[position]
        if character == "}" and not opened:
            return position
        if character in _CLOSING:
            opened.append((character, position))
        elif character in _OPENING:
            if not opened:
                missing = _OPENING[character]
                what = f"Found closing '{character}' at position {position} without an opening '{missing}'"
                raise _fault(template, position, what)
            bracket, at = opened.pop()
            if _CLOSING[bracket] != character:
                what = f"Found closing '{character}' at position {position} but most recent opening is '{bracket}'"
                raise _fault(template, position, f"{what} at position {at}")
        elif character in "'\"":
            closing = template.find(character, position + 1)
            if closing < 0:
                what = f"Found non terminating string literal starting at position {position}"
                raise _fault(template, position, what)
            position = closing
        position += 1
    if opened:
        bracket, at = opened[-1]
        raise _fault(template, at, f"Missing closing '{_CLOSING[bracket]}' for '{bracket}' at position {at}")
    return -1


def has_expression(value: Any) -> bool:
    """Say whether any text in a tree has an expression; cheap."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if OPEN in item:
                return True
        elif isinstance(item, dict):
            waiting.extend(cast(dict[str, Any], item).keys())
            waiting.extend(cast(dict[str, Any], item).values())
        elif isinstance(item, list):
            waiting.extend(cast(list[Any], item))
    return False


@lru_cache(maxsize=4096)
def called_functions(template: str) -> frozenset[str]:
    """Name the functions that the expressions of a text call; none when it can't be parsed."""
    if "#" not in template or OPEN not in template:
        return frozenset()
    try:
        trees = [parse(part.text) for part in parts_of(template) if part.is_expression]
    except SpelError:
        return frozenset()
    return frozenset(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))


def evaluate(
    text: str,
    root: Any,
    *,
    functions: Functions | None = None,
    variables: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    meter: Meter | None = None,
) -> Any:
    """Evaluate one expression (without `${}`); raise a `SpelError` that points at what is wrong.

    `root` is a map (a missing key is null) or a `SpelObject`; `functions` are what `#name(…)` calls. With `meter`
    steps are taken from there.
    """
    used = meter or Meter(limits.steps)
    try:
        tree = _tree(text, limits, used)
        return Evaluator(text, root, functions=functions, variables=variables, limits=limits, meter=used).value(tree)
    except RecursionError:
        raise LimitError("The expression is nested too deeply", text, 0) from None
    except SpelError as error:
        if not error.expression:
            error.expression = text
        raise


def _tree(text: str, limits: Limits, meter: Meter) -> ast.Node:
    if len(text) > limits.expression_length:
        most = limits.expression_length
        raise LimitError(
            f"EL1079E: SpEL expression is too long, exceeding the threshold of '{most}' characters", text, 0
        )
    meter.spend(len(text) // _CHARACTERS_A_STEP_OF_PARSING)
    return parse(text)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the expressions of a text or a tree are evaluated with.

    `told_as` gives a text as problems shall tell it, where the host rewrites expressions.
    """

    root: Any
    functions: Functions | None = None
    variables: Mapping[str, Any] | None = None
    limits: Limits = DEFAULT_LIMITS
    told_as: Callable[[str], str] | None = None


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
    keys = path[-1:]
    rendered = render_text(template, Scope(root, functions, variables, limits), Meter(limits.steps), lambda: keys)
    return replace(rendered, problems=tuple(replace(problem, path=path) for problem in rendered.problems))


def render_text(template: str, scope: Scope, meter: Meter, keys: Callable[[], tuple[str, ...]]) -> Rendered:
    """Evaluate the expressions of a text; `keys` gives those under which it stands, and is asked when it fails."""
    if OPEN not in template:
        return Rendered(template)
    failed = template
    try:
        parts = parts_of(template)
        for part in parts:
            if part.is_expression:
                failed = part.text
                _tree(part.text, scope.limits, meter)
        pieces: list[str] = []
        value: Any = None
        absent: Part | None = None
        for part in parts:
            if not part.is_expression:
                pieces.append(part.text)
                continue
            failed = part.text
            value = evaluate(
                part.text,
                scope.root,
                functions=scope.functions,
                variables=scope.variables,
                limits=scope.limits,
                meter=meter,
            )
            if value is None:
                absent = absent or part
            if len(parts) > 1:
                pieces.append(f"${{{part.text}}}" if value is None else _as_text(part, value))
        if len(parts) > 1:
            value = _joined(pieces, scope.limits)
        elif absent is None:
            value = plain(value, scope.limits.output_nodes)
    except SpelError as error:
        return _with_error(template, scope, keys(), failed, error)
    except RecursionError:
        error = LimitError("The value is nested too deeply", failed, 0)
        return _with_error(template, scope, keys(), failed, error)
    if absent is None:
        return Rendered(value)
    return _with_absence(template, value if len(parts) > 1 else template, scope, keys(), absent)


def _joined(pieces: list[str], limits: Limits) -> str:
    if sum(map(len, pieces)) > limits.output_length:
        raise LimitError(f"A text longer than {limits.output_length} characters came out")
    return "".join(pieces)


def _as_text(part: Part, value: Any) -> str:
    """Write a value into a text as Spring converts it."""
    try:
        return converted_text(value)
    except TypeError as error:
        source = type_name(value)
        source = f"{source}<?, ?>" if source.endswith("Map") else f"{source}<?>"
        told = f"EL1001E: Type conversion problem, cannot convert from {source} to java.lang.String"
        found = f"{error}<?, ?>"
        cause = f"No converter found capable of converting from type [{found}] to type [java.lang.String]"
        kind = "org.springframework.core.convert.ConverterNotFoundException"
        raise EvaluationError(f"{cause} - {told}", part.text, 0, kind) from error


def _told(template: str, scope: Scope) -> str:
    return scope.told_as(template) if scope.told_as else template


def attempted(template: str, scope: Scope) -> str:
    """Give what a summary calls a text: its parts one after the other, without `${` and `}`."""
    told = _told(template, scope)
    try:
        parts = parts_of(told)
        for part in parts:
            if part.is_expression:
                parse(part.text)
        return "".join(part.text for part in parts)
    except SpelError:
        # Spinnaker's way for what can't be parsed: without the outer braces, else without dollars.
        whole = template.startswith(OPEN) and template.endswith("}") and "\n" not in template
        return template[len(OPEN) : -1].strip() if whole else template.replace("$", "")


def _fields(template: str, scope: Scope, keys: tuple[str, ...]) -> str:
    return f"[{', '.join(keys)}]" if keys else _told(template, scope)


def _with_absence(template: str, value: Any, scope: Scope, keys: tuple[str, ...], absent: Part) -> Rendered:
    name = attempted(template, scope)
    description = f"Failed to evaluate {_fields(template, scope, keys)} : {name} not found"
    problem = Problem(name, description, "INFO", None, 0, (), absent.text, f"{absent.text} is null, or not there")
    return Rendered(value, (problem,), name)


def _with_error(template: str, scope: Scope, keys: tuple[str, ...], failed: str, error: SpelError) -> Rendered:
    name = attempted(template, scope)
    description = f"Failed to evaluate {_fields(template, scope, keys)} {error.message}".replace("$", "")
    expression = error.expression or failed
    problem = Problem(name, description, "ERROR", error.kind, error.column, (), expression, error.message)
    return Rendered(template, (problem,), name)
