"""`monitorPipeline`: wait for executions that are under way; and the task by which `pipeline` waits for its child.

Source: Orca's `MonitorPipelineStage`, `MonitorPipelineTask`.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field

from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.child_outcomes import (
    MONITOR_TIMEOUT_MS,
    POLLS,
    exception_of,
    outcome,
    read_child,
    status_details,
    summary,
)
from orca.stages.child_pipelines import TASKS
from orca.stages.definition import Services, Stage, StageContext, StageView, TaskFailure, TaskResult, io_task, stage
from orca.stages.results import WaitsFor
from orca.stages.served_execution import read_execution

MONITOR = "monitorPipeline"


class MonitorBehavior(StrEnum):
    """When a failed execution ends the wait."""

    WAIT_FOR_ALL = "WaitForAllToComplete"
    FAIL_FAST = "FailFast"


class MonitoringContext(StageContext):
    """Which executions are watched: `executionIds`, or the one `executionId` of a `pipeline` stage."""

    execution_id: str | None = None
    execution_ids: list[str] | None = None
    monitor_behavior: MonitorBehavior = MonitorBehavior.WAIT_FOR_ALL
    expected_artifacts: list[dict[str, Any]] | None = None
    skip_downstream_output: bool | None = None


@io_task(
    name=MONITOR,
    implementing_class=f"{TASKS}.MonitorPipelineTask",
    backoff=POLLS,
    timeout=MONITOR_TIMEOUT_MS,
    overridable=True,
)
def monitor_pipeline(stage: StageView[MonitoringContext], services: Services) -> TaskResult:
    """Wait for the executions' end. The outputs of a single one become the stage's; failures are told with their stage.

    A `pipeline` stage shows its child's status in `context.status`, a `monitorPipeline` stage all of them in
    `outputs.executionStatuses`.
    """
    context = stage.context
    many = stage.type == MONITOR
    ids = context.execution_ids or [] if many else [context.execution_id or ""]
    if not all(ids):
        raise TaskFailure("executionId: the stage knows of no execution to wait for.")
    children = [read_child(services, id) for id in ids]
    status = outcome(children, fail_fast=context.monitor_behavior is MonitorBehavior.FAIL_FAST)
    noted: JsonMap = {} if many else {"status": children[0].status.value}
    outputs: JsonMap = {"executionStatuses": {each.id: status_details(each) for each in children}} if many else {}
    if len(children) == 1 and children[0].status.is_complete and not _keeps_to_itself(context, services):
        outputs |= read_execution(children[0].document).context()
    if lines := summary(status):
        ended = next((each for each in children if each.status.is_halt), children[0])
        noted["exception"] = exception_of(ended, *lines)
    return TaskResult(status, noted, outputs)


def _keeps_to_itself(context: MonitoringContext, services: Services) -> bool:
    if context.skip_downstream_output is not None:
        return context.skip_downstream_output
    return services.settings is not None and services.settings.stages.pipeline.default_skip_downstream_output


def waits_for_children(ids: list[str]) -> WaitsFor:
    """Say in words that executions are waited for."""
    return WaitsFor(
        "child pipelines",
        f"the executions it watches have not ended: {', '.join(ids)}",
        "their end, or their cancellation (`gennaker execution explain ID` says what each waits for)",
    )


class MonitorPipelineContext(MonitoringContext):
    """The executions to watch."""

    execution_ids: list[str] = Field(default_factory=list)  # pyright: ignore[reportIncompatibleVariableOverride]


@stage(MONITOR)
class MonitorPipeline(Stage[MonitorPipelineContext]):
    """Wait for executions that something else has started; their end is the stage's."""

    def tasks(self, stage: StageView[MonitorPipelineContext]):
        yield monitor_pipeline
        if stage.context.expected_artifacts:
            yield bind_produced_artifacts

    def waits_for(self, stage: StageView[MonitorPipelineContext]) -> WaitsFor | None:
        return waits_for_children(stage.context.execution_ids) if stage.stage.status is Status.RUNNING else None
