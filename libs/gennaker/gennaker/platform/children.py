"""The platform's processes: start, watch, start again, stop."""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kork.telemetry import log

from gennaker.embedded import EmbeddedServerError
from gennaker.embedded.process import ServerProcess

_log = log("gennaker.platform")
_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_STOP_SECONDS = 6.0


class Part(Protocol):
    """A process of the platform (`EmbeddedPostgres`, `EmbeddedRedis`, `PythonProcess`)."""

    @property
    def pid(self) -> int: ...
    @property
    def is_running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class PythonProcess:
    """`python -m <module> <configuration>` as a child; `ready` says when it does its work."""

    def __init__(
        self, module: str, configuration: Path, log_file: Path, ready: Callable[[], bool], *, seconds: float = 120
    ) -> None:
        self._arguments = [sys.executable, "-m", module, str(configuration)]
        self._module = module
        self._log_file = log_file
        self._ready = ready
        self._seconds = seconds
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None, f"{self._module} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.is_running

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._process = ServerProcess(self._arguments, log=self._log_file, end_with=signal.SIGTERM)

    def wait_ready(self) -> None:
        """Wait until it works. Raises `EmbeddedServerError` with its last words when it ends instead."""
        assert self._process is not None, f"{self._module} was not started"
        self._process.wait_until(self._ready, self._seconds)

    def start(self) -> None:
        """Start the process; returns when it works."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Ask it to end what it does, and wait for its end."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM, timeout=_STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.stop(signal.SIGKILL)
            self._process = None


class Keeper:
    """Starts a part again when it ends without having been told to.

    Its thread lives as long as the watch: a child that asked to end with its parent ends with the *thread*
    that started it.
    """

    def __init__(self, name: str, part: Part, tell: Callable[[str], None]) -> None:
        self._name = name
        self._part = part
        self._tell = tell
        self._released, self._release = os.pipe()
        self._thread = threading.Thread(target=self._watch, name=f"keeper:{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, then stop the part."""
        os.write(self._release, b".")
        self._thread.join()
        self._part.stop()
        os.close(self._release)
        os.close(self._released)

    def _watch(self) -> None:
        failures = 0
        while not self._ended_by_order():
            self._tell(f"{self._name} ended; starting it again")
            _log.warning("part.ended", part=self._name)
            try:
                self._part.start()
                failures = 0
            except EmbeddedServerError as error:
                _log.error("part.not_restarted", part=self._name, error=str(error))
                self._tell(f"{self._name} can't be started again: {error}")
                if self._told_to_stop(_AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)]):
                    return
                failures += 1

    def _ended_by_order(self) -> bool:
        """Wait for the part's end or the order to stop watching; say whether it was the order."""
        with suppress(ProcessLookupError, AssertionError):
            handle = os.pidfd_open(self._part.pid)
            try:
                select.select([handle, self._released], [], [])
            finally:
                os.close(handle)
        return self._told_to_stop(0)

    def _told_to_stop(self, seconds: float) -> bool:
        readable, _, _ = select.select([self._released], [], [], seconds)
        return bool(readable)
