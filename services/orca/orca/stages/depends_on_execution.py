"""`dependsOnExecution`: go on when another execution has ended well.

Source: Spinnaker's Orca, `DependsOnExecutionTask`.
"""

from typing import Any, Literal, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from pydantic import field_validator

from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    WaitsFor,
    canceled,
    io_task,
    running,
    stage,
    succeeded,
    terminal,
)
from orca.stages.operations import growing

_TIMEOUT_MS = 2 * 3_600_000
_PATHS = {"PIPELINE": "pipelines", "ORCHESTRATION": "tasks"}


class DependsOnExecutionContext(StageContext):
    """Which execution to wait for."""

    execution_type: Literal["PIPELINE", "ORCHESTRATION"]
    execution_id: str

    @field_validator("execution_type", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


@io_task(
    name="dependsOnExecution",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.DependsOnExecutionTask",
    backoff=growing(200, 10_000, share=8),
    timeout=_TIMEOUT_MS,
    overridable=True,
)
def wait_for_execution(stage: StageView[DependsOnExecutionContext], services: Services) -> TaskResult:
    """Succeed with the other execution; its failure cancels the stage, its absence fails it."""
    kind, id = stage.context.execution_type, stage.context.execution_id
    try:
        found = services.orca.get(f"/{_PATHS[kind]}/{quote(id, safe='')}")
    except UpstreamError as error:
        if error.status != 404 or error.network:
            raise
        return terminal({"error": f"Execution ({kind}) {id} not found."})
    status = _status(cast(JsonMap, found).get("status") if isinstance(found, dict) else None)
    if status.is_successful:
        return succeeded()
    if status.is_complete:
        return canceled({"reason": f"Depended-on execution completed with status {status.value}"})
    return running()


def _status(value: Any) -> Status:
    try:
        return Status(str(value))
    except ValueError as error:
        raise TaskFailure(f"The execution has an unknown status: {value!r:.100}.") from error


@stage("dependsOnExecution")
class DependsOnExecution(Stage[DependsOnExecutionContext]):
    """Hold the branch until another execution has ended."""

    def tasks(self, stage: StageView[DependsOnExecutionContext]):
        yield wait_for_execution

    def waits_for(self, stage: StageView[DependsOnExecutionContext]) -> WaitsFor:
        id = stage.context.execution_id
        return WaitsFor("execution", f"it depends on execution {id}", f"the end of execution {id}")
