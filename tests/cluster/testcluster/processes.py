"""The control plane's processes: they end with the process that started them, whatever becomes of it."""

import ctypes
import signal
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from testcluster.errors import ClusterError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class ControlPlaneProcess:
    """A child process and its log."""

    def __init__(self, program: Path, arguments: Sequence[str], log: Path) -> None:
        self.name = program.name
        self.log = log
        self._process = _spawner().submit(_spawn, program, arguments, log).result()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-6:]
        return f"Its log {self.log} ends with: {' | '.join(lines)}"

    def signal(self, how: signal.Signals) -> None:
        """Send a signal if it lives."""
        if self.is_running:
            self._process.send_signal(how)

    def wait(self, timeout: float) -> None:
        """Wait for the end; kill what doesn't end in time (s)."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_ports(count: int) -> list[int]:
    """Find ports on loopback that nobody uses now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def are_free(ports: Sequence[int]) -> bool:
    """Say whether nobody listens on any of these ports of loopback."""
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


@cache
def _spawner() -> ThreadPoolExecutor:
    """Give the thread that starts all children.

    Linux signals "the parent died" when the thread that forked ends, so it must be one that lives as long as
    the process does.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="testcluster")


def _spawn(program: Path, arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        try:
            return subprocess.Popen(
                [program, *arguments],
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ClusterError(f"{program} can't be started: {error}.") from error


def end_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends. Called between fork and exec."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
