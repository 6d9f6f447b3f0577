"""What an advance of an execution changed, and what has to be done outside of it."""

from dataclasses import dataclass, field
from typing import Literal

from orca.execution.model import EpochMillis, Execution, JsonMap, StageExecution
from orca.execution.status import Status

_TOLD_OF_STAGES = ("sendNotifications", "notifications", "judgmentStatus")

Phase = Literal["starting", "complete", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class RunTask:
    """Have a worker run attempt `attempt` of an I/O task."""

    stage_id: str
    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell the other services (`orca:pipeline:starting` …)."""

    type: str
    payload: JsonMap


def _runs() -> list[RunTask]:
    return []


def _events() -> list[Event]:
    return []


def _ids() -> list[str]:
    return []


@dataclass(slots=True)
class Advance:
    """The outcome of one advance: dirty rows, effects, and when to look again.

    `cancels` are the stages whose `on_cancel` has to run; `asks` those whose expressions call functions that ask
    other services, so that a worker has to do that before they go on; `wake_at` is the next due time (epoch ms);
    `left_running` says that the execution's pipeline may start one that waits its turn.
    """

    dirty: set[str] = field(default_factory=set[str])
    removed: list[str] = field(default_factory=_ids)
    runs: list[RunTask] = field(default_factory=_runs)
    cancels: list[str] = field(default_factory=_ids)
    asks: list[str] = field(default_factory=_ids)
    events: list[Event] = field(default_factory=_events)
    wake_at: EpochMillis | None = None
    left_running: bool = False
    execution_changed: bool = False

    @property
    def changed(self) -> bool:
        """Say whether anything has to be written."""
        return bool(self.dirty or self.removed or self.execution_changed or self.runs or self.cancels)


def execution_event(execution: Execution, phase: Phase) -> Event:
    """The event of a start or an end of an execution."""
    trigger = execution.trigger
    told = {key: trigger[key] for key in ("type", "user", "eventId", "correlationId") if key in trigger}
    payload: JsonMap = {
        "executionId": execution.id,
        "executionType": execution.type,
        "application": execution.application,
        "pipelineConfigId": execution.pipeline_config_id,
        "name": execution.name or execution.description,
        "status": execution.status,
        "canceled": execution.canceled,
        "startTime": execution.start_time,
        "endTime": execution.end_time,
        "trigger": told,
        "authentication": {"user": execution.authentication.get("user")},
        "notifications": execution.notifications,
    }
    if parent := trigger.get("parentPipelineId"):
        payload["parentPipelineId"] = parent
    return Event(f"orca:{execution.type.lower()}:{phase}", payload)


def stage_event(execution: Execution, stage: StageExecution, phase: Phase) -> Event:
    """The event of a start or an end of a stage; its context only as far as notifications need it."""
    small = {key: stage.context[key] for key in _TOLD_OF_STAGES if key in stage.context}
    return Event(
        f"orca:stage:{phase}",
        {
            "executionId": execution.id,
            "executionType": execution.type,
            "application": execution.application,
            "pipelineConfigId": execution.pipeline_config_id,
            "stageId": stage.id,
            "refId": stage.ref_id,
            "type": stage.type,
            "name": stage.name,
            "status": stage.status,
            "startTime": stage.start_time,
            "endTime": stage.end_time,
            "isSynthetic": stage.is_synthetic,
            "standalone": not execution.is_pipeline,
            "canceled": execution.canceled,
            "context": small,
        },
    )


def end_phase(status: Status) -> Phase:
    """Give the word for the end of a stage."""
    return "skipped" if status is Status.SKIPPED else "complete" if status.is_successful else "failed"


def updated_event(execution: Execution) -> Event:
    """The event that lets live views know that there is something new."""
    return Event(
        "execution.updated",
        {
            "executionId": execution.id,
            "executionType": execution.type,
            "application": execution.application,
            "pipelineConfigId": execution.pipeline_config_id,
            "name": execution.name or execution.description,
            "status": execution.status,
        },
    )
