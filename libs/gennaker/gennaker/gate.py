"""Gate, as the command line sees it: Spinnaker's Gate API over HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
from kork.errors import UpstreamError
from kork.http import SyncServiceClient
from kork.settings import HttpSettings

from gennaker.exits import Exit, GennakerError

_TASK_ENDED = frozenset({"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "SKIPPED", "FAILED_CONTINUE"})
_TASK_SECONDS = 60.0
_POLL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class Gate:
    """A client of gate. Every failure is a `GennakerError` with the words that gate used and an exit code."""

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise GennakerError(
                f"'{url}' is not an address of gate; it must begin with http:// or https://.", Exit.USAGE
            )
        self._client = SyncServiceClient(self.url, service="gate", settings=HttpSettings(timeout_seconds=timeout))

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def get(self, *path: str, **params: Any) -> Any:
        """GET the JSON at a path, given in parts; raises `GennakerError`."""
        with self._told():
            return self._client.get(_path(path), params=_given(params))

    def post(self, *path: str, body: Any = None, **params: Any) -> Any:
        """POST a JSON body; raises `GennakerError`."""
        with self._told():
            return self._client.post(_path(path), json=body, params=_given(params))

    def put(self, *path: str, body: Any = None, **params: Any) -> Any:
        """PUT; raises `GennakerError`."""
        with self._told():
            return self._client.put(_path(path), json=body, params=_given(params))

    def patch(self, *path: str, body: Any) -> Any:
        """PATCH with a JSON body; raises `GennakerError`."""
        with self._told():
            return self._client.patch(_path(path), json=body)

    def delete(self, *path: str) -> Any:
        """DELETE; raises `GennakerError`."""
        with self._told():
            return self._client.delete(_path(path))

    def run_task(self, application: str, description: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run an orchestration of one job and wait for its end. Raises `GennakerError` when it fails."""
        ref = self.post("tasks", body={"application": application, "description": description, "job": [job]})["ref"]
        deadline = time.monotonic() + _TASK_SECONDS
        for wait in _waits():
            task = self.get(*ref.strip("/").split("/"))
            if task["status"] == "SUCCEEDED":
                return task
            if task["status"] in _TASK_ENDED:
                raise GennakerError(f"{description}: {_reason(task)}", Exit.REFUSED)
            if time.monotonic() > deadline:
                raise GennakerError(f"{description}: not done after {_TASK_SECONDS:g} s ({ref}).", Exit.STILL_RUNNING)
            time.sleep(wait)
        raise AssertionError("the waits never end")

    @contextmanager
    def changes(self, execution_id: str) -> Iterator[Iterator[str]]:
        """Open the stream of an execution's changes: an item a change. Raises `httpx.HTTPError` when there is none."""
        timeout = httpx.Timeout(60.0, connect=3.0)
        with (
            httpx.Client(base_url=self.url, timeout=timeout) as client,
            client.stream("GET", "/executions/stream", params={"executionIds": execution_id}) as response,
        ):
            response.raise_for_status()
            yield (line for line in response.iter_lines() if line.startswith("data:"))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            raise _failure(error, self.url) from error


def _path(parts: tuple[str, ...]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _given(params: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in params.items() if value is not None} or None


def _waits() -> Iterator[float]:
    yield from _POLL_SECONDS
    while True:
        yield _POLL_SECONDS[-1]


def _failure(error: UpstreamError, url: str) -> GennakerError:
    if error.network:
        return GennakerError(
            f"Gate can't be reached at {url}: {error.upstream_message}. Start it with 'gennaker up', or name it with --gate.",
            Exit.UNREACHABLE,
        )
    said = " ".join(error.upstream_message.split())
    errors: Any = error.upstream_body.get("errors") if isinstance(error.upstream_body, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(errors, list):
        said = "; ".join([said, *(str(fault) for fault in errors if str(fault) not in said)])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if error.status == 404:
        return GennakerError(said, Exit.NOT_FOUND)
    return GennakerError(f"Gate refused it ({error.status}): {said}", Exit.REFUSED)


def _reason(task: dict[str, Any]) -> str:
    """Find what a failed task says of its failure."""
    for variable in task.get("variables", []):
        value = variable.get("value")
        if variable.get("key") == "exception" and isinstance(value, dict):
            details: Any = value.get("details") or {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            errors: list[Any] = details.get("errors") or [details.get("error") or task["status"]]
            return "; ".join(str(error) for error in errors)
    for stage in task.get("execution", {}).get("stages", []):
        errors = stage.get("context", {}).get("exception", {}).get("details", {}).get("errors")
        if errors:
            return "; ".join(str(error) for error in errors)
    return str(task["status"])
