"""Expressions tried out on an execution, without changing it."""

from typing import Any, cast

from kork.documents import Document, as_list, as_object
from spel import SpelError, plain, render_tree

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.execution.operations import stage_in
from orca.execution.service import ExecutionService
from orca.expressions import PipelineExpressions
from orca.expressions.evaluator import summary_of
from orca.expressions.functions import functions_for
from orca.expressions.root import StageRoot


class Evaluations:
    """Evaluates what a person wants to try."""

    def __init__(self, service: ExecutionService, expressions: PipelineExpressions) -> None:
        self._service = service
        self._expressions = expressions

    def evaluate(self, execution_id: str, stage_id: str | None, expression: str) -> Document:
        """Evaluate an expression, written with or without `${}`: `{result, detail}`."""
        execution = self._service.get("PIPELINE", execution_id)
        stage = stage_in(execution, stage_id) if stage_id else _after(execution, [])
        text = expression.strip()
        template = text if "${" in text else f"${{{text}}}"
        value, detail = _render(execution, stage, {"expression": template})
        return {"result": value["expression"], "detail": detail}

    def variables(self, execution_id: str, body: Any, requisites: list[str]) -> Document:
        """Evaluate `[{key, value}]` in order; each sees those before it."""
        execution = self._service.get("PIPELINE", execution_id)
        stage = _after(execution, requisites)
        detail: JsonMap = {}
        results: list[JsonMap] = []
        for n, each in enumerate(as_list(body, "The body")):
            variable = as_object(each, f"Item {n} of the body")
            evaluated, problems = _render(execution, stage, {"value": variable.get("value")})
            detail |= problems
            key = str(variable.get("key"))
            stage.context[key] = evaluated["value"]
            results.append({"key": key, "value": evaluated["value"]})
        return {"result": results, "detail": detail}


def _after(execution: Execution, requisites: list[str]) -> StageExecution:
    """Make a stage, outside the execution, that comes after the given ones (or after all)."""
    ends = requisites or [stage.ref_id for stage in execution.top_level_stages() if not execution.downstream(stage)]
    return StageExecution(id="", ref_id="\0", type="evaluateVariables", name="evaluate", requisites=ends)


def _render(execution: Execution, stage: StageExecution, tree: JsonMap) -> tuple[JsonMap, JsonMap]:
    try:
        value, problems = render_tree(tree, StageRoot(execution, stage), functions=functions_for(execution, stage))
    except SpelError as error:
        return tree, {"error": error.message}
    return cast(JsonMap, plain(value)), summary_of(problems)
