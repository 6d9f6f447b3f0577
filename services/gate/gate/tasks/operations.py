"""Operations that gate has orca carry out and waits for (the save of a pipeline)."""

import asyncio
import base64
from typing import Any, cast

from fastapi import Request
from kork.documents import Document
from kork.errors import BadRequest, Unavailable
from kork.identity import Identity

from gate.backends import Backends, parsed, segment

CONTEXT_JSON = "application/context+json"
_COMPLETE = frozenset({"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "SKIPPED", "FAILED_CONTINUE", "REDIRECT"})
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class Operations:
    """Runs orchestrations of one job and waits for their end."""

    def __init__(self, backends: Backends, timeout_seconds: float) -> None:
        self._backends = backends
        self._timeout = timeout_seconds

    async def start(self, request: Request, task: Document) -> Document:
        """Start an orchestration; gives `{ref: "/tasks/<id>"}`."""
        application = task.get("application")
        response = await self._backends.call(
            request,
            "orca",
            "POST",
            "/ops",
            json=task,
            headers={"Content-Type": CONTEXT_JSON, "X-SPINNAKER-EXECUTION-TYPE": "orchestration"},
            application=application if isinstance(application, str) else None,
        )
        return parsed(response, "orca")

    async def finish(
        self, request: Request, application: str, description: str, job: Document, user: Identity
    ) -> Document:
        """Start a job and give its task when it has ended, or as it is when the patience ends."""
        task = {"application": application, "description": description, "job": [job | {"user": user.user}]}
        started = await self.start(request, task)
        id = task_id(started)
        deadline = asyncio.get_running_loop().time() + self._timeout
        pause = _FIRST_PAUSE_SECONDS
        while True:
            task = await self._backends.get(request, "orca", f"/tasks/{segment(id)}")
            if task.get("status") in _COMPLETE or asyncio.get_running_loop().time() >= deadline:
                return task
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def task_id(started: Document) -> str:
    """Take the id out of `{ref: "/tasks/<id>"}`."""
    id = str(started.get("ref") or "").rpartition("/")[2]
    if not id:
        raise Unavailable("orca started a task and did not say which.")
    return id


def encode(document: bytes) -> str:
    """Encode a document as orca takes it within a job."""
    return base64.b64encode(document).decode()


def value_of(task: Document, key: str) -> Any:
    """Give a variable of a task, or None."""
    variables = cast(list[Document], task.get("variables") or [])
    return next((variable.get("value") for variable in variables if variable.get("key") == key), None)


def require_success(task: Document, what: str) -> None:
    """Raise `BadRequest` with the task's own error when it did not succeed.

    `what` names the operation ("Pipeline save"). Source of the words: Gate's PipelineController.
    """
    if task.get("status") == "SUCCEEDED":
        return
    errors = failures(task)
    default = f"{what} operation did not succeed: {task.get('id')} (status: {task.get('status')})"
    raise BadRequest(
        errors[0] if errors else default,
        errors=errors or None,
        exception="com.netflix.spinnaker.gate.controllers.PipelineController$PipelineException",
    )


def failures(task: Document) -> list[str]:
    """List what a task says went wrong: `exception.details.errors`, else `exception.details.error`."""
    exception = value_of(task, "exception")
    details: Any = cast(Document, exception).get("details") if isinstance(exception, dict) else None
    if not isinstance(details, dict):
        return []
    known = cast(Document, details)
    errors = known.get("errors")
    if isinstance(errors, list) and errors:
        return [str(error) for error in cast(list[Any], errors)]
    return [str(known["error"])] if known.get("error") else []
