"""Following an execution: gate's stream says when to look, a slow look makes up for what it misses."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx2 as httpx

from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate
from gennaker.watching.lines import Rollout

ENDED = frozenset({"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "SKIPPED", "FAILED_CONTINUE"})
Show = Callable[[dict[str, Any], Mapping[str, Rollout]], None]
Until = Callable[[dict[str, Any]], bool]

_LOOK_SECONDS = 10.0
_LOOK_WITHOUT_STREAM_SECONDS = 1.0
_ROLLOUT_SECONDS = 0.5
_LEAST_SECONDS = 0.1
_APPEARS_SECONDS = 15.0
_ROLLING = frozenset({"deployManifest", "scaleManifest", "undoRolloutManifest"})
_WORKLOADS = frozenset({"deployment", "statefulset", "daemonset", "replicaset"})


def has_ended(execution: Mapping[str, Any]) -> bool:
    """Say whether an execution is over."""
    return execution["status"] in ENDED


def follow_execution(
    gate: Gate,
    execution_id: str,
    show: Show,
    *,
    timeout: float | None = None,
    until: Until = has_ended,
    fresh: bool = False,
) -> dict[str, Any]:
    """Show an execution at each change until its end, or until `until` holds; gives it as it is then.

    A `fresh` one, whose id was given a moment ago, may take some seconds to appear.
    Raises `GennakerError` when gate doesn't know it, or `timeout` (seconds) ran out (exit code 7).
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    execution = await_execution(gate, execution_id) if fresh else gate.get("pipelines", execution_id)
    bell = _Bell(gate, execution_id)
    rollouts: dict[str, Rollout] = {}
    try:
        while True:
            _look_at_rollouts(gate, execution, rollouts)
            show(execution, rollouts)
            if until(execution) or has_ended(execution):
                return execution
            wait = _ROLLOUT_SECONDS if _rolling(execution) else bell.patience
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
                if wait <= 0:
                    raise GennakerError(
                        f"Execution {execution_id} is {execution['status']} after {timeout:g} s; it runs on.",
                        Exit.STILL_RUNNING,
                    )
            bell.wait(wait)
            execution = gate.get("pipelines", execution_id)
    finally:
        bell.close()


def await_execution(gate: Gate, execution_id: str) -> dict[str, Any]:
    """Wait for an execution whose start was accepted; gives it. Raises `GennakerError`, exit code 7, in the end."""
    deadline = time.monotonic() + _APPEARS_SECONDS
    while True:
        try:
            return gate.get("pipelines", execution_id)
        except GennakerError as error:
            if error.code is not Exit.NOT_FOUND:
                raise
        if time.monotonic() > deadline:
            raise GennakerError(
                f"Execution {execution_id} was accepted and has not started after {_APPEARS_SECONDS:g} s; "
                "it starts when orca answers.",
                Exit.STILL_RUNNING,
            )
        time.sleep(_LEAST_SECONDS)


class _Bell:
    """Rings when gate's stream tells of a change of one execution."""

    def __init__(self, gate: Gate, execution_id: str) -> None:
        self.patience = _LOOK_WITHOUT_STREAM_SECONDS
        self._rang = threading.Event()
        self._closed = False
        self._socket: socket.socket | None = None
        self._gate = gate
        self._execution_id = execution_id
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        if self._rang.wait(seconds):
            time.sleep(_LEAST_SECONDS)
        self._rang.clear()

    def close(self) -> None:
        """Stop listening: the connection is shut, which ends the wait for its next line."""
        self._closed = True
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while not self._closed:
            try:
                with self._gate.changes(self._execution_id) as (connection, changes):
                    self._socket = connection
                    self.patience = _LOOK_SECONDS
                    self._rang.set()
                    for _ in changes:
                        self._rang.set()
                        if self._closed:
                            return
            except httpx.HTTPStatusError:
                return
            except httpx.HTTPError:
                self.patience = _LOOK_WITHOUT_STREAM_SECONDS
                time.sleep(_LOOK_WITHOUT_STREAM_SECONDS)


def _rolling(execution: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [s for s in execution["stages"] if s["type"] in _ROLLING and s["status"] == "RUNNING"]


def _look_at_rollouts(gate: Gate, execution: Mapping[str, Any], rollouts: dict[str, Rollout]) -> None:
    """Ask for the workloads of stages that roll out, and once more for those that have just ended."""
    running = _rolling(execution)
    ended = [s for s in execution["stages"] if s["id"] in rollouts and s["status"] == "SUCCEEDED"]
    for stage in running + [s for s in ended if rollouts[s["id"]].ready < rollouts[s["id"]].desired]:
        counted = [_count(gate, stage["context"], place, name) for place, name in _workloads(stage["context"])]
        if counted:
            rollouts[stage["id"]] = Rollout(sum(r for r, _ in counted), sum(d for _, d in counted))


def _workloads(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    places: Mapping[str, Any] = context.get("outputs.manifestNamesByNamespace") or {}
    return [
        (place, name)
        for place, names in places.items()
        for name in names
        if str(name).split(" ", 1)[0].lower() in _WORKLOADS
    ]


def _count(gate: Gate, context: Mapping[str, Any], place: str, name: str) -> tuple[int, int]:
    try:
        manifest: dict[str, Any] = gate.get("manifests", str(context.get("account")), place, name)["manifest"]
    except (GennakerError, KeyError, TypeError):
        return 0, 0
    status: dict[str, Any] = manifest.get("status") or {}
    if "desiredNumberScheduled" in status:
        return int(status.get("numberReady") or 0), int(status["desiredNumberScheduled"])
    updated = int(status.get("updatedReplicas", status.get("replicas", 0)) or 0)
    if status.get("observedGeneration") != manifest["metadata"].get("generation"):
        updated = 0
    desired = int((manifest.get("spec") or {}).get("replicas", 1))
    return min(int(status.get("readyReplicas") or 0), updated), desired
