"""What workers do: advance executions and run their I/O tasks."""

import threading
from collections.abc import Mapping
from typing import Any

from celery import Celery, signals
from kork.celery import make_celery
from kork.database import Database, is_outage
from kork.http import SyncServiceClient
from kork.telemetry import log

from orca.bell import ADVANCE, RUN, Bell, CeleryBell
from orca.clients import Clients
from orca.execution.driver import Driver
from orca.execution.io_tasks import IoTasks
from orca.execution.measures import failed_advances
from orca.execution.model import Execution, StageExecution
from orca.expressions import PipelineExpressions
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.installed import catalogue_for
from orca.stages.view import Calls, Services

_log = log("orca.worker")


def register(app: Celery, settings: OrcaSettings) -> None:
    """Declare `orca.advance` and `orca.run` on a Celery application.

    What they need is made once the worker is ready (after a fork, where there is one), so that no first
    execution waits for imports.
    """
    worker = Worker(settings, CeleryBell(settings.redis.url))
    signals.worker_ready.connect(worker.prepare, weak=False)
    declare: Any = app.task
    declare(name=ADVANCE, shared=False)(worker.advance)
    declare(name=RUN, shared=False)(worker.run)


def run_worker(settings: OrcaSettings, arguments: list[str]) -> None:
    """Serve both queues until SIGTERM (`python -m orca worker`); further arguments are Celery's."""
    app = make_celery(settings)
    register(app, settings)
    threads = ["--pool", "threads", "--concurrency", str(settings.worker.concurrency)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    app.worker_main(["worker", "--queues", "orca,orca.tasks", *threads, *quiet, *arguments])


def make_driver(settings: OrcaSettings, bell: Bell, catalogue: StageCatalogue | None = None) -> Driver:
    """Make what drives executions."""
    database = Database(settings.database, schema="orca")
    return Driver(database, settings, bell, catalogue or catalogue_for(settings), PipelineExpressions())


class Worker:
    """The tasks of a worker process. An outage of Postgres ends a task quietly: the clock rings again."""

    def __init__(self, settings: OrcaSettings, bell: Bell, catalogue: StageCatalogue | None = None) -> None:
        self._settings = settings
        self._bell = bell
        self._catalogue = catalogue
        self._making = threading.Lock()
        self._made: tuple[Driver, IoTasks] | None = None

    def prepare(self, **_: Any) -> None:
        """Make, in the background, what the first execution will need."""
        threading.Thread(target=self._parts, name="orca-prepare", daemon=True).start()

    def advance(self, execution_id: str) -> None:
        """Advance an execution."""
        try:
            self._parts()[0].advance(execution_id)
        except Exception as error:
            self._report(error, execution_id)

    def run(self, execution_id: str, stage_id: str, task_id: str, attempt: int) -> None:
        """Run an I/O task."""
        try:
            self._parts()[1].run(execution_id, stage_id, task_id, attempt)
        except Exception as error:
            self._report(error, execution_id)

    def use(self, driver: Driver) -> None:
        """Work with a driver that was made elsewhere."""
        self._made = driver, IoTasks(driver, ServicesOfStages(self._settings))

    def _parts(self) -> tuple[Driver, IoTasks]:
        with self._making:
            if self._made is None:
                self.use(make_driver(self._settings, self._bell, self._catalogue))
            assert self._made is not None
            return self._made

    def _report(self, error: Exception, execution_id: str) -> None:
        if is_outage(error):
            _log.warning("database.away", execution=execution_id, error=str(error).splitlines()[0])
        else:
            failed_advances.inc()
            _log.error("execution.stuck", execution=execution_id, exc_info=error)
            self._give_up(error, execution_id)

    def _give_up(self, error: Exception, execution_id: str) -> None:
        try:
            if self._parts()[0].give_up(execution_id, error):
                _log.error("execution.given_up", execution=execution_id)
        except Exception as further:
            _log.error("execution.still_stuck", execution=execution_id, exc_info=further)


class ServicesOfStages:
    """The clients that I/O tasks use, made once; each call says for which execution it is."""

    def __init__(self, settings: OrcaSettings) -> None:
        import httpx2

        self._settings = settings
        clients, with_rosco = Clients(settings), settings.services.rosco.enabled
        self._clients = {
            name: clients.to(name)
            for name in ("front50", "clouddriver", "echo", "orca", *(("rosco",) if with_rosco else ()))
        }
        http = settings.http
        self._http = httpx2.Client(timeout=httpx2.Timeout(http.timeout_seconds, connect=http.connect_timeout_seconds))

    def __call__(self, execution: Execution, stage: StageExecution) -> Services:
        """Give the services for a stage."""
        headers = {
            "X-SPINNAKER-EXECUTION-ID": execution.id,
            "X-SPINNAKER-EXECUTION-TYPE": execution.type,
            "X-SPINNAKER-APPLICATION": execution.application,
        }
        clients: dict[str, Calls] = {name: CallsOfStage(client, headers) for name, client in self._clients.items()}
        return Services(**clients, http=self._http, settings=self._settings)


class CallsOfStage:
    """A client whose calls name their execution."""

    def __init__(self, client: SyncServiceClient, headers: Mapping[str, str]) -> None:
        self._client = client
        self._headers = headers

    def _with(self, options: dict[str, Any]) -> dict[str, Any]:
        return options | {"headers": {**self._headers, **(options.get("headers") or {})}}

    def get(self, path: str, *, params: Any = None, raw: bool = False, **options: Any) -> Any:
        """GET."""
        return self._client.get(path, params=params, raw=raw, **self._with(options))

    def post(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """POST."""
        return self._client.post(path, json=json, raw=raw, **self._with(options))

    def put(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PUT."""
        return self._client.put(path, json=json, raw=raw, **self._with(options))

    def patch(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PATCH."""
        return self._client.patch(path, json=json, raw=raw, **self._with(options))

    def delete(self, path: str, *, raw: bool = False, **options: Any) -> Any:
        """DELETE."""
        return self._client.delete(path, raw=raw, **self._with(options))
