"""Lives of a worker: a process that drives executions until it is told to stop, or dies at a chosen point.

The points are every commit in Postgres and every HTTP call, each just before and just after. A life is
the real worker and the real clock of orca on threads of a process of its own; only the way of the bells is
short: they are rung within the process, so those of the dead are lost, as those in a lost Redis are.

The processes are forked from a server that has imported all that they need, so a life costs milliseconds.
"""

import asyncio
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import httpx2

from orca.bell import Run
from orca.clock import Clock
from orca.settings import OrcaSettings
from orca.worker import Worker, make_driver

LEASES_THREAD = "orca-leases"
_THREADS = 3
KILLED = 9

Side = Literal["before", "after"]
How = Literal["killed", "stopped"]


@dataclass(frozen=True, slots=True)
class Death:
    """How a life ends: at its `at`-th point (from 1), before or after it, at once or after what it is doing.

    With `point` only the points of this name count: `a commit`, `GET /task`, …
    """

    at: int
    side: Side
    how: How
    point: str | None = None


def fork_server() -> ForkServerContext:
    """Give the server of lives; it starts with the first one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["orca.testing.lives_prepared", "pytest"])
    return context


def start_life(context: ForkServerContext, settings: OrcaSettings, death: Death | None, reached: Any) -> BaseProcess:
    """Start a life; `reached` is a queue that gets the name of each point that it passes, before it can die there."""
    process = context.Process(target=_live, args=(settings, death, reached), daemon=True)
    process.start()
    return process


class _Points:
    """Counts points, and ends the process at the chosen one."""

    def __init__(self, death: Death | None, reached: Any, stop: Callable[[], None]) -> None:
        self._death = death
        self._reached = reached
        self._stop = stop
        self._count = 0
        self._counting = threading.Lock()

    @contextmanager
    def passing(self, name: str) -> Iterator[None]:
        """Pass one point."""
        if self._death is not None and self._death.point not in (None, name):
            yield
            return
        with self._counting:
            self._count += 1
            mine = self._count
        self._pass(mine, name, "before")
        yield
        self._pass(mine, name, "after")

    def _pass(self, count: int, name: str, side: Side) -> None:
        death = self._death
        if death is None or (count, side) != (death.at, death.side):
            return
        self._reached.put(f"{death.how} {side} {name}")
        if death.how == "killed":
            os._exit(KILLED)
        self._stop()


class OwnBell:
    """Rings the threads of this process."""

    def __init__(self) -> None:
        self.rung: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        for each in execution_ids:
            self.rung.put((each,))

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run."""
        for each in runs:
            self.rung.put(each)


def _live(settings: OrcaSettings, death: Death | None, reached: Any) -> None:
    """Work until SIGTERM, or until the chosen end."""
    stopping = threading.Event()
    points = _Points(death, reached, stopping.set)
    bell = OwnBell()
    driver = make_driver(settings, bell)
    _watch_commits(driver.database.engine.dialect, points)
    _watch_calls(points)
    worker = Worker(settings, bell)
    worker.use(driver)
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def work() -> None:
        while (call := bell.rung.get()) is not None and not stopping.is_set():
            if len(call) == 1:
                worker.advance(*call)
            else:
                worker.run(*call)

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    threading.Thread(target=lambda: asyncio.run(Clock(settings, bell).run()), daemon=True).start()
    parent = os.getppid()
    while not stopping.wait(timeout=5) and os.getppid() == parent:
        pass
    for _ in threads:
        bell.rung.put(None)
    for thread in threads:
        thread.join()
    os._exit(0)


def _watch_commits(dialect: Any, points: _Points) -> None:
    commit = dialect.do_commit

    def do_commit(connection: Any) -> None:
        # How often leases are renewed is a matter of time: such a commit has no number.
        if threading.current_thread().name == LEASES_THREAD:
            commit(connection)
            return
        with points.passing("a commit"):
            commit(connection)

    dialect.do_commit = do_commit


def _watch_calls(points: _Points) -> None:
    handle = httpx2.HTTPTransport.handle_request

    def handle_request(self: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
        with points.passing(f"{request.method} /{request.url.path.split('/')[1]}"):
            return handle(self, request)

    httpx2.HTTPTransport.handle_request = handle_request
