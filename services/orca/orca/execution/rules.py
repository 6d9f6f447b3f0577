"""The rules that say what status a stage or an execution has, and what may start.

Pure functions of the model. The numbers in the docstrings are those of the specification's chapter 1.
"""

from collections.abc import Iterable
from typing import cast

from orca.execution.model import AFTER, EpochMillis, Execution, StageExecution, TaskExecution
from orca.execution.status import Status

_OPEN = frozenset({Status.RUNNING, Status.PAUSED})


def is_true(value: object) -> bool:
    """Say whether a context's flag is set; "true" counts as true, as Jackson reads it."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def failure_status(execution: Execution, stage: StageExecution, default: Status = Status.TERMINAL) -> Status:
    """What a failure makes of a stage (1.8): ignored, the end of everything, or of this branch only."""
    if is_true(stage.context.get("continuePipeline")):
        return Status.FAILED_CONTINUE
    fails_pipeline = execution.lookup(stage, "failPipeline")
    return default if fails_pipeline is None or is_true(fails_pipeline) else Status.STOPPED


def stage_status(execution: Execution, stage: StageExecution) -> Status:
    """The status that a stage's tasks and synthetic stages give it (1.9)."""
    children = execution.children(stage)
    found = [child.status for child in children] + [task.status for task in stage.tasks]
    if stage.context.get("beforeStagePlanningFailed"):
        found.append(failure_status(execution, stage))
    if not found:
        return Status.NOT_STARTED
    statuses = set(found)
    if Status.TERMINAL in statuses:
        return failure_status(execution, stage)
    for decisive in (Status.STOPPED, Status.CANCELED, Status.FAILED_CONTINUE):
        if decisive in statuses:
            return decisive
    if statuses <= {Status.SUCCEEDED, Status.SKIPPED}:
        return Status.SUCCEEDED
    if not _OPEN.isdisjoint(statuses):
        return Status.RUNNING
    if any(child.status is Status.NOT_STARTED for child in children if child.synthetic_owner == AFTER):
        return Status.RUNNING
    return Status.TERMINAL


def may_start(execution: Execution, stage: StageExecution) -> bool:
    """Say whether everything that a NOT_STARTED stage waits for has let it go on (1.11)."""
    return stage.status is Status.NOT_STARTED and execution.lets_start(stage)


def fails_parent(child: StageExecution) -> bool:
    """Say whether a synthetic stage's end is also that of its parent: no further sibling starts (1.8)."""
    if child.status is Status.FAILED_CONTINUE:
        return not is_true(child.context.get("allowSiblingStagesToContinueOnFailure"))
    return child.status.is_halt


def execution_status(execution: Execution) -> Status | None:
    """The final status that the top-level stages give an execution; `None` while it isn't over (1.10).

    Beyond Orca's rules: a cancelled execution in which nothing runs any more is over, and so is one
    in which nothing runs and nothing can ever start (a requisite that doesn't exist, a cycle). A stage
    that failed before the execution was restarted doesn't end it while others go on (in Orca only the end
    of a stage makes it look at the execution's). One that a person cancels ends CANCELED, whichever of its
    stages ends first and how.
    """
    top = execution.top_level_stages()
    statuses = {stage.status for stage in top}
    if all(status.lets_next_start for status in statuses):
        return Status.SUCCEEDED
    ended_now = {stage.status for stage in top if not _is_from_before(execution, stage)}
    if execution.canceled and not ended_now.isdisjoint({Status.TERMINAL, Status.CANCELED}):
        return Status.CANCELED
    if Status.TERMINAL in ended_now:
        return Status.TERMINAL
    if Status.CANCELED in ended_now:
        return Status.TERMINAL if Status.TERMINAL in statuses else Status.CANCELED
    if any(stage.status in (Status.RUNNING, Status.PAUSED) for stage in top):
        return None
    if execution.canceled:
        return Status.CANCELED
    if any(may_start(execution, stage) for stage in top):
        return None
    if Status.TERMINAL in statuses:
        return Status.TERMINAL
    if Status.CANCELED in statuses:
        return Status.CANCELED
    if Status.STOPPED in statuses and not _fails_when_branches_end(execution):
        return Status.SUCCEEDED
    return Status.TERMINAL


def _is_from_before(execution: Execution, stage: StageExecution) -> bool:
    """Say whether a stage ended before the execution's present run began."""
    return stage.end_time is not None and execution.start_time is not None and stage.end_time < execution.start_time


def _fails_when_branches_end(execution: Execution) -> bool:
    return any(
        stage.status is Status.STOPPED and is_true(stage.context.get("completeOtherBranchesThenFail"))
        for stage in execution.stages
    )


def in_loop_of(tasks: list[TaskExecution]) -> list[TaskExecution]:
    """Give the tasks between the first loop start and the last loop end, both included."""
    start = next((at for at, task in enumerate(tasks) if task.loop_start), None)
    end = next((at for at in range(len(tasks) - 1, -1, -1) if tasks[at].loop_end), None)
    return [] if start is None or end is None else tasks[start : end + 1]


def must_wait_for_others(others: Iterable[Execution] | int, execution: Execution) -> bool:
    """Say whether an execution has to wait its turn, given how many others of its pipeline run (1.13)."""
    if execution.pipeline_config_id is None:
        return False
    running = others if isinstance(others, int) else sum(1 for _ in others)
    if execution.limit_concurrent:
        return running > 0
    return 0 < execution.max_concurrent <= running


def stage_timeout(execution: Execution, stage: StageExecution) -> tuple[StageExecution, EpochMillis] | None:
    """Find the nearest `stageTimeoutMs` (own or of a parent): the stage that has it, and its value in ms (1.15)."""
    holder: StageExecution | None = stage
    while holder is not None:
        value = holder.context.get("stageTimeoutMs")
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return holder, int(cast(float, value))
        holder = execution.parent(holder)
    return None
