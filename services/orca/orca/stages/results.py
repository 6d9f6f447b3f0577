"""What a task answers, and how it says that it failed."""

from dataclasses import dataclass, field

from orca.execution.model import EpochMillis, JsonMap
from orca.execution.status import Status


def _map() -> JsonMap:
    return {}


@dataclass(slots=True)
class TaskResult:
    """A task's answer: its status, what to merge into the stage's context and outputs.

    `due` (epoch ms) says when a RUNNING task wants to run again; without it the task's backoff decides.
    `scheduled` (epoch ms) is shown as the stage's `scheduledTime`.
    """

    status: Status
    context: JsonMap = field(default_factory=_map)
    outputs: JsonMap = field(default_factory=_map)
    due: EpochMillis | None = None
    scheduled: EpochMillis | None = None


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """What a stage waits for, in words for people: of which kind it is, and what would end the wait."""

    kind: str
    why: str
    moves: str


class TaskFailure(Exception):
    """A failure that a task reports in words of its own.

    `error` is the headline (`Unexpected Task Failure` by default), `errors` what happened, `details`
    further keys of `context.exception.details`. `context` and `outputs` are merged as a result's are.
    """

    def __init__(
        self,
        *errors: str,
        error: str = "Unexpected Task Failure",
        exception_type: str = "TaskFailure",
        details: JsonMap | None = None,
        context: JsonMap | None = None,
        outputs: JsonMap | None = None,
        retry: bool = False,
    ) -> None:
        super().__init__(errors[0] if errors else error)
        self.error = error
        self.errors = list(errors)
        self.exception_type = exception_type
        self.details = details or {}
        self.context = context or {}
        self.outputs = outputs or {}
        self.retry = retry


def succeeded(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """The task is done."""
    return TaskResult(Status.SUCCEEDED, context or {}, outputs or {})


def running(
    until: EpochMillis | None = None, context: JsonMap | None = None, outputs: JsonMap | None = None
) -> TaskResult:
    """The task isn't done; run it again at `until` (epoch ms), or after its backoff."""
    return TaskResult(Status.RUNNING, context or {}, outputs or {}, until)


def terminal(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """The task failed without an exception to show (a condition that doesn't hold, a refused judgment)."""
    return TaskResult(Status.TERMINAL, context or {}, outputs or {})


def failed(error: str | TaskFailure, context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """End the task with `context.exception` filled from `error`. Raises; written as `return failed(…)`."""
    failure = error if isinstance(error, TaskFailure) else TaskFailure(error)
    failure.context |= context or {}
    failure.outputs |= outputs or {}
    raise failure


def failed_continue(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """The task failed and what follows runs all the same."""
    return TaskResult(Status.FAILED_CONTINUE, context or {}, outputs or {})


def canceled(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """What the task watched was cancelled."""
    return TaskResult(Status.CANCELED, context or {}, outputs or {})


def skipped(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """There was nothing to do."""
    return TaskResult(Status.SKIPPED, context or {}, outputs or {})


def redirect(context: JsonMap | None = None, outputs: JsonMap | None = None) -> TaskResult:
    """Run the loop around this task once more."""
    return TaskResult(Status.REDIRECT, context or {}, outputs or {})
