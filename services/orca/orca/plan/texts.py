"""The expressions of a context, each with its outcome before the run. Pure but for what functions ask."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from spel import SpelError, evaluate, has_expression, plain, render, to_text
from spel.template import parts_of

from orca.execution.model import JsonMap, StageExecution
from orca.plan.foresight import Foresight, PlannedRoot, Unknown
from orca.stages.definition import Unanswered

_MAX_DEPTH = 100
Outcome = Literal["value", "unknown", "failed"]


@dataclass(frozen=True, slots=True)
class Text:
    """An expression's outcome: its `value`, what it is `unknown` because of, or what is wrong with it.

    `path` is where it is written (`manifests[0].metadata.name`); `pointed` has a caret under the fault.
    """

    path: str
    text: str
    outcome: Outcome
    value: Any = None
    depends_on: str = ""
    message: str = ""
    pointed: str = ""

    def to_json(self) -> JsonMap:
        """Give it as JSON."""
        said: JsonMap = {"path": self.path, "expression": self.text, "outcome": self.outcome}
        match self.outcome:
            case "value":
                return said | {"value": self.value}
            case "unknown":
                return said | {"dependsOn": self.depends_on}
            case "failed":
                return said | {"message": self.message} | ({"pointed": self.pointed} if self.pointed else {})


@dataclass(slots=True)
class Evaluated:
    """A context with what could be evaluated in the place of its expressions; the rest is as it was written."""

    context: JsonMap
    texts: list[Text] = field(default_factory=list[Text])

    @property
    def unsettled(self) -> set[str]:
        """Name the keys of the context in which something only the run will tell."""
        return {_first(text.path) for text in self.texts if text.outcome == "unknown"}

    def is_unsettled(self, path: Collection[str | int]) -> bool:
        """Say whether a place of the context, or something in it, is for the run to tell."""
        here = _written(path)
        return any(
            text.outcome == "unknown" and (_is_within(text.path, here) or _is_within(here, text.path))
            for text in self.texts
        )


class Texts:
    """Evaluates what is written in one stage."""

    def __init__(self, foresight: Foresight, stage: StageExecution) -> None:
        self._root = PlannedRoot(foresight, stage)
        self._functions = foresight.functions(stage)

    def context(self, context: JsonMap, raw: Collection[str]) -> Evaluated:
        """Evaluate a context; keys in `raw` stay as they are."""
        result = Evaluated({})
        for key, value in context.items():
            if key in raw or not has_expression({key: value}):
                result.context[key] = value
                continue
            name = self._text(key, key, result.texts)
            result.context[to_text(name)] = self._walk(value, key, result.texts, 0)
        return result

    def variables(self, context: JsonMap) -> Evaluated:
        """Evaluate the values of `variables` in order: each sees those before it. Nothing else is evaluated."""
        listed: Any = context.get("variables")
        if not isinstance(listed, list):
            return Evaluated(context)
        result = Evaluated(context)
        evaluated: list[Any] = []
        for n, variable in enumerate(cast(list[Any], listed)):
            if isinstance(variable, dict):
                variable = self._variable(cast(JsonMap, variable), n, result.texts)
            evaluated.append(variable)
        result.context = context | {"variables": evaluated}
        return result

    def _variable(self, variable: JsonMap, n: int, found: list[Text]) -> JsonMap:
        key, value = str(variable.get("key")), variable.get("value")
        before = len(found)
        if isinstance(value, str):
            value = self._text(value, f"variables[{n}].value", found)
        outcome = found[-1].outcome if len(found) > before else "value"
        if outcome == "unknown":
            self._root.unsettled[key] = found[-1].depends_on
        elif outcome == "value":
            self._root.more[key] = value
        return variable | ({"value": value} if "value" in variable else {})

    def condition(self, path: str, expression: str) -> Text:
        """Evaluate a condition, written without `${}`, as text."""
        return self._judged(path, expression, lambda: to_text(self._value(expression)), expression)

    def _value(self, expression: str) -> Any:
        return evaluate(expression, self._root, functions=self._functions)

    def _walk(self, value: Any, path: str, found: list[Text], depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, path, found)
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, dict):
            entries = cast(JsonMap, value)
            return {
                to_text(self._text(key, f"{path}.{key}", found)): self._walk(item, f"{path}.{key}", found, depth + 1)
                for key, item in entries.items()
            }
        if isinstance(value, list):
            items = cast(list[Any], value)
            return [self._walk(item, f"{path}[{n}]", found, depth + 1) for n, item in enumerate(items)]
        return value

    def _text(self, text: str, path: str, found: list[Text]) -> Any:
        if not has_expression(text):
            return text
        result = self._judged(path, text, lambda: self._rendered(text), text)
        found.append(result)
        return result.value if result.outcome == "value" else text

    def _rendered(self, text: str) -> Any:
        rendered = render(text, self._root, functions=self._functions)
        if not rendered.problems:
            return rendered.value
        for part in parts_of(text):
            if part.is_expression and self._value(part.text) is None:
                raise SpelError(f"{part.text} is null: there is no such value", part.text, 0)
        raise SpelError(rendered.problems[0].description, rendered.problems[0].expression, rendered.problems[0].column)

    def _judged(self, path: str, text: str, act: Callable[[], Any], expression: str) -> Text:
        try:
            return Text(path, text, "value", plain(act()))
        except Unknown as unknown:
            return Text(path, text, "unknown", depends_on=unknown.on)
        except Unanswered:
            return Text(path, text, "unknown", depends_on="what other services answer when the stage runs")
        except SpelError as error:
            return Text(
                path, text, "failed", message=error.message, pointed=error.pointed() if error.expression else ""
            )


def _written(path: Collection[str | int]) -> str:
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else part
    return written


def _first(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


def _is_within(inner: str, outer: str) -> bool:
    return inner == outer or (inner.startswith(outer) and inner[len(outer)] in ".[")
