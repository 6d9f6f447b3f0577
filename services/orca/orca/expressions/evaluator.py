"""A stage's context with its expressions evaluated, and the summary of what could not be."""

from collections.abc import Collection
from typing import Any

from kork.clock import now_ms
from spel import Problem, SpelError, evaluate, has_expression, render_tree, to_text

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions.functions import functions_for
from orca.expressions.root import StageRoot

SUMMARY = "expressionEvaluationSummary"


class PipelineExpressions:
    """Evaluates the expressions of stages, as the engine asks."""

    def context(self, execution: Execution, stage: StageExecution, raw: Collection[str]) -> JsonMap:
        """Give the context evaluated; keys in `raw`, and the summary itself, stay as they are."""
        kept = {key: value for key, value in stage.context.items() if key in raw or key == SUMMARY}
        wanted = {key: value for key, value in stage.context.items() if key not in kept}
        if not has_expression(wanted):
            return stage.context
        root, functions = StageRoot(execution, stage), functions_for(execution, stage)
        evaluated, problems = render_tree(wanted, root, functions=functions)
        result: JsonMap = evaluated | {key: value for key, value in kept.items() if key != SUMMARY}
        if problems:
            result[SUMMARY] = summary_of(problems)
        return result

    def condition(self, execution: Execution, stage: StageExecution, expression: str) -> str:
        """Evaluate one expression, written without `${}`; what fails gives the failure's words."""
        try:
            return to_text(self.value(execution, stage, expression))
        except SpelError as error:
            return error.message

    def value(self, execution: Execution, stage: StageExecution, expression: str) -> Any:
        """Evaluate one expression for a stage; raise `SpelError`."""
        functions = functions_for(execution, stage)
        return evaluate(expression, StageRoot(execution, stage), functions=functions)


def summary_of(problems: list[Problem]) -> JsonMap:
    """Tell problems in the shape of Spinnaker's `expressionEvaluationSummary`."""
    summary: JsonMap = {}
    for problem in problems:
        entry: JsonMap = {"description": problem.description, "timestamp": now_ms(), "level": problem.level}
        if problem.exception_type:
            entry["exceptionType"] = problem.exception_type
        summary.setdefault(problem.expression, []).append(entry)
    return summary
