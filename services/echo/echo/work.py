"""A loop over rows that are due: claim, work, and sleep until the next one is due or a bell rings."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from kork.background import end
from kork.clock import EpochMillis, now_ms
from kork.telemetry import log
from sqlalchemy.exc import SQLAlchemyError

from echo.bells import Bell

T = TypeVar("T")

_SWEEP_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_log = log("echo.work")


def backoff_ms(attempts: int, longest_seconds: float) -> int:
    """Say how long to wait after the attempt of that number: from 0.25 s on, doubled each time."""
    return int(min(longest_seconds, 0.25 * 2 ** min(attempts - 1, 20)) * 1000)


class Work(Generic[T]):
    """Works on what is due, `limit` at a time.

    `claim(n)` takes up to n due rows, so that no other process takes them for the time of their lease;
    `next_due()` says when the next one that isn't claimed is due (ms), or None. Both are blocking and run on
    a thread. `do` works on one; when it is killed, the lease runs out and the row is due again.
    """

    def __init__(
        self,
        name: str,
        bell: Bell,
        *,
        limit: int,
        claim: Callable[[int], list[T]],
        next_due: Callable[[], EpochMillis | None],
        do: Callable[[T], Awaitable[None]],
    ) -> None:
        self._name = name
        self._bell = bell
        self._limit = limit
        self._claim = claim
        self._next_due = next_due
        self._do = do
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; survives outages of Postgres."""
        try:
            while True:
                try:
                    seconds = await self._round()
                except (SQLAlchemyError, OSError) as error:
                    _log.warning("work.delayed", work=self._name, error=str(error).splitlines()[0])
                    seconds = _AGAIN_SECONDS
                await self._bell.wait(seconds)
        finally:
            await end(*self._running)

    async def _round(self) -> float:
        """Claim what can be worked on now; give how long to sleep (s)."""
        free = self._limit - len(self._running)
        if free <= 0:
            return _SWEEP_SECONDS
        claimed = await asyncio.to_thread(self._claim, free)
        for row in claimed:
            task = asyncio.create_task(self._safely(row))
            self._running.add(task)
            task.add_done_callback(self._ended)
        if len(claimed) == free:
            return 0 if len(self._running) < self._limit else _SWEEP_SECONDS
        due = await asyncio.to_thread(self._next_due)
        return _SWEEP_SECONDS if due is None else min(_SWEEP_SECONDS, max(0.0, (due - now_ms()) / 1000))

    async def _safely(self, row: T) -> None:
        try:
            await self._do(row)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("work.interrupted", work=self._name, error=str(error).splitlines()[0])
        except Exception as error:
            _log.error("work.failed", work=self._name, exc_info=error)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._bell.ring()
