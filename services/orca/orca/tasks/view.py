"""An orchestration as Spinnaker's task view shows it. Pure."""

from typing import Any

from orca.execution.model import Execution, JsonMap
from orca.execution.served import execution_document, task_document


def task_view(execution: Execution) -> JsonMap:
    """Give the task view: the stages' contexts as `variables`, their tasks as `steps`, the execution itself.

    A later stage's value wins unless it is empty.
    """
    variables: JsonMap = {}
    for stage in execution.stages:
        for key, value in stage.context.items():
            if key not in variables or not _is_empty(value):
                variables[key] = value
    view: dict[str, Any] = {
        "id": execution.id,
        "name": execution.description or execution.name,
        "application": execution.application,
        "status": execution.status.value,
        "variables": [{"key": key, "value": value} for key, value in variables.items()],
        "steps": [task_document(task) for stage in execution.stages for task in stage.tasks],
        "buildTime": execution.build_time,
        "startTime": execution.start_time,
        "endTime": execution.end_time,
        "execution": execution_document(execution),
    }
    return {key: value for key, value in view.items() if value is not None}


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}
