"""`checkPreconditions`: go on only when every condition holds.

The stage makes a child for each precondition; the children run in parallel. Source: Spinnaker's Orca,
`CheckPreconditionsStage`, `ExpressionPreconditionTask`, `StageStatusPreconditionTask`,
`ClusterSizePreconditionTask`.
"""

import operator
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from moniker import parse_name
from pydantic import Field, ValidationError
from spel import SpelError, to_text

from orca.execution.model import EpochMillis, JsonMap
from orca.expressions import PipelineExpressions
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    Synthetic,
    TaskFailure,
    TaskResult,
    TaskSpec,
    io_task,
    stage,
    succeeded,
    task,
    terminal,
)
from orca.stages.operations import maps

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


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


class ClusterSizeCondition(StageContext):
    """How many server groups a cluster has to have in each region."""

    cluster: str = ""
    moniker: dict[str, Any] | None = None
    comparison: str = "=="
    expected: int = 1
    credentials: str = ""
    regions: list[str] = Field(default_factory=list[str])
    only_enabled_server_groups: bool = False

    @property
    def application(self) -> str:
        """The application that the cluster belongs to."""
        named: Any = (self.moniker or {}).get("app")
        return named if isinstance(named, str) and named else parse_name(self.cluster).app or ""

    def check(self) -> None:
        """Refuse a condition that can't be checked; raises `TaskFailure` with every fault."""
        faults = [
            fault
            for wrong, fault in (
                (not self.cluster, "Missing cluster"),
                (not self.application, f"Unable to determine application for cluster {self.cluster}"),
                (self.comparison not in _COMPARISONS, f"Unsupported comparison {self.comparison}"),
                (self.expected < 0, f"Invalid value for expected {self.expected}"),
                (not self.regions, "Missing regions"),
            )
            if wrong
        ]
        if faults:
            raise TaskFailure(f"Invalid configuration {', '.join(faults)}", exception_type="ConfigurationException")


@io_task(
    name="checkPrecondition",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.cluster.ClusterSizePreconditionTask",
    backoff=5_000,
    timeout=30_000,
)
def check_cluster_size(stage: StageView[CheckPreconditionsContext], services: Services) -> TaskResult:
    """Succeed when the cluster has as many server groups as expected, in each region."""
    condition = _read_condition(stage)
    condition.check()
    groups = _server_groups(condition, str(stage.raw.get("cloudProvider") or "aws"), services)
    enabled = "enabled " if condition.only_enabled_server_groups else ""
    failures: list[str] = []
    for region in condition.regions:
        found = [each for each in groups if each.get("region") == region]
        if condition.only_enabled_server_groups:
            found = [each for each in found if each.get("disabled") is False]
        if not _COMPARISONS[condition.comparison](len(found), condition.expected):
            names = ", ".join(str(each.get("name")) for each in found)
            failures.append(
                f"expected {condition.comparison} {condition.expected} {enabled}server groups in {region}"
                f" but found {len(found)}: [{names}]. Please clean up the cluster to only have the specific number"
                " of server groups, or opt out of this check in your deploy stage."
            )
    if failures:
        raise TaskFailure(
            f"Precondition check failed: {', '.join(failures)}", exception_type="PreconditionFailureException"
        )
    return succeeded()


def _read_condition(stage: StageView[CheckPreconditionsContext]) -> ClusterSizeCondition:
    given = {key: value for key, value in stage.context.context.items() if value is not None}
    try:
        return ClusterSizeCondition.model_validate(given)
    except ValidationError as error:
        faults = [f"context.{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise TaskFailure(*faults, exception_type="ConfigurationException") from error


def _server_groups(condition: ClusterSizeCondition, provider: str, services: Services) -> list[JsonMap]:
    parts = (condition.application, "clusters", condition.credentials, condition.cluster, provider)
    try:
        found = services.clouddriver.get("/applications/" + "/".join(quote(part, safe="") for part in parts))
    except UpstreamError as error:
        if error.status != 404 or error.network:
            raise
        return []
    return maps(cast(JsonMap, found).get("serverGroups")) if isinstance(found, dict) else []


_CHECKS: dict[str, TaskSpec] = {
    "expression": check_expression,
    "stageStatus": check_stage_status,
    "clusterSize": check_cluster_size,
}


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
