"""What an expression sees: the stage's context with its ancestors' outputs, the execution, the trigger.

Source: spec of Orca's expression root; only what is listed here can be reached.
"""

from collections.abc import Callable, Mapping
from typing import Any

from orca.execution.model import Execution, StageExecution, TaskExecution
from orca.execution.status import Status

Show = Mapping[str, Callable[[Any], Any]]


class Shown:
    """An object of the engine, of which expressions see the properties listed in `show`."""

    __slots__ = ("_of", "_show")

    def __init__(self, of: Any, show: Show) -> None:
        self._of = of
        self._show = show

    def spel_has(self, name: str) -> bool:
        """Say whether there is a property `name`."""
        return name in self._show

    def spel_get(self, name: str) -> Any:
        """Give the property `name`."""
        return self._show[name](self._of)

    def spel_plain(self) -> dict[str, Any]:
        """Give what becomes of the object in a context: its scalar properties."""
        values = {name: show(self._of) for name, show in self._show.items()}
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}


_TASK: Show = {
    "id": lambda t: t.id,
    "name": lambda t: t.name,
    "status": lambda t: t.status.value,
    "startTime": lambda t: t.start_time,
    "endTime": lambda t: t.end_time,
}


def shown_task(task: TaskExecution) -> Shown:
    """Show a task."""
    return Shown(task, _TASK)


def shown_stage(execution: Execution, stage: StageExecution) -> Shown:
    """Show a stage, with its execution and its parent."""
    above = execution.parent(stage)
    show: dict[str, Callable[[Any], Any]] = {
        "id": lambda s: s.id,
        "refId": lambda s: s.ref_id,
        "type": lambda s: s.type,
        "name": lambda s: s.name,
        "startTime": lambda s: s.start_time,
        "endTime": lambda s: s.end_time,
        "status": lambda s: s.status.value,
        "context": lambda s: s.context,
        "outputs": lambda s: s.outputs,
        "parentStageId": lambda s: s.parent_id,
        "requisiteStageRefIds": lambda s: list(s.requisites),
        "scheduledTime": lambda s: s.scheduled_time,
        "tasks": lambda s: [shown_task(task) for task in s.tasks],
        "hasSucceeded": lambda s: s.status is Status.SUCCEEDED,
        "hasFailed": lambda s: s.status is Status.TERMINAL,
        "execution": lambda _: shown_execution(execution),
        "parent": lambda _: shown_stage(execution, above) if above else None,
        "topLevelStage": lambda s: shown_stage(execution, execution.top_level(s)),
    }
    return Shown(stage, show)


_EXECUTION: Show = {
    "type": lambda e: e.type,
    "id": lambda e: e.id,
    "rootId": lambda e: e.root_id,
    "application": lambda e: e.application,
    "name": lambda e: e.name,
    "buildTime": lambda e: e.build_time,
    "canceled": lambda e: e.canceled,
    "canceledBy": lambda e: e.canceled_by,
    "cancellationReason": lambda e: e.cancellation_reason,
    "limitConcurrent": lambda e: e.limit_concurrent,
    "context": lambda e: e.context(),
    "stages": lambda e: [shown_stage(e, stage) for stage in e.stages],
    "startTime": lambda e: e.start_time,
    "endTime": lambda e: e.end_time,
    "status": lambda e: e.status.value,
    "authentication": lambda e: e.authentication,
    "origin": lambda e: e.origin,
    "trigger": lambda e: e.trigger,
    "description": lambda e: e.description,
    "pipelineConfigId": lambda e: e.pipeline_config_id,
    "notifications": lambda e: e.notifications,
    "initialConfig": lambda e: e.initial_config,
}


def shown_execution(execution: Execution) -> Shown:
    """Show an execution."""
    return Shown(execution, _EXECUTION)


class StageRoot:
    """The root of a stage's expressions; a name that is nowhere is null."""

    __slots__ = ("_execution", "_stage")

    def __init__(self, execution: Execution, stage: StageExecution) -> None:
        self._execution = execution
        self._stage = stage

    def spel_has(self, name: str) -> bool:
        """Every name can be asked for."""
        return True

    def spel_get(self, name: str) -> Any:
        """Give the execution, its trigger, its parameters, or a value of the stage or its ancestors."""
        execution = self._execution
        if execution.is_pipeline:
            match name:
                case "execution":
                    return shown_execution(execution)
                case "trigger":
                    return execution.trigger
                case "parameters" if execution.trigger.get("parameters"):
                    return execution.trigger["parameters"]
                case "templateVariables" if execution.template_variables is not None:
                    return execution.template_variables
                case _:
                    pass
        found = execution.lookup(self._stage, name)
        return {} if found is None and name == "parameters" else found
