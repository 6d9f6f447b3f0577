"""Failures as clients see them: `context.exception` and a task's exception details (spec 1.15)."""

import traceback
from dataclasses import dataclass
from typing import Any, cast

from kork.errors import SpinnakerError, UpstreamError

from orca.execution.model import EpochMillis, JsonMap, StageExecution
from orca.execution.status import Status
from orca.stages.results import TaskFailure

_UNEXPECTED = "Unexpected Task Failure"
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PASSING = frozenset({429, 502, 503, 504})
_STACK_LINES = 40


class TimedOut(Exception):
    """A task or stage took longer than it may."""

    exception_type = "TimeoutException"


@dataclass(frozen=True, slots=True)
class Failure:
    """A task's failure: the document to show, whether to try again, what to merge all the same."""

    document: JsonMap
    retry: bool
    context: JsonMap
    outputs: JsonMap


def describe(error: BaseException, operation: str, now: EpochMillis) -> Failure:
    """Describe an exception raised by a task or while planning a stage (`operation`)."""
    retry = is_worth_retrying(error)
    document: JsonMap = {
        "timestamp": now,
        "exceptionType": _type_name(error),
        "operation": operation,
        "details": _details(error),
        "shouldRetry": retry,
    }
    if isinstance(error, TaskFailure):
        return Failure(document, retry, error.context, error.outputs)
    return Failure(document, retry, {}, {})


def is_worth_retrying(error: BaseException) -> bool:
    """Say whether the same call may succeed later: 503 always; passing trouble if the method is safe to repeat."""
    if isinstance(error, TaskFailure):
        return error.retry
    if not isinstance(error, UpstreamError):
        return False
    if error.status == 503 and not error.network:
        return True
    return error.method.upper() in _IDEMPOTENT and (error.network or error.status in _PASSING)


def _type_name(error: BaseException) -> str:
    if isinstance(error, UpstreamError):
        return "SpinnakerNetworkException" if error.network else "SpinnakerHttpException"
    if isinstance(error, SpinnakerError):
        return error.exception.rsplit(".", 1)[-1]
    return str(getattr(error, "exception_type", type(error).__name__))


def _details(error: BaseException) -> JsonMap:
    if isinstance(error, TaskFailure):
        return {"error": error.error, "errors": error.errors, **error.details}
    if isinstance(error, UpstreamError):
        return _upstream_details(error)
    message = error.message if isinstance(error, SpinnakerError) else str(error) or type(error).__name__
    extra = error.errors if isinstance(error, SpinnakerError) and error.errors else []
    details: JsonMap = {"error": _UNEXPECTED, "errors": [message, *extra]}
    if not isinstance(error, SpinnakerError) and not hasattr(error, "exception_type"):
        details = {"stackTrace": _stack(error), **details}
    return details


def _upstream_details(error: UpstreamError) -> JsonMap:
    given: Any = error.upstream_body
    body = cast(JsonMap, given) if isinstance(given, dict) else {}
    errors = body.get("errors") or body.get("messages") or [error.upstream_message]
    details: JsonMap = {
        "error": body.get("error") or error.upstream_message,
        "errors": errors if isinstance(errors, list) else [errors],
        "url": error.url,
        "kind": "NETWORK" if error.network else "HTTP",
        "method": error.method,
    }
    if not error.network:
        details["status"] = error.status
    if body.get("exception"):
        details["rootException"] = body["exception"]
    return details


def _stack(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines[-_STACK_LINES:])


def add_summaries(stage: StageExecution) -> None:
    """Add failed expressions, and the failures that were ignored, to the errors that clients show (1.9)."""
    expressions = _expression_errors(stage.context.get("expressionEvaluationSummary"))
    found = list(expressions)
    if stage.status is Status.FAILED_CONTINUE:
        for task in stage.tasks:
            details: Any = task.exception_details.get("exception", {}).get("details")
            if isinstance(details, dict):
                known = cast(JsonMap, details)
                found += [f"{task.name}:", str(known.get("error", "")), *map(str, known.get("errors") or ())]
    if not found:
        return
    exception: JsonMap = dict(stage.context.get("exception") or {})
    shown: JsonMap = dict(exception.get("details") or {})
    errors: list[Any] = list(shown.get("errors") or [])
    if expressions:
        shown.setdefault("error", "Failed Expression Evaluation")
    shown["errors"] = errors + [each for each in found if each and each not in errors]
    stage.context["exception"] = exception | {"details": shown}


def _expression_errors(summary: Any) -> list[str]:
    if not isinstance(summary, dict):
        return []
    entries = [entry for listed in cast(JsonMap, summary).values() if isinstance(listed, list) for entry in listed]
    return [
        str(cast(JsonMap, entry).get("description", ""))
        for entry in cast(list[Any], entries)
        if isinstance(entry, dict)
    ]
