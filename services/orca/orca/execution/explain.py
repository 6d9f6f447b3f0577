"""Why an execution is where it is: what it waits for, since when, and what would move it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from kork.clock import EpochMillis
from kork.ids import ulid_time

from orca.execution.model import Execution, JsonMap, StageExecution, TaskExecution
from orca.execution.rules import execution_status, may_start
from orca.execution.situation import Held, Situation
from orca.execution.status import Status
from orca.execution.store import ASK_TASK, CANCEL_TASK
from orca.execution.timeouts import deadline_of
from orca.stages.catalogue import StageCatalogue, UnknownStageType
from orca.stages.definition import Stage, StageView, TaskFailure, WaitsFor

_LATE_MS = 10_000
_OPEN = (Status.RUNNING, Status.PAUSED)
_SHOWN = 100
_WORKERS = "a worker: see that `orca worker` processes run and that Postgres and Redis answer"


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that holds an execution: its kind, in words why, and what would move it on.

    `since` and `until` are epoch ms; `times_out` is when the stage fails if nothing happens before.
    """

    kind: str
    why: str
    moves: str
    since: EpochMillis | None = None
    until: EpochMillis | None = None
    stage: StageExecution | None = None
    task: TaskExecution | None = None
    times_out: EpochMillis | None = None

    def document(self) -> JsonMap:
        """Give it as JSON; what isn't known is left out."""
        stage, task = self.stage, self.task
        shown: JsonMap = {
            "kind": self.kind,
            "why": self.why,
            "moves": self.moves,
            "since": self.since,
            "until": self.until,
            "timesOutAt": self.times_out,
            "stage": stage
            and {"id": stage.id, "refId": stage.ref_id, "name": stage.name, "type": stage.type, "status": stage.status},
            "task": task and {"id": task.id, "name": task.name, "status": task.status, "attempt": task.attempt},
        }
        return {key: value for key, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: one sentence, and what it rests on. `late` says that something should have happened already."""

    execution: Execution
    summary: str
    since: EpochMillis | None
    waits: list[Wait]
    not_started: list[Wait]
    late: bool

    def document(self, now: EpochMillis) -> JsonMap:
        """Give it as JSON."""
        execution = self.execution
        shown: JsonMap = {
            "executionId": execution.id,
            "application": execution.application,
            "name": execution.name or execution.description,
            "status": execution.status,
            "canceled": execution.canceled,
            "now": now,
            "since": self.since,
            "summary": self.summary,
            "late": self.late,
            "waits": [each.document() for each in self.waits],
            "notStarted": [each.document() for each in self.not_started[:_SHOWN]],
            "notStartedCount": len(self.not_started),
        }
        return {key: value for key, value in shown.items() if value is not None}


def explain(execution: Execution, situation: Situation, catalogue: StageCatalogue, now: EpochMillis) -> Explanation:
    """Explain where an execution is. Times in epoch ms."""
    if execution.status.is_complete:
        return _ended(execution, situation)
    if execution.status is Status.NOT_STARTED:
        return _not_begun(execution, situation, now)
    waits = [wait for stage in execution.stages for wait in _of_stage(execution, stage, situation, catalogue, now)]
    if not waits:
        waits = [_of_nothing(execution, situation, now)]
    late = any(wait.kind in ("worker", "clock") and _is_late(wait.since or wait.until, now) for wait in waits)
    return Explanation(
        execution,
        _summary(execution, waits),
        execution.start_time,
        waits,
        list(_held_back(execution)),
        late,
    )


def _summary(execution: Execution, waits: list[Wait]) -> str:
    told = [f"{wait.stage.name}: {wait.why}" if wait.stage else wait.why for wait in waits]
    more = f", and {len(told) - 3} more" if len(told) > 3 else ""
    state = "being cancelled" if execution.canceled else execution.status.value
    return f"It is {state}. {'; '.join(told[:3])}{more}."


def _is_late(at: EpochMillis | None, now: EpochMillis) -> bool:
    return at is not None and now - at > _LATE_MS


# --- executions that don't run


def _ended(execution: Execution, situation: Situation) -> Explanation:
    decisive = [s for s in execution.top_level_stages() if s.status in (Status.TERMINAL, Status.STOPPED)]
    causes = "; ".join(f"stage '{each.name}' {each.status.value}{_message(execution, each)}" for each in decisive)
    why = f"It ended {execution.status.value}"
    if execution.canceled:
        why += f", cancelled by {execution.canceled_by or 'nobody named'}"
    if execution.cancellation_reason:
        why += f": {execution.cancellation_reason}"
    summary = f"{why}: {causes}." if causes and execution.status is Status.TERMINAL else f"{why}."
    waits = [
        Wait(
            "cleanUp",
            "what it started is still being cleaned up",
            "the end of that clean-up; it is given up after ten tries",
            since=_taken_at(held),
            until=held.until,
            stage=execution.stage_by_id(held.stage_id),
        )
        for held in situation.held
        if held.task_id == CANCEL_TASK
    ]
    return Explanation(execution, summary, execution.end_time, waits, list(_held_back(execution)), False)


def _message(execution: Execution, stage: StageExecution) -> str:
    for each in (stage, *execution.descendants(stage)):
        exception: Any = each.context.get("exception")
        details: Any = cast(JsonMap, exception).get("details") if isinstance(exception, dict) else None
        errors: Any = cast(JsonMap, details).get("errors") if isinstance(details, dict) else None
        if isinstance(errors, list) and errors:
            return f" ({cast(list[Any], errors)[0]})"
    return ""


def _not_begun(execution: Execution, situation: Situation, now: EpochMillis) -> Explanation:
    since = execution.build_time
    if situation.waits:
        ahead = [*situation.running, *situation.before]
        limit = "one execution" if execution.limit_concurrent else f"{execution.max_concurrent} executions"
        wait = Wait(
            "turn",
            f"its pipeline runs {limit} at a time; before it: {', '.join(ahead[:10]) or 'none any more'}",
            "the end of those executions, or their cancellation"
            + ("" if execution.keep_waiting else "; a newer execution of the pipeline takes its place"),
            since=since,
        )
        return Explanation(execution, f"It waits its turn: {wait.why}.", since, [wait], [], False)
    late = _is_late(since, now)
    wait = Wait("worker", "no worker has begun it yet", _WORKERS, since=since, until=situation.due_at)
    return Explanation(execution, f"It is to be started: {wait.why}.", since, [wait], [], late)


def _of_nothing(execution: Execution, situation: Situation, now: EpochMillis) -> Wait:
    if execution.status is Status.PAUSED:
        return _paused(execution, None)
    if any(may_start(execution, stage) for stage in execution.top_level_stages()) or execution_status(execution):
        return Wait("clock", "it is to be looked at", _WORKERS, since=situation.due_at, until=situation.due_at)
    return Wait("nothing", "nothing runs and nothing can start", "a restart of a stage, or a cancellation")


# --- stages


def _of_stage(
    execution: Execution, stage: StageExecution, situation: Situation, catalogue: StageCatalogue, now: EpochMillis
) -> Iterator[Wait]:
    ask = situation.of(stage.id, ASK_TASK)
    if ask is not None:
        yield _of_held(stage, None, ask, "the functions in its expressions that ask other services")
        return
    if stage.status not in _OPEN or any(child.status in _OPEN for child in execution.children(stage)):
        return
    task = next((each for each in stage.tasks if not each.status.is_complete), None)
    if task is None:
        yield Wait("clock", "it is to be looked at", _WORKERS, since=stage.start_time, stage=stage)
    elif task.in_flight:
        held = situation.of(stage.id, task.id)
        yield _lost(stage, task) if held is None else _of_held(stage, task, held, f"task '{task.name}'")
    elif execution.status is Status.PAUSED or task.status is Status.PAUSED:
        yield _paused(execution, stage)
    else:
        yield _of_task(execution, stage, task, catalogue, now)


def _of_held(stage: StageExecution, task: TaskExecution | None, held: Held, what: str) -> Wait:
    if held.owner is None:
        rung = f"; its bell was rung {held.rings} times" if held.rings else ""
        return Wait(
            "worker",
            f"{what} is ready, and no worker has taken it{rung}",
            _WORKERS,
            since=task.due_at if task else stage.start_time,
            until=held.until,
            stage=stage,
            task=task,
        )
    worker = held.owner.rsplit("/", 1)[0] if "/" in held.owner else "a worker"
    return Wait(
        "running",
        f"{what} is run by {worker} (attempt {held.attempt})",
        "its answer; if the worker falls silent, another one takes over when the lease ends",
        since=max(_taken_at(held) or 0, (task.due_at if task else None) or 0) or None,
        until=held.until,
        stage=stage,
        task=task,
    )


def _taken_at(held: Held) -> EpochMillis | None:
    return ulid_time(held.owner.rsplit("/", 1)[-1]) if held.owner else None


def _lost(stage: StageExecution, task: TaskExecution) -> Wait:
    return Wait(
        "worker",
        f"the worker of task '{task.name}' is gone; another one will run it",
        _WORKERS,
        since=task.due_at,
        stage=stage,
        task=task,
    )


def _paused(execution: Execution, stage: StageExecution | None) -> Wait:
    paused = execution.paused
    return Wait(
        "pause",
        f"it was paused by {(paused and paused.paused_by) or 'somebody'}",
        "`gennaker execution resume`",
        since=paused.pause_time if paused else None,
        stage=stage,
    )


def _of_task(
    execution: Execution, stage: StageExecution, task: TaskExecution, catalogue: StageCatalogue, now: EpochMillis
) -> Wait:
    definition, view = _known(execution, stage, catalogue)
    own = _asked(definition, view)
    if task.due_at is not None and _is_late(task.due_at, now):
        return Wait(
            "clock",
            f"task '{task.name}' should have been run again already",
            f"{_WORKERS}; see that a clock leads (`orca_clock_leads`)",
            since=task.due_at,
            stage=stage,
            task=task,
        )
    told = own or WaitsFor(
        "poll", f"task '{task.name}' is not done; it looks again", "what the task watches: see the stage's context"
    )
    return Wait(
        told.kind,
        told.why,
        told.moves,
        since=task.start_time,
        until=task.due_at if told.kind in ("time", "window", "poll") else None,
        stage=stage,
        task=task,
        times_out=_deadline(execution, stage, task, catalogue, view, now),
    )


def _known(
    execution: Execution, stage: StageExecution, catalogue: StageCatalogue
) -> tuple[Stage[Any] | None, StageView[Any] | None]:
    try:
        definition = catalogue.definition_of(execution, stage)
    except UnknownStageType:
        return None, None
    return definition, definition.view(execution, stage)


def _asked(definition: Stage[Any] | None, view: StageView[Any] | None) -> WaitsFor | None:
    if definition is None or view is None:
        return None
    try:
        return definition.waits_for(view)
    except TaskFailure:
        return None


def _deadline(
    execution: Execution,
    stage: StageExecution,
    task: TaskExecution,
    catalogue: StageCatalogue,
    view: StageView[Any] | None,
    now: EpochMillis,
) -> EpochMillis | None:
    try:
        spec = catalogue.task(task.implementing_class)
        found = deadline_of(execution, stage, task, spec, view, now) if view else None
    except (TaskFailure, UnknownStageType):
        return None
    return found.at if found else None


def _held_back(execution: Execution) -> Iterator[Wait]:
    """Say of each top-level stage that hasn't started what it waits for."""
    for stage in execution.top_level_stages():
        if stage.status is not Status.NOT_STARTED:
            continue
        missing = [each for each in execution.requisites_of(stage) if not each.status.lets_next_start]
        names = ", ".join(f"'{each.name}' ({each.status.value})" for each in missing)
        if not missing:
            yield Wait("requisites", "nothing holds it but the state of the execution", "the execution", stage=stage)
        elif any(each.status.is_complete for each in missing):
            yield Wait(
                "requisites",
                f"it can't start any more: it comes after {names}",
                "a restart of the stage that failed",
                stage=stage,
            )
        else:
            yield Wait("requisites", f"it comes after {names}", "the end of those stages", stage=stage)
