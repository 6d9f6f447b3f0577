"""Gate, as the command line sees it: Spinnaker's Gate API over HTTP."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import httpx2 as httpx

from gennaker.exits import Exit, GennakerError

_TASK_ENDED = frozenset({"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "SKIPPED", "FAILED_CONTINUE"})
_TASK_SECONDS = 60.0
_POLL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class Gate:
    """A client of gate. Every failure is a `GennakerError` with the words that gate used and an exit code."""

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise GennakerError(f"'{url}' is no address of gate; write http://… or https://….", Exit.USAGE)
        self._client = httpx.Client(base_url=self.url, timeout=httpx.Timeout(timeout, connect=3.0))

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def get(self, *path: str, **params: Any) -> Any:
        """GET the JSON at a path, given in parts; raises `GennakerError`."""
        return self._send("GET", path, params=params)

    def post(self, *path: str, body: Any = None, **params: Any) -> Any:
        """POST a JSON body; raises `GennakerError`."""
        return self._send("POST", path, body=body, params=params)

    def put(self, *path: str, body: Any = None, **params: Any) -> Any:
        """PUT; raises `GennakerError`."""
        return self._send("PUT", path, body=body, params=params)

    def patch(self, *path: str, body: Any) -> Any:
        """PATCH with a JSON body; raises `GennakerError`."""
        return self._send("PATCH", path, body=body)

    def delete(self, *path: str, **params: Any) -> Any:
        """DELETE; raises `GennakerError`."""
        return self._send("DELETE", path, params=params)

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
    def changes(self, execution_id: str) -> Iterator[tuple[socket.socket, Iterator[str]]]:
        """Open the stream of an execution's changes: its socket, and an item a change.

        Raises `httpx2.HTTPError` when there is none.
        """
        timeout = httpx.Timeout(60.0, connect=3.0)
        with (
            httpx.Client(base_url=self.url, timeout=timeout) as client,
            client.stream("GET", "/executions/stream", params={"executionIds": execution_id}) as response,
        ):
            response.raise_for_status()
            connection: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
            yield connection, (line for line in response.iter_lines() if line.startswith("data:"))

    def _send(
        self, method: str, path: tuple[str, ...], *, body: Any = None, params: dict[str, Any] | None = None
    ) -> Any:
        given = {key: value for key, value in (params or {}).items() if value is not None}
        try:
            response = self._client.request(method, _path(path), json=body, params=given)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise GennakerError(
                f"Gate can't be reached at {self.url}: {reason}. Start it with 'gennaker up', or name it with --gate.",
                Exit.UNREACHABLE,
            ) from error
        answer = _decode(response)
        if response.status_code >= 400:
            raise _failure(response.status_code, answer, response.reason_phrase)
        return answer


def _path(parts: tuple[str, ...]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _decode(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return response.text


def _waits() -> Iterator[float]:
    yield from _POLL_SECONDS
    while True:
        yield _POLL_SECONDS[-1]


def _failure(status: int, body: Any, phrase: str) -> GennakerError:
    document = cast(dict[str, Any], body) if isinstance(body, dict) else {}
    words = [" ".join(str(document.get("message") or phrase).split())]
    errors = document.get("errors")
    if isinstance(errors, list):
        words += [fault for fault in map(_fault, cast(list[Any], errors)) if fault not in words[0]]
    said = "; ".join(words)
    if status == 404:
        return GennakerError(said, Exit.NOT_FOUND)
    return GennakerError(f"Gate refused it ({status}): {said}", Exit.REFUSED)


def _fault(error: Any) -> str:
    """Give one of a refusal's errors in words; of a template's fault, what to do about it."""
    if not isinstance(error, dict):
        return str(error)
    document = cast(dict[str, Any], error)
    return str(document.get("suggestion") or document.get("message") or error)


def _reason(task: dict[str, Any]) -> str:
    """Find what a failed task says of its failure."""
    holders: list[dict[str, Any]] = [{v.get("key"): v.get("value") for v in task.get("variables") or []}]
    holders += [stage.get("context") or {} for stage in (task.get("execution") or {}).get("stages") or []]
    for holder in holders:
        exception = holder.get("exception")
        if isinstance(exception, dict):
            details: Any = cast(dict[str, Any], exception).get("details") or {}
            errors: list[Any] = details.get("errors") or [details.get("error") or task["status"]]
            return "; ".join(str(error) for error in errors)
    return str(task["status"])
