"""One platform: its servers, its schemas, its worker and its APIs."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from kork.settings import ServiceSettings

from gennaker.configuration import Configuration
from gennaker.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from gennaker.exits import PlatformError
from gennaker.platform.children import Keeper, Part, PythonProcess
from gennaker.platform.home import Home
from gennaker.platform.ports import Ports, open_sockets
from gennaker.services import SERVICES

Report = Callable[[str, str, float | None], None]
_POOL_SIZE = 4


def _silent(part: str, detail: str, seconds: float | None) -> None:
    """Report nothing."""


class Platform:
    """All of Gennaker on loopback, with its data in `home`.

    Postgres and Redis are embedded unless the settings name others. `ports` moves the services from what the
    settings say. `report` hears of each part that is ready: its name, a detail, the seconds it took (`None`:
    news of a part that was ready before).

    `with Platform(…) as platform:` runs everything as child processes, the APIs too, so that a test can kill
    each (`platform.apis.kill()`, `platform.apis.start()`). `hold`, `settle`, `launch` and `serve` keep the APIs in this
    process and start again what ends.
    """

    def __init__(
        self,
        home: Path,
        *,
        configuration: Configuration | None = None,
        ports: Ports | None = None,
        report: Report = _silent,
        postgres_settings: dict[str, str] | None = None,
    ) -> None:
        self.home = Home(home)
        self.configuration = configuration or Configuration()
        self.postgres: EmbeddedPostgres | None = None
        self.redis: EmbeddedRedis | None = None
        self._ports = ports
        self._report = report
        self._postgres_settings = postgres_settings or {}
        self._common = ServiceSettings()
        self._settings: dict[str, ServiceSettings] = {}
        self._keepers: dict[int, Keeper] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._apps: Future[dict[str, Any]] | None = None
        file = self.home.run / "platform.json"
        self.worker = PythonProcess("gennaker.worker", file, self.home.logs / "worker.log", self._worker_is_ready)
        self.apis = PythonProcess("gennaker.apis", file, self.home.logs / "apis.log", self._apis_are_ready)

    def __enter__(self) -> "Platform":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def url(self, service: str) -> str:
        """Give the address of a service's API."""
        return getattr(self._common.services, service).url()

    @property
    def gate_url(self) -> str:
        """The address of gate's API."""
        return self.url("gate")

    @property
    def database_url(self) -> str:
        """The address of the Postgres that is used."""
        return self._common.database.url

    @property
    def redis_url(self) -> str:
        """The address of the Redis that is used."""
        return self._common.redis.url

    def parts(self) -> dict[str, Part]:
        """Give the processes that this platform runs, by name; each can be started, stopped and killed."""
        known: dict[str, Part | None] = {
            "postgres": self.postgres,
            "redis": self.redis,
            "worker": self.worker,
            "apis": self.apis,
        }
        return {name: part for name, part in known.items() if part is not None and part.is_running}

    def start(self) -> None:
        """Start everything as children of this process; returns when all is ready."""
        self.hold()
        try:
            self.settle()
            self._ready_file("apis").unlink(missing_ok=True)
            self._start_redis()
            self._launch_worker()
            self._start_postgres()
            self._migrate()
            with self._timed("APIs") as detail:
                self.apis.start()
                detail.append(self.gate_url)
            self._await_worker()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that this platform started, and let go of its home."""
        for part in (self.worker, self.apis, self.redis, self.postgres):
            if part is not None:
                self._stop_part(part)
        for listener in self._sockets.values():
            listener.close()
        self._sockets = {}
        self.home.release()

    def hold(self, *, reset: bool = False) -> None:
        """Take the home for this platform, emptied when `reset`. Raises `PlatformError` when it can't be used."""
        self.home.hold()
        if reset:
            self.home.reset()

    def launch(self) -> None:
        """Take the ports and start all but the APIs, for `serve`. Call `hold` and `settle` before.

        Children end with the thread that started them, so call this from one that stays.
        """
        try:
            self._sockets = open_sockets(self._settings)
            self._start_redis()
            self._launch_worker()
            self._apps = ThreadPoolExecutor(1).submit(_import_and_make_apps, self._settings)
            self._start_postgres()
            self._migrate()
        except BaseException:
            self.stop()
            raise

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve the APIs in this process during a block; entered when all is ready, at its end all is stopped.

        Call `launch` before. What ends without an order meanwhile is started again.
        """
        from gennaker.platform.apis import serving

        assert self._apps is not None, "launch() comes before serve()"
        started = time.monotonic()
        try:
            async with serving(self._apps.result(), self._sockets):
                self._report("APIs", ", ".join(f"{n} {p}" for n, p in self._listening()), time.monotonic() - started)
                self._await_worker()
                self._watch()
                try:
                    yield
                finally:
                    await asyncio.to_thread(self._stop_part, self.worker)
        finally:
            self.stop()

    def settle(self) -> None:
        """Decide what the settings leave open: addresses of the servers, the secret, that all is embedded.

        Raises `PlatformError` when the settings can't be used.
        """
        base = self.configuration
        settings = base.settings(ServiceSettings)
        overrides: dict[str, Any] = {"embedded": True, "home": str(self.home.path)}
        if "url" not in settings.database.model_fields_set:
            self.postgres = EmbeddedPostgres(self.home.postgres, settings=self._postgres_settings)
            overrides["database"] = {"url": self.postgres.url}
        if "pool_size" not in settings.database.model_fields_set:
            overrides.setdefault("database", {})["poolSize"] = _POOL_SIZE
        if "url" not in settings.redis.model_fields_set:
            self.redis = EmbeddedRedis(self.home.redis)
            overrides["redis"] = {"url": self.redis.url}
        if "secret" not in settings.identity.model_fields_set:
            overrides["identity"] = {"secret": self.home.secret()}
        ports = self._ports.overrides() if self._ports else {}
        self.configuration = base.with_overrides(overrides, ports)
        self._common = self.configuration.settings(ServiceSettings)
        self._settings = self.configuration.all_settings()
        self.configuration.save(self.home.run / "platform.json")

    def _start_redis(self) -> None:
        self._start_server("Redis", self.redis)

    def _start_postgres(self) -> None:
        self._start_server("Postgres", self.postgres)

    def _start_server(self, name: str, server: EmbeddedPostgres | EmbeddedRedis | None) -> None:
        with self._timed(name) as detail:
            if server is None:
                from gennaker.platform.external import check_external

                detail.append(check_external(name, self._common))
            else:
                server.start()
                detail.append(f"127.0.0.1:{server.port}")

    def _migrate(self) -> None:
        from kork.database import Database
        from sqlalchemy.exc import SQLAlchemyError

        def migrate(name: str) -> None:
            database = Database(self._settings[name].database, schema=name)
            try:
                database.migrate()
            finally:
                database.dispose()

        names = [service.name for service in SERVICES if service.has_database]
        with self._timed("Schemas") as detail, ThreadPoolExecutor(len(names)) as threads:
            try:
                list(threads.map(migrate, names))
            except SQLAlchemyError as error:
                raise PlatformError(f"The schemas can't be made: {str(error).splitlines()[0]}") from error
            detail.append(", ".join(names))

    def _launch_worker(self) -> None:
        """Start the worker while Postgres comes up: it takes its time to import what it runs."""
        self._ready_file("worker").unlink(missing_ok=True)
        self.worker.launch()

    def _await_worker(self) -> None:
        with self._timed("Worker") as detail:
            self.worker.wait_ready()
            detail.append(f"process {self.worker.pid}")

    def _watch(self) -> None:
        def tell(part: str) -> Callable[[str], None]:
            return lambda news: self._report(part, news, None)

        for name, part in (("Postgres", self.postgres), ("Redis", self.redis), ("Worker", self.worker)):
            if part is not None:
                self._keepers[id(part)] = Keeper(name, part, tell(name))

    def _stop_part(self, part: Part) -> None:
        keeper = self._keepers.pop(id(part), None)
        if keeper is not None:
            keeper.stop()
        part.stop()

    def _listening(self) -> list[tuple[str, int]]:
        return [(name, listener.getsockname()[1]) for name, listener in self._sockets.items()]

    @contextmanager
    def _timed(self, part: str) -> Iterator[list[str]]:
        """Report `part` with what the block puts into the list, and the time it took."""
        started = time.monotonic()
        detail: list[str] = []
        try:
            yield detail
        except EmbeddedServerError as error:
            raise PlatformError(str(error)) from error
        self._report(part, " ".join(detail), time.monotonic() - started)

    def _ready_file(self, part: str) -> Path:
        return self.home.run / f"{part}.ready"

    def _worker_is_ready(self) -> bool:
        return _says(self._ready_file("worker"), self.worker.pid)

    def _apis_are_ready(self) -> bool:
        return _says(self._ready_file("apis"), self.apis.pid)


def _import_and_make_apps(settings: dict[str, ServiceSettings]) -> dict[str, Any]:
    from gennaker.platform.apis import make_apps

    return make_apps(settings)


def _says(file: Path, pid: int) -> bool:
    try:
        return file.read_text().strip() == str(pid)
    except FileNotFoundError:
        return False
