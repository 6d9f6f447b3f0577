"""A stage's context with its expressions evaluated, and the summary of what could not be.

Source: Spinnaker's Orca, `ExpressionAware`, `ContextParameterProcessor`, `EvaluateVariablesStage`.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from kork.clock import now_ms
from spel import (
    Problem,
    Rendered,
    Scope,
    SpelError,
    TreeRenderer,
    called_functions,
    evaluate,
    has_expression,
    to_text,
)

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions.functions import ASKING, Functions, told_as
from orca.expressions.outside import outcome_of
from orca.expressions.root import StageRoot

SUMMARY = "expressionEvaluationSummary"


class StageExpressions:
    """Evaluates texts and trees as one stage sees them."""

    def __init__(self, execution: Execution, stage: StageExecution) -> None:
        self._stage = stage
        self._functions = Functions(execution, stage)
        self.root = StageRoot(execution, stage, self._aliases(execution))
        self._renderer = TreeRenderer(Scope(self.root, self._functions, told_as=told_as), self._instead)

    def _aliases(self, execution: Execution) -> dict[str, Callable[[], Any]]:
        return (
            {"deployedServerGroups": lambda: self._functions["deployedServerGroups"]()} if execution.is_pipeline else {}
        )

    @property
    def problems(self) -> list[Problem]:
        """What could not be evaluated so far."""
        return self._renderer.problems

    @property
    def attempted(self) -> set[str]:
        """What has been tried so far, as summaries call it."""
        return self._renderer.attempted

    def render(self, tree: Any) -> Any:
        """Give a tree with its expressions evaluated; what fails stays, and is in `problems`."""
        return self._renderer.render(tree)

    def value(self, expression: str) -> Any:
        """Evaluate one expression, written without `${}`; raise `SpelError`."""

        def attempt() -> tuple[Any, SpelError | None]:
            try:
                return evaluate(expression, self.root, functions=self._functions), None
            except SpelError as error:
                return None, error

        asks = not called_functions(f"${{{expression}}}").isdisjoint(ASKING)
        value, error = outcome_of(self._stage.id, f"={expression}", attempt) if asks else attempt()
        if error is not None:
            raise error
        return value

    def _instead(self, text: str, evaluated: Callable[[], Rendered]) -> Rendered:
        if called_functions(text).isdisjoint(ASKING):
            return evaluated()
        return outcome_of(self._stage.id, text, evaluated)


class PipelineExpressions:
    """Evaluates the expressions of stages, as the engine asks."""

    def context(self, execution: Execution, stage: StageExecution, raw: Collection[str]) -> JsonMap:
        """Give the context evaluated; keys in `raw`, and the summary itself, stay as they are."""
        kept = {key: value for key, value in stage.context.items() if key in raw or key == SUMMARY}
        wanted = {key: value for key, value in stage.context.items() if key not in kept}
        if not has_expression(wanted):
            return stage.context
        expressions = StageExpressions(execution, stage)
        if stage.type == "evaluateVariables" and execution.spel_evaluator == "v4":
            evaluated = _one_by_one(expressions, wanted)
        else:
            evaluated = cast(JsonMap, expressions.render(wanted))
        result = evaluated | {key: value for key, value in kept.items() if key != SUMMARY}
        summary = _summary_after(expressions, kept.get(SUMMARY))
        return result | {SUMMARY: summary} if summary else result

    def condition(self, execution: Execution, stage: StageExecution, expression: str) -> str:
        """Evaluate one expression, written without `${}`; what fails gives the failure's words."""
        try:
            return to_text(self.value(execution, stage, expression))
        except SpelError as error:
            return error.message

    def value(self, execution: Execution, stage: StageExecution, expression: str) -> Any:
        """Evaluate one expression for a stage; raise `SpelError`."""
        return StageExpressions(execution, stage).value(expression)


def _one_by_one(expressions: StageExpressions, context: JsonMap) -> JsonMap:
    """Evaluate the values of variables in order: each sees those before it. Nothing else of the stage is evaluated."""
    variables: Any = context.get("variables")
    if not isinstance(variables, list):
        return context
    evaluated: list[Any] = []
    for variable in cast(list[Any], variables):
        if isinstance(variable, dict):
            variable = cast(JsonMap, variable)
            failures = len(expressions.problems)
            value = variable.get("value")
            if isinstance(value, str):
                value = expressions.render({"var": value})["var"]
            if len(expressions.problems) == failures:
                variable = variable | ({"value": value} if "value" in variable else {})
                expressions.root.more[str(variable.get("key"))] = value
        evaluated.append(variable)
    return context | {"variables": evaluated}


def _summary_after(expressions: StageExpressions, before: Any) -> JsonMap:
    """Give the summary of this pass; one without failures leaves of the last summary what it didn't try."""
    if expressions.problems:
        return summary_of(expressions.problems)
    if not isinstance(before, dict):
        return {}
    return {key: value for key, value in cast(JsonMap, before).items() if key not in expressions.attempted}


def summary_of(problems: Iterable[Problem]) -> JsonMap:
    """Tell problems in the shape of Spinnaker's `expressionEvaluationSummary`."""
    summary: JsonMap = {}
    for problem in problems:
        entry: JsonMap = {"description": problem.description}
        if problem.exception_type:
            entry["exceptionType"] = problem.exception_type
        summary.setdefault(problem.expression, []).append(entry | {"timestamp": now_ms(), "level": problem.level})
    return summary
