"""What people do to an execution: cancel, pause, resume, judge, restart. Pure; the next advance acts on it.

Source of the rules: spec 1.11, 1.14 (Spinnaker's Orca: `TaskController`, `RestartStageHandler`).
"""

from typing import Any, cast

from kork.clock import EpochMillis
from kork.errors import BadRequest, MethodNotAllowed, NotFound
from kork.identity import Identity

from orca.execution.authentication import authority_of
from orca.execution.model import Execution, JsonMap, Paused, StageExecution
from orca.execution.rules import is_true
from orca.execution.status import Status
from orca.stages.catalogue import StageCatalogue, UnknownStageType
from orca.stages.definition import Stage, StageView, TaskFailure

_FORGOTTEN = ("exception", "beforeStagePlanningFailed", "expressionEvaluationSummary", "manualSkip")


def cancel(execution: Execution, user: str, reason: str | None) -> bool:
    """Mark an execution cancelled; what has ended, or was cancelled before, stays as it is."""
    if execution.status.is_complete or execution.canceled:
        return False
    execution.canceled, execution.canceled_by, execution.cancellation_reason = True, user, reason
    return True


def pause(execution: Execution, user: str, now: EpochMillis) -> None:
    """Pause a RUNNING execution; raises `BadRequest` for any other."""
    if execution.status is not Status.RUNNING:
        raise BadRequest(
            f"Unable to pause pipeline that is not RUNNING (executionId: {execution.id},"
            f" currentStatus: {execution.status.value})",
            exception="com.netflix.spinnaker.orca.pipeline.persistence.UnpausablePipelineException",
        )
    execution.status = Status.PAUSED
    execution.paused = Paused(paused_by=user, pause_time=now)


def resume(execution: Execution, user: str, now: EpochMillis) -> None:
    """Let a PAUSED execution go on; raises `BadRequest` for any other."""
    if execution.status is not Status.PAUSED:
        raise BadRequest(
            f"Unable to resume pipeline that is not PAUSED (executionId: {execution.id},"
            f" currentStatus: {execution.status.value})",
            exception="com.netflix.spinnaker.orca.pipeline.persistence.UnresumablePipelineException",
        )
    execution.status = Status.RUNNING
    paused = execution.paused or Paused()
    paused.resumed_by, paused.resume_time = user, now
    execution.paused = paused


def stage_in(execution: Execution, stage_id: str) -> StageExecution:
    """Find a stage; raises `NotFound`."""
    stage = execution.stage_by_id(stage_id)
    if stage is None:
        raise NotFound(f"No stage {stage_id} found in {execution.type} {execution.id}")
    return stage


def change_stage(
    execution: Execution, stage_id: str, change: JsonMap, user: Identity, now: EpochMillis, catalogue: StageCatalogue
) -> StageExecution:
    """Merge keys into a stage's context, note who did it, and have its tasks look at it now.

    The stage's type has a say: whether it may be skipped by hand, whose judgment counts.
    """
    stage = stage_in(execution, stage_id)
    definition = _definition_of(stage, catalogue)
    view = definition.view(execution, stage) if definition else None
    if is_true(change.get("manualSkip")) and not (definition and view and _may_skip(definition, view)):
        raise MethodNotAllowed(f"Cannot manually skip stage {stage_id} ('{stage.name}'): it is not skippable")
    if definition and view:
        change = definition.review_change(view, change, user)
    stage.context.update(change)
    stage.context["lastModifiedBy"] = user.user
    stage.last_modified = authority_of(user) | {"lastModifiedTime": now}
    for task in stage.tasks:
        if task.status is Status.RUNNING:
            task.due_at = now
    return stage


def _may_skip(definition: Stage[Any], view: StageView[Any]) -> bool:
    try:
        return definition.can_skip(view)
    except TaskFailure:
        return False


def _definition_of(stage: StageExecution, catalogue: StageCatalogue) -> Stage[Any] | None:
    try:
        return catalogue.type_of(stage)
    except UnknownStageType:
        return None


def restart(
    execution: Execution,
    stage_id: str,
    user: str,
    now: EpochMillis,
    catalogue: StageCatalogue,
    config: JsonMap | None = None,
    extra: JsonMap | None = None,
) -> tuple[list[StageExecution], list[StageExecution]]:
    """Take the top-level stage of `stage_id`, and what comes after it, back to its beginning.

    Gives the stages that were reset and those (synthetic ones) that are gone. The execution is RUNNING
    again, and starts after the end of every stage that is left from before: by this `execution_status` tells
    them from those of this run. `config` is the pipeline's present configuration: its preconditions replace
    the stages' own. Raises `BadRequest` when the stage is under way.
    """
    top = execution.top_level(stage_in(execution, stage_id))
    if not top.status.is_complete and top.status is not Status.NOT_STARTED:
        raise BadRequest(
            f"Stage '{top.name}' ({top.id}) can't be restarted: it is {top.status.value}; cancel the execution first"
        )
    previous = top.context.get("exception")
    reset = [top, *(each for each in execution.all_downstream(top) if each.status.is_complete and each is not top)]
    gone = [child for stage in reset for child in execution.descendants(stage)]
    execution.remove(gone)
    top.context["restartDetails"] = {"restartedBy": user, "restartTime": now} | (
        {"previousException": previous} if previous is not None else {}
    )
    top.context.update(extra or {})
    for stage in reset:
        _reset(stage, catalogue)
    _refresh_preconditions(execution, config or {})
    ended = max((stage.end_time or 0 for stage in execution.stages), default=0)
    execution.status, execution.start_time = Status.RUNNING, max(now, ended + 1)
    execution.start_time_expiry = None
    execution.canceled, execution.canceled_by, execution.cancellation_reason = False, None, None
    return reset, gone


def _reset(stage: StageExecution, catalogue: StageCatalogue) -> None:
    stage.status, stage.start_time, stage.end_time = Status.NOT_STARTED, None, None
    stage.scheduled_time = None
    stage.tasks = []
    stage.planned = set()
    context = dict(stage.context)
    for key in _FORGOTTEN:
        context.pop(key, None)
    definition = _definition_of(stage, catalogue)
    stage.context = definition.prepare_restart(context) if definition else context


def _refresh_preconditions(execution: Execution, config: JsonMap) -> None:
    listed: Any = config.get("stages")
    if not isinstance(listed, list):
        return
    for each in cast(list[Any], listed):
        if not isinstance(each, dict) or "preconditions" not in each:
            continue
        given = cast(JsonMap, each)
        stage = execution.stage_by_ref(str(given.get("refId")))
        if stage is not None and stage.type == "checkPreconditions" and stage.status is Status.NOT_STARTED:
            stage.context["preconditions"] = given["preconditions"]
