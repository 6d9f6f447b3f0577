"""Expressions tried out on an execution, without changing it."""

import threading
from contextlib import ExitStack
from typing import Any, cast

from kork.documents import Document, as_list, as_object
from spel import Problem

from orca.clients import Clients
from orca.execution.model import Execution, JsonMap, StageExecution
from orca.execution.operations import stage_in
from orca.execution.service import ExecutionService
from orca.expressions import StageExpressions
from orca.expressions.evaluator import summary_of
from orca.expressions.outside import calling
from orca.settings import OrcaSettings
from orca.stages.view import Services


class Evaluations:
    """Evaluates what a person wants to try; functions that ask others are called."""

    def __init__(self, service: ExecutionService, settings: OrcaSettings, clients: Clients) -> None:
        self._service = service
        self._clients = clients
        self._settings = settings
        self._making = threading.Lock()
        self._services: Services | None = None
        self._open = ExitStack()

    def evaluate(self, execution_id: str, stage_id: str | None, expression: str) -> Document:
        """Evaluate an expression, written with or without `${}`: `{result, detail}`."""
        execution = self._service.get("PIPELINE", execution_id)
        stage = stage_in(execution, stage_id) if stage_id else _after(execution, [])
        text = expression.strip()
        template = text if "${" in text else f"${{{text}}}"
        expressions = StageExpressions(execution, stage)
        with calling(self._called()):
            result = expressions.render(template)
        return {"result": result, "detail": _detail(expressions.problems)}

    def variables(self, execution_id: str, body: Any, requisites: list[str]) -> Document:
        """Evaluate `[{key, value}]` in order; each sees those before it that have a value."""
        execution = self._service.get("PIPELINE", execution_id)
        expressions = StageExpressions(execution, _after(execution, requisites))
        results: list[JsonMap] = []
        for n, each in enumerate(as_list(body, "The body")):
            variable = as_object(each, f"Item {n} of the body")
            key, failures = str(variable.get("key")), len(expressions.problems)
            with calling(self._called()):
                value = cast(JsonMap, expressions.render({"value": variable.get("value")}))["value"]
            if len(expressions.problems) == failures:
                expressions.root.more[key] = value
            results.append({"key": key, "value": value})
        return {"result": results, "detail": _detail(expressions.problems)}

    def close(self) -> None:
        """Close the connections to users' addresses."""
        self._open.close()

    def _called(self) -> Services:
        """Give what functions call; made when it is needed first."""
        with self._making:
            if self._services is None:
                self._services = _services(self._settings, self._clients, self._open)
            return self._services


def _services(settings: OrcaSettings, clients: Clients, open_until: ExitStack) -> Services:
    import httpx2

    ours = {name: clients.to(name) for name in ("front50", "clouddriver", "echo", "orca")}
    return Services(**ours, http=open_until.enter_context(httpx2.Client()), settings=settings)


def _after(execution: Execution, requisites: list[str]) -> StageExecution:
    """Make a stage, outside the execution, that comes after the given ones (or after all)."""
    ends = requisites or [stage.ref_id for stage in execution.top_level_stages() if not execution.downstream(stage)]
    return StageExecution(id="", ref_id="\0", type="evaluateVariables", name="evaluate", requisites=ends)


def _detail(problems: list[Problem]) -> JsonMap:
    """Tell problems as Spinnaker does; beside that, which expression is at fault, and where in it."""
    detail = summary_of(problems)
    told: dict[str, int] = {}
    for problem in problems:
        at = told.setdefault(problem.expression, 0)
        told[problem.expression] += 1
        detail[problem.expression][at] |= {
            "failed": problem.failed,
            "column": problem.column,
            "message": problem.message,
            "pointed": problem.pointed(),
        }
    return detail
