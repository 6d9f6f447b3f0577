"""Bells: short messages that say what to look at. They may be lost, doubled or late."""

import contextlib
from collections.abc import Iterable
from typing import Any, Protocol

from celery import Celery
from kork.celery import ORCA_QUEUE, ORCA_TASKS_QUEUE
from kork.telemetry import log

ADVANCE = "orca.advance"
RUN = "orca.run"
_log = log("orca.bell")

Run = tuple[str, str, str, int]


class Bell(Protocol):
    """Tells workers what to look at, as well as it can."""

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        ...

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run: (execution, stage, task, attempt)."""
        ...


class CeleryBell:
    """Rings by Celery messages. What can't be rung is logged; the clock rings again."""

    def __init__(self, app: Celery) -> None:
        self._app: Any = app

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        self._ring(ADVANCE, ORCA_QUEUE, [(each,) for each in execution_ids])

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run."""
        self._ring(RUN, ORCA_TASKS_QUEUE, list(runs))

    def _ring(self, name: str, queue: str, calls: list[Any]) -> None:
        if not calls:
            return
        try:
            with self._app.producer_pool.acquire(block=True, timeout=3) as producer:
                for arguments in calls:
                    self._app.send_task(name, arguments, queue=queue, producer=producer, retry=False)
        except Exception as error:
            _log.warning("bell.silent", task=name, count=len(calls), error=str(error))
            with contextlib.suppress(Exception):
                self._app.pool.force_close_all()
