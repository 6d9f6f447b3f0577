"""`checkPreconditions`: go on only when every condition holds.

The stage makes a child for each precondition; the children run in parallel. `clusterSize` comes with
the server groups of the cloud providers.
"""

from typing import Any, cast

from pydantic import Field
from spel import SpelError, to_text

from orca.execution.model import EpochMillis, JsonMap
from orca.expressions import PipelineExpressions
from orca.stages.definition import (
    Stage,
    StageContext,
    StageView,
    Synthetic,
    TaskFailure,
    TaskResult,
    TaskSpec,
    stage,
    succeeded,
    task,
    terminal,
)

_expressions = PipelineExpressions()


class CheckPreconditionsContext(StageContext):
    """The parent has `preconditions`, a child has `preconditionType` and that condition's `context`."""

    preconditions: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    precondition_type: str | None = None
    context: dict[str, Any] = Field(default_factory=dict[str, Any])


@task(
    name="checkPrecondition",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.ExpressionPreconditionTask",
)
def check_expression(stage: StageView[CheckPreconditionsContext], now: EpochMillis) -> TaskResult:
    """Succeed when the expression is true; its result is kept as `context.expressionResult`."""
    condition = stage.context.context
    expression = condition.get("expression")
    if isinstance(expression, str) and expression.strip().lower() not in ("true", "false"):
        try:
            result = to_text(_expressions.value(stage.execution, stage.stage, expression.strip()))
        except SpelError as error:
            result = error.message
    else:
        result = to_text(expression)
    context: JsonMap = {"context": condition | {"expressionResult": result}}
    return succeeded(context) if result.strip().lower() == "true" else terminal(context)


@task(
    name="checkPrecondition",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.StageStatusPreconditionTask",
)
def check_stage_status(stage: StageView[CheckPreconditionsContext], now: EpochMillis) -> TaskResult:
    """Succeed when the stage named `stageName` has the status `stageStatus`."""
    condition = stage.context.context
    name, wanted = condition.get("stageName"), condition.get("stageStatus")
    if not name or not wanted:
        raise TaskFailure(f"The stage-status precondition needs 'stageName' and 'stageStatus' (got {condition!r}).")
    found = next((each for each in stage.execution.stages if each.name == name), None)
    if found is None:
        raise TaskFailure(f"There is no stage named '{name}' in this pipeline.")
    if found.status.value != wanted:
        raise TaskFailure(f"The status of stage '{name}' is {found.status.value}, not {wanted}.")
    return succeeded()


_CHECKS: dict[str, TaskSpec] = {"expression": check_expression, "stageStatus": check_stage_status}


@stage("checkPreconditions")
class CheckPreconditions(Stage[CheckPreconditionsContext]):
    """Check conditions; one that doesn't hold fails as its own `failPipeline` says."""

    def before(self, stage: StageView[CheckPreconditionsContext]):
        if stage.context.precondition_type is None:
            for precondition in stage.context.preconditions:
                yield _child(stage, precondition)

    def tasks(self, stage: StageView[CheckPreconditionsContext]):
        kind = stage.context.precondition_type
        if kind is None:
            return
        if kind not in _CHECKS:
            known = ", ".join(sorted(_CHECKS))
            raise TaskFailure(f"There is no precondition of type '{kind}'. Known are: {known}.")
        yield _CHECKS[kind]


def _child(stage: StageView[CheckPreconditionsContext], precondition: dict[str, Any]) -> Synthetic:
    kind = str(precondition.get("type"))
    inherited = {key: value for key, value in stage.raw.items() if key != "preconditions"}
    defaults = {key: inherited[key] for key in ("cluster", "regions", "credentials") if key in inherited}
    own = {key: value for key, value in precondition.items() if key != "type"}
    context = cast(JsonMap, precondition.get("context") or {})
    return Synthetic(
        type="checkPreconditions",
        name=f"Check precondition ({kind})",
        context={
            **inherited,
            **own,
            "type": "checkPreconditions",
            "preconditionType": kind,
            "context": defaults | context,
        },
    )
