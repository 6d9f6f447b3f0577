"""Planning: which tasks and synthetic stages a stage gets (spec 1.5)."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from orca.execution.model import AFTER, BEFORE, Execution, JsonMap, StageExecution, SyntheticOwner, TaskExecution
from orca.execution.rules import is_true
from orca.execution.status import Status
from orca.stages.definition import Loop, Stage, Synthetic, TaskSpec

WINDOW_STAGE = "restrictExecutionDuringTimeWindow"
_WINDOW_KEYS = frozenset({"restrictExecutionDuringTimeWindow", "restrictedExecutionWindow"})
_NOT_FOR_WINDOW = frozenset({"restrictExecutionDuringTimeWindow", "stageTimeoutMs", "alias"})

NewId = Callable[[], str]


def plan_tasks(elements: Iterable[TaskSpec | Loop]) -> list[TaskExecution]:
    """Lay out the tasks of a stage, numbered from 1, with the marks of first, last and loops."""
    tasks: list[TaskExecution] = []
    layout = list(elements)
    for at, element in enumerate(layout):
        if isinstance(element, Loop):
            looped = [_task(spec, len(tasks) + n) for n, spec in enumerate(element.tasks)]
            if looped:
                looped[0].loop_start = looped[-1].loop_end = True
            tasks += looped
        else:
            planned = _task(element, len(tasks))
            planned.stage_start, planned.stage_end = at == 0, at == len(layout) - 1
            tasks.append(planned)
    return tasks


def _task(spec: TaskSpec, at: int) -> TaskExecution:
    return TaskExecution(id=str(at + 1), name=spec.name, implementing_class=spec.implementing_class)


def plan_before(
    execution: Execution, stage: StageExecution, definition: Stage[Any], new_id: NewId
) -> list[StageExecution]:
    """Add the stages that run before the tasks of `stage`, its execution window first."""
    planned = _make(execution, stage, BEFORE, definition.before(definition.view(execution, stage)), new_id)
    if is_true(stage.context.get("restrictExecutionDuringTimeWindow")) and stage.type != WINDOW_STAGE:
        window = _window(stage, new_id)
        for child in planned:
            if not child.requisites:
                child.requisites = [window.ref_id]
        planned.insert(0, window)
    execution.insert_before(stage, planned)
    return planned


def plan_after(
    execution: Execution, stage: StageExecution, definition: Stage[Any], new_id: NewId
) -> list[StageExecution]:
    """Add the stages that run after the tasks of `stage`."""
    planned = _make(execution, stage, AFTER, definition.after(definition.view(execution, stage)), new_id)
    execution.insert_after(stage, planned)
    return planned


def plan_on_failure(
    execution: Execution, stage: StageExecution, definition: Stage[Any], new_id: NewId
) -> tuple[list[StageExecution], list[StageExecution]]:
    """Replace what hasn't started below `stage` by its failure stages, in a chain. Gives (added, removed).

    A failure stage whose name a completed "after" stage already bears isn't added again.
    """
    wanted = list(definition.on_failure(definition.view(execution, stage)))
    done = {child.name for child in execution.children(stage, AFTER) if child.status.is_complete}
    wanted = [each for each in wanted if each.name not in done]
    if not wanted:
        return [], []
    removed = [child for child in execution.children(stage) if child.status is Status.NOT_STARTED]
    removed += [below for child in removed for below in execution.descendants(child)]
    execution.remove(removed)
    planned = _make(execution, stage, AFTER, wanted, new_id)
    for first, second in pairwise(planned):
        second.requisites = [first.ref_id]
    execution.insert_after(stage, planned)
    return planned, removed


def _make(
    execution: Execution, parent: StageExecution, owner: SyntheticOwner, wanted: Iterable[Synthetic], new_id: NewId
) -> list[StageExecution]:
    sign = "<" if owner == BEFORE else ">"
    taken = len(execution.children(parent, owner))
    made: dict[int, StageExecution] = {}
    wanted = list(wanted)
    for n, each in enumerate(wanted, start=taken + 1):
        made[id(each)] = StageExecution(
            id=new_id(),
            ref_id=f"{parent.ref_id}{sign}{n}",
            type=each.type,
            name=each.name,
            context={key: value for key, value in each.context.items() if key not in _WINDOW_KEYS},
            synthetic_owner=owner,
            parent_id=parent.id,
        )
    for each in wanted:
        made[id(each)].requisites = [made[id(other)].ref_id for other in each.requires]
    return list(made.values())


def _window(stage: StageExecution, new_id: NewId) -> StageExecution:
    context: JsonMap = {key: value for key, value in stage.context.items() if key not in _NOT_FOR_WINDOW}
    return StageExecution(
        id=new_id(),
        ref_id=f"{stage.ref_id}<0",
        type=WINDOW_STAGE,
        name=WINDOW_STAGE,
        context=context,
        synthetic_owner=BEFORE,
        parent_id=stage.id,
    )
