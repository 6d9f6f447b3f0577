"""The threads on which executions are started and planned."""

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from kork.documents import Document

P = ParamSpec("P")
T = TypeVar("T")

_TEMPLATED_AT_ONCE = 8


class LaunchThreads:
    """Runs blocking work on threads; what waits for other services, to fetch a template, has its own few.

    In an embedded platform those services answer on the same pool of threads: if starts could fill it, none would
    ever be answered.
    """

    def __init__(self) -> None:
        self._templated = anyio.CapacityLimiter(_TEMPLATED_AT_ONCE)

    async def run(self, pipeline: Document, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function`, which starts or plans `pipeline`."""
        limiter: Any = self._templated if pipeline.get("template") is not None else None
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiter)
