"""Work beside the serving: relays, consumers, clocks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from kork.telemetry import log

_log = log("kork.background")
_AGAIN_SECONDS = 0.5


async def end(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait for their end.

    A cancellation can be swallowed (`asyncio.wait_for` did so before Python 3.12, in libraries too), so it is
    repeated until the task has ended.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)


@asynccontextmanager
async def background(*tasks: Awaitable[None]) -> AsyncIterator[None]:
    """Run coroutines beside a block; they are cancelled at its end. One that fails is logged."""
    running = [asyncio.ensure_future(task) for task in tasks]
    for task in running:
        task.add_done_callback(_report_failure)
    try:
        yield
    finally:
        await end(*running)


def _report_failure(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("background.ended", exc_info=error)
