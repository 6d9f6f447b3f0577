"""`pipeline`: start another pipeline and, unless told otherwise, wait for its end.

Source: Orca's `PipelineStage`, `StartPipelineTask`.
"""

from typing import Any

from pydantic import Field, field_validator

from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.child_pipelines import (
    CONFIGURATION_EXCEPTION,
    TASKS,
    cancel_children,
    child_id,
    find_pipeline,
    has_started,
    start_child,
)
from orca.stages.definition import Services, Stage, StageView, TaskFailure, TaskResult, io_task, stage, succeeded
from orca.stages.monitor_pipeline import MonitoringContext, monitor_pipeline, waits_for_children
from orca.stages.results import WaitsFor

_START_TIMEOUT_MS = 300_000
_OF_THE_CHILD = ("status", "executionName", "executionId")


class PipelineContext(MonitoringContext):
    """Which pipeline (`pipeline` is its id), with which parameters, and whether to wait for it.

    `pipelineId` with `pipelineParameters.strategy` names a custom strategy.
    """

    pipeline: str | None = None
    pipeline_id: str | None = None
    application: str | None = None
    pipeline_application: str | None = None
    pipeline_parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    wait_for_completion: bool = True
    skippable: bool = False

    @field_validator("pipeline_parameters", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("wait_for_completion", mode="before")
    @classmethod
    def _waits(cls, value: Any) -> Any:
        return True if value is None else value


@io_task(
    name="startPipeline", implementing_class=f"{TASKS}.StartPipelineTask", backoff=2_000, timeout=_START_TIMEOUT_MS
)
def start_pipeline(stage: StageView[PipelineContext], services: Services) -> TaskResult:
    """Start the child, once."""
    context = stage.context
    parameters = context.pipeline_parameters
    application = context.pipeline_application or context.application or stage.application
    id = context.pipeline_id or context.pipeline or ""
    config = find_pipeline(services, id, application, strategy=parameters.get("strategy") is True)
    started = start_child(stage, services, config, id=child_id(stage), parameters=parameters)
    return succeeded({"executionId": started, "executionName": config.get("name")})


def cancel_child(stage: StageView[PipelineContext], services: Services) -> TaskResult | None:
    """Cancel the child unless it has ended."""
    known = stage.raw.get("status")
    ended = isinstance(known, str) and known in Status.__members__ and Status(known).is_complete
    if has_started(stage) and not ended:
        cancel_children(stage, services, [str(stage.raw.get("executionId") or child_id(stage))])
    return None


@stage("pipeline")
class Pipeline(Stage[PipelineContext]):
    """Run another pipeline."""

    on_cancel = staticmethod(cancel_child)

    def tasks(self, stage: StageView[PipelineContext]):
        context = stage.context
        if not context.execution_id:
            if not (context.pipeline or context.pipeline_id):
                raise TaskFailure(
                    "pipeline: the id of the pipeline to run is missing.", exception_type=CONFIGURATION_EXCEPTION
                )
            yield start_pipeline
        if context.wait_for_completion:
            yield monitor_pipeline
        if context.expected_artifacts:
            yield bind_produced_artifacts

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget the child: a restarted stage starts a new one, unless it was the child that was restarted."""
        if context.get("_skipPipelineRestart"):
            return {key: value for key, value in context.items() if key not in ("_skipPipelineRestart", "status")}
        return {key: value for key, value in context.items() if key not in _OF_THE_CHILD}

    def can_skip(self, stage: StageView[PipelineContext]) -> bool:
        return stage.context.skippable

    def waits_for(self, stage: StageView[PipelineContext]) -> WaitsFor | None:
        id = stage.raw.get("executionId")
        return waits_for_children([str(id)]) if id else None
