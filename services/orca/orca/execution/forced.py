"""Ends that an operator forces on what is stuck, whatever its tasks do. Pure; the next advance goes on from there.

What a worker still does for such a task is dropped when it answers: its lease is taken away.
"""

from kork.clock import EpochMillis
from kork.errors import BadRequest

from orca.execution.model import Execution, StageExecution
from orca.execution.operations import stage_in
from orca.execution.status import Status

_OPEN = (Status.RUNNING, Status.PAUSED)


def force_cancel(execution: Execution, user: str, now: EpochMillis, reason: str | None = None) -> list[StageExecution]:
    """End an execution and all that runs in it as CANCELED; gives the stages that ended.

    Source: Spinnaker's Orca, `AdminController.forceCancelExecution`.
    """
    ended = [stage for stage in execution.stages if stage.status in _OPEN]
    for stage in ended:
        _end(stage, Status.CANCELED, now)
    execution.status, execution.canceled, execution.canceled_by = Status.CANCELED, True, user
    execution.cancellation_reason = reason or "Force canceled by admin"
    execution.end_time = now
    return ended


def force_complete(
    execution: Execution, stage_id: str, status: Status, user: str, now: EpochMillis
) -> list[StageExecution]:
    """End a stage that runs, with all that runs below it, as `status`; gives the stages that ended, parents last.

    What it has not begun is left out; what comes after it goes on as after any end of this status. The context
    keeps who did it (`forceCompleted`). Raises `BadRequest` when the execution or the stage doesn't run.
    """
    stage = stage_in(execution, stage_id)
    if not status.is_complete:
        allowed = ", ".join(each.value for each in Status if each.is_complete)
        raise BadRequest(f"A stage can't be completed as {status.value}: choose one of {allowed}.")
    if execution.status not in _OPEN:
        raise BadRequest(f"Execution {execution.id} doesn't run: it is {execution.status.value}.")
    if stage.status not in _OPEN:
        raise BadRequest(f"Stage '{stage.name}' ({stage.id}) doesn't run: it is {stage.status.value}.")
    below = [each for each in execution.descendants(stage) if not each.status.is_complete]
    for each in reversed(below):
        if each.status in _OPEN:
            _end(each, Status.CANCELED if status.is_halt else Status.SKIPPED, now)
    _end(stage, status, now)
    stage.context["forceCompleted"] = {"by": user, "at": now, "status": status.value}
    return [*(each for each in reversed(below) if each.status.is_complete), stage]


def _end(stage: StageExecution, status: Status, now: EpochMillis) -> None:
    stage.status, stage.end_time = status, now
    for task in stage.tasks:
        if task.status in _OPEN:
            task.status, task.end_time, task.due_at, task.in_flight = status, now, None, False
