"""`pipeline`: start another pipeline and, unless told otherwise, wait for its end.

Source: Orca's `PipelineStage`, `StartPipelineTask`, `MonitorPipelineTask`, `DependentPipelineStarter`.
"""

from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from kork.ids import ulid_for
from pydantic import Field, field_validator

from orca.artifacts import expected_ids_for, in_scope
from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    canceled,
    io_task,
    running,
    stage,
    succeeded,
    terminal,
)
from orca.stages.operations import growing, maps, post_again
from orca.stages.served_execution import read_execution

_TASKS = "com.netflix.spinnaker.orca.front50.tasks"
_POLL_MS = (200, 15_000)
_MONITOR_TIMEOUT_MS = 12 * 3_600_000
_START_TIMEOUT_MS = 300_000
_OF_THE_CHILD = ("status", "executionName", "executionId")


class PipelineContext(StageContext):
    """Which pipeline (`pipeline` is its id), with which parameters, and whether to wait for it."""

    pipeline: str | None = None
    pipeline_id: str | None = None
    application: str | None = None
    pipeline_application: str | None = None
    pipeline_parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    wait_for_completion: bool = True
    skip_downstream_output: bool = False
    skippable: bool = False
    execution_id: str | None = None
    expected_artifacts: list[dict[str, Any]] | None = None

    @field_validator("pipeline_parameters", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("wait_for_completion", mode="before")
    @classmethod
    def _waits(cls, value: Any) -> Any:
        return True if value is None else value


@io_task(
    name="startPipeline", implementing_class=f"{_TASKS}.StartPipelineTask", backoff=2_000, timeout=_START_TIMEOUT_MS
)
def start_pipeline(stage: StageView[PipelineContext], services: Services) -> TaskResult:
    """Start the child. Its id follows from the stage and its start: a repeated task starts no second one."""
    config = _config(stage, services)
    name = config.get("name")
    if config.get("disabled") is True:
        raise TaskFailure(
            f"Pipeline '{name}' in application '{config.get('application')}' is disabled; "
            "enable it, or remove this stage.",
            exception_type="ConfigurationException",
        )
    body = config | {
        "executionId": child_id(stage),
        "rootId": stage.execution.root_id or stage.execution.id,
        "receivedArtifacts": in_scope(stage.execution, stage.stage),
        "trigger": _trigger(stage, config),
    }
    answer = post_again(lambda: services.orca.post("/orchestrate", json=body))
    ref = str(cast(JsonMap, answer).get("ref") or "") if isinstance(answer, dict) else ""
    started = ref.rsplit("/", 1)[-1] or child_id(stage)
    return succeeded({"executionId": started, "executionName": name})


def child_id(stage: StageView[Any]) -> str:
    """Give the execution id of the child that this run of the stage starts."""
    return ulid_for(f"pipeline-stage-{stage.id}", stage.started_at)


def _config(stage: StageView[PipelineContext], services: Services) -> JsonMap:
    context = stage.context
    id = context.pipeline or context.pipeline_id
    application = context.pipeline_application or context.application or stage.application
    try:
        found = services.front50.get(f"/pipelines/{quote(id or '', safe='')}/get")
    except UpstreamError as error:
        if error.status != 404:
            raise
        raise TaskFailure(
            f"The referenced pipeline {id} (application: {application}) cannot be located.",
            exception_type="ConfigurationException",
        ) from error
    if not isinstance(found, dict):
        raise TaskFailure(f"front50 answered pipeline {id} with {found!r:.200}, not with a pipeline.")
    return cast(JsonMap, found)


def _trigger(stage: StageView[PipelineContext], config: JsonMap) -> JsonMap:
    execution = stage.execution
    correlation = (execution.id, stage.id, config.get("id"), execution.start_time)
    return {
        "type": "pipeline",
        "user": stage.identity.user,
        "parentPipelineId": execution.id,
        "parentPipelineApplication": execution.application,
        "parentPipelineStageId": stage.id,
        "parameters": stage.context.pipeline_parameters,
        "strategy": False,
        "dryRun": execution.trigger.get("dryRun") is True,
        "correlationId": "_".join(str(part) for part in (*correlation, stage.started_at)),
        "expectedArtifactIds": expected_ids_for(config, in_scope(execution, stage.stage), execution.pipeline_config_id),
    }


@io_task(
    name="monitorPipeline",
    implementing_class=f"{_TASKS}.MonitorPipelineTask",
    backoff=growing(*_POLL_MS, share=8),
    timeout=_MONITOR_TIMEOUT_MS,
    overridable=True,
)
def monitor_pipeline(stage: StageView[PipelineContext], services: Services) -> TaskResult:
    """Wait for the child's end; its outputs become the stage's, its failures are told with their stage."""
    id = stage.context.execution_id
    if not id:
        raise TaskFailure("executionId: the stage knows of no execution to wait for.")
    child = services.orca.get(f"/pipelines/{quote(id, safe='')}")
    if not isinstance(child, dict):
        raise TaskFailure(f"orca answered execution {id} with {child!r:.200}, not with an execution.")
    found = cast(JsonMap, child)
    status = _status(found.get("status"))
    context: JsonMap = {"status": status.value}
    outputs = {} if stage.context.skip_downstream_output else read_execution(found).context()
    if status is Status.SUCCEEDED:
        return succeeded(context, outputs)
    if not status.is_halt:
        return running(context=context)
    context["exception"] = _failure(found, status)
    return canceled(context, outputs) if status is Status.CANCELED else terminal(context, outputs)


def _status(value: Any) -> Status:
    try:
        return Status(str(value))
    except ValueError as error:
        raise TaskFailure(f"The child pipeline has an unknown status: {value!r:.100}.") from error


def _failure(child: JsonMap, status: Status) -> JsonMap:
    stages = maps(child.get("stages"))
    failed = [each for each in stages if each.get("status") == Status.TERMINAL]
    errors = [line for each in failed for line in _errors_of(child, each)]
    if not errors and child.get("cancellationReason"):
        errors.append(f"{child.get('name') or child.get('id')}: {child['cancellationReason']}")
    was_canceled = status is Status.CANCELED
    errors.append(
        "At least one monitored pipeline was cancelled"
        if was_canceled
        else "At least one monitored pipeline failed, look for errors in failed pipelines"
    )
    exception: JsonMap = {"details": {"errors": errors}}
    if failed:
        exception["source"] = {
            "executionId": child.get("id"),
            "stageId": failed[0].get("id"),
            "stageName": failed[0].get("name"),
            "stageIndex": stages.index(failed[0]),
        }
    return exception


def _errors_of(child: JsonMap, failed: JsonMap) -> list[str]:
    context = cast(JsonMap, failed.get("context") or {})
    where = f"{child.get('name') or child.get('id')}: {failed.get('name') or failed.get('id')}"
    exception: Any = context.get("exception")
    details: Any = cast(JsonMap, exception).get("details") if isinstance(exception, dict) else None
    if isinstance(details, dict):
        told: Any = cast(JsonMap, details).get("errors") or cast(JsonMap, details).get("error")
        messages = cast(list[Any], told) if isinstance(told, list) else [told]
    else:
        thrown = [each.get("exception") or {} for each in maps(context.get("kato.tasks"))]
        messages = [each.get("message") or each.get("operation") for each in thrown]
    return [f"Exception in child pipeline stage ({where}): {message}" for message in messages if message]


def cancel_child(stage: StageView[PipelineContext], services: Services) -> TaskResult | None:
    """Cancel the child that this stage has started, or may have started when its answer was lost."""
    if all(task.status is Status.NOT_STARTED for task in stage.stage.tasks):
        return None
    raw = stage.raw
    known = raw.get("status")
    if isinstance(known, str) and known in Status.__members__ and Status(known).is_complete:
        return None
    id = raw.get("executionId") or child_id(stage)
    reason = f"The parent pipeline '{stage.execution.name}' ended or was cancelled"
    try:
        services.orca.put(f"/pipelines/{quote(str(id), safe='')}/cancel", params={"reason": reason})
    except UpstreamError as error:
        if error.status != 404:
            raise
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
                    "pipeline: the id of the pipeline to run is missing.", exception_type="ConfigurationException"
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
