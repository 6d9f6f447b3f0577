"""The threads on which executions are started and planned."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kork.app import WaitingThreads, run_sync
from kork.documents import Document

P = ParamSpec("P")
T = TypeVar("T")


class LaunchThreads:
    """Runs blocking work on threads: a pipeline with a template waits for other services, to fetch it."""

    def __init__(self, waiting: WaitingThreads) -> None:
        self._waiting = waiting

    async def run(self, pipeline: Document, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function`, which starts or plans `pipeline`."""
        run = self._waiting.run if pipeline.get("template") is not None else run_sync
        return await run(function, *args, **kwargs)
