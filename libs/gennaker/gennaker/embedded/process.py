"""A server process that ends with its parent."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534
_POLL_SECONDS = 0.02
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: another thread may be loading libraries then


class EmbeddedServerError(Exception):
    """An embedded server can't be started; the message says why and what to do."""


def free_port() -> int:
    """Find a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_in_use(port: int) -> bool:
    """Say whether somebody listens on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_free(what: str, port: int) -> None:
    """Raise when `port` is taken: a server that is there already would be mistaken for the new one."""
    if port_in_use(port):
        raise EmbeddedServerError(
            f"{what} can't start: port {port} is in use. Stop what listens there, or choose another port."
        )


def as_nobody() -> None:
    """Become `nobody` in a user namespace of this process's own, keeping the caller's rights to its files.

    Postgres refuses to run as root; a container often has no other user. Called between fork and exec.
    """
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    for file, line in (("setgroups", "deny"), ("gid_map", f"{_NOBODY} {gid} 1"), ("uid_map", f"{_NOBODY} {uid} 1")):
        Path("/proc/self", file).write_text(line)


def before_exec(end_with: signal.Signals, *, drop_root: bool) -> Callable[[], None]:
    """Make what a child does before it becomes the server: drop root, and ask to end when its parent does."""

    def prepare() -> None:
        if drop_root and os.geteuid() == 0:
            as_nobody()
        _libc.prctl(_PR_SET_PDEATHSIG, end_with)

    return prepare


class ServerProcess:
    """A child process, its log, and whether it has come up."""

    def __init__(
        self, arguments: Sequence[str], *, log: Path, end_with: signal.Signals, drop_root: bool = False
    ) -> None:
        self.name = Path(arguments[0]).name
        self.log = log
        with log.open("ab") as sink:
            try:
                self._process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,
                    preexec_fn=before_exec(end_with, drop_root=drop_root),
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise EmbeddedServerError(f"{self.name} can't be started: {error}.") from error

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready()`; raise with the log's last lines when the process ends or time (s) runs out."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.is_running:
                raise EmbeddedServerError(f"{self.name} ended as it started. {self._last_words()}")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.name} was not ready after {timeout:g} s. {self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, how: signal.Signals, timeout: float = 10.0) -> None:
        """Send a signal and wait for the end; kill what doesn't end in time (s)."""
        if self.is_running:
            self._process.send_signal(how)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        """Wait for the end; gives the exit code."""
        return self._process.wait()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        return f"Its log {self.log} ends with: {' | '.join(lines)}"
