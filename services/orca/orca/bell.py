"""Bells: short messages to workers that say what to look at. They may be lost, doubled or late."""

from collections.abc import Iterable
from typing import Protocol

from kork import bell
from kork.bell import ORCA_QUEUE, ORCA_TASKS_QUEUE

ADVANCE = "orca.advance"
RUN = "orca.run"

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
    """Rings workers on Redis."""

    def __init__(self, redis_url: str) -> None:
        self._bell = bell.Bell(redis_url)

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        self._bell.ring(ADVANCE, ORCA_QUEUE, [(each,) for each in execution_ids])

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run."""
        self._bell.ring(RUN, ORCA_TASKS_QUEUE, runs)
