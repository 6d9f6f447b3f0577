"""How long tasks and stages may take (spec 1.15)."""

from dataclasses import dataclass
from typing import Any

from orca.execution.model import BEFORE, EpochMillis, Execution, StageExecution, TaskExecution
from orca.execution.planning import WINDOW_STAGE
from orca.execution.rules import stage_timeout
from orca.stages.definition import TaskSpec
from orca.stages.view import StageView

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a RUNNING task has taken too long (epoch ms), and what to say then."""

    at: EpochMillis
    message: str


def words(milliseconds: int) -> str:
    """Write a duration out: `1 hour 5 minutes`."""
    seconds, parts = max(0, milliseconds) // 1000, list[str]()
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def deadline_of(
    execution: Execution,
    stage: StageExecution,
    task: TaskExecution,
    spec: TaskSpec,
    view: StageView[Any],
    now: EpochMillis,
) -> Deadline | None:
    """Find the earlier of the stage's and the task's deadlines; time spent paused doesn't count."""
    limit = stage_timeout(execution, stage)
    found = [_of_stage(execution, stage, limit, now)] if limit and stage.type != WINDOW_STAGE else []
    timeout = spec.timeout_ms(view)
    if timeout is not None and task.start_time is not None and stage.type != WINDOW_STAGE:
        if spec.overridable and limit:
            timeout = limit[1]
        pause = _paused_since(execution, task.start_time, now)
        name = spec.implementing_class.rsplit(".", 1)[-1]
        message = (
            f"{name} of stage {stage.name} timed out after {words(timeout)}. "
            f"pausedDuration: {words(pause)}, elapsedTime: {words(now - task.start_time)}, "
            f"timeoutValue: {words(timeout)}"
        )
        found.append(Deadline(task.start_time + timeout + pause, message))
    return min((each for each in found if each is not None), key=lambda each: each.at, default=None)


def _of_stage(
    execution: Execution, stage: StageExecution, limit: tuple[StageExecution, int], now: EpochMillis
) -> Deadline | None:
    holder, timeout = limit
    if holder.start_time is None:
        return None
    waited = sum(
        (child.end_time or now) - child.start_time
        for child in execution.children(holder, BEFORE)
        if child.type == WINDOW_STAGE and child.start_time is not None
    )
    at = holder.start_time + timeout + waited + _paused_since(execution, holder.start_time, now)
    return Deadline(at, f"Stage {stage.name} timed out after {words(timeout)}")


def _paused_since(execution: Execution, start: EpochMillis, now: EpochMillis) -> int:
    paused = execution.paused
    if paused is None or paused.pause_time is None or paused.pause_time < start:
        return 0
    return paused.paused_ms(now)
