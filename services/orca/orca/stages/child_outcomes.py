"""How the executions stand that a stage watches: which status follows, and what their failures say.

Source: Orca's `MonitorPipelineTask`. Pure, but for `read_child`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.definition import Services, TaskFailure
from orca.stages.operations import growing, maps

POLLS = growing(200, 15_000, share=8)
MONITOR_TIMEOUT_MS = 12 * 3_600_000
FAILED = "At least one monitored pipeline failed, look for errors in failed pipelines"
CANCELLED = "At least one monitored pipeline was cancelled"


@dataclass(frozen=True, slots=True)
class Child:
    """An execution as orca's API serves it."""

    id: str
    status: Status
    document: JsonMap

    @property
    def failed(self) -> bool:
        """Say whether it ended badly; being cancelled is something else."""
        return self.status.is_halt and self.status is not Status.CANCELED

    @property
    def name(self) -> str:
        """Give its name, or its id."""
        return str(self.document.get("name") or self.id)


def read_child(services: Services, id: str) -> Child:
    """Read an execution. Raises `TaskFailure` when the answer is none."""
    found = services.orca.get(f"/pipelines/{quote(id, safe='')}")
    if not isinstance(found, dict):
        raise TaskFailure(f"orca answered execution {id} with {found!r:.200}, not with an execution.")
    document = cast(JsonMap, found)
    try:
        return Child(id, Status(str(document.get("status"))), document)
    except ValueError as error:
        raise TaskFailure(f"The child pipeline has an unknown status: {document.get('status')!r:.100}.") from error


def outcome(children: Sequence[Child], *, fail_fast: bool = False) -> Status:
    """Say what the children's statuses make of the stage that watches them; RUNNING while it has to go on."""
    if all(child.status is Status.SUCCEEDED for child in children):
        return Status.SUCCEEDED
    complete = all(child.status.is_complete for child in children)
    if any(child.failed for child in children) and (complete or fail_fast):
        return Status.TERMINAL
    return Status.CANCELED if complete else Status.RUNNING


def summary(status: Status) -> list[str]:
    """Give the line that says what happened to the children as a whole."""
    match status:
        case Status.TERMINAL:
            return [FAILED]
        case Status.CANCELED:
            return [CANCELLED]
        case _:
            return []


def exception_of(child: Child, *more: str) -> JsonMap:
    """Give an ended child's failure as `context.exception` has it: errors with their stages, and the first one's."""
    stages = maps(child.document.get("stages"))
    failed = [each for each in stages if each.get("status") == Status.TERMINAL]
    errors = [line for each in failed for line in _errors_of(child, each)]
    if not errors and child.document.get("cancellationReason"):
        errors.append(f"{child.name}: {child.document['cancellationReason']}")
    exception: JsonMap = {"details": {"errors": [*errors, *more]}}
    if failed:
        exception["source"] = {
            "executionId": child.document.get("id"),
            "stageId": failed[0].get("id"),
            "stageName": failed[0].get("name"),
            "stageIndex": stages.index(failed[0]),
        }
    return exception


def status_details(child: Child) -> JsonMap:
    """Give a child as `executionStatuses` shows it."""
    details: JsonMap = {"status": child.status.value, "application": child.document.get("application")}
    return details | ({"exception": exception_of(child)} if child.status.is_halt else {})


def _errors_of(child: Child, failed: JsonMap) -> list[str]:
    context = cast(JsonMap, failed.get("context") or {})
    where = f"{child.name}: {failed.get('name') or failed.get('type')}"
    exception: Any = context.get("exception")
    details: Any = cast(JsonMap, exception).get("details") if isinstance(exception, dict) else None
    if isinstance(details, dict):
        told: Any = cast(JsonMap, details).get("errors") or cast(JsonMap, details).get("error")
        messages = cast(list[Any], told) if isinstance(told, list) else [told]
    else:
        messages = [_message_of(each) for each in maps(context.get("kato.tasks"))]
    return [f"Exception in child pipeline stage ({where}): {message}" for message in messages if message]


def _message_of(operation: JsonMap) -> Any:
    status: Any = operation.get("status")
    if not isinstance(status, dict) or not cast(JsonMap, status).get("failed"):
        return None
    thrown = cast(JsonMap, operation.get("exception") or {})
    history = cast(list[Any], operation.get("history") or [])
    last: Any = history[-1] if history else None
    return thrown.get("message") or (cast(JsonMap, last).get("status") if isinstance(last, dict) else last)
