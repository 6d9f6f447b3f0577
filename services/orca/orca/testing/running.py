"""A whole orca in this process: the API over HTTP, a Celery worker on threads, the clock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from kork.celery import make_celery
from kork.testing.serving import serving
from kork.testing.waiting import watch

from orca.app import create_app
from orca.bell import ADVANCE, RUN, CeleryBell
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.worker import Worker

_ENDED = {"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "FAILED_CONTINUE", "SKIPPED"}


@dataclass
class Orca:
    """A running orca and a client of its API."""

    settings: OrcaSettings
    url: str
    client: httpx2.Client

    def post(self, path: str, body: Any, status: int = 200, **options: Any) -> Any:
        """POST and give the answer's JSON; the status has to be the expected one."""
        answer = self.client.post(path, json=body, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        """GET and give the answer's JSON; the status has to be the expected one."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def start(self, *stages: dict[str, Any], **more: Any) -> str:
        """Start a pipeline of these stages; gives its id."""
        body = {"application": "shop", "name": "p", "stages": list(stages), "trigger": {"type": "manual"}} | more
        return self.post("/orchestrate", body)["ref"].rsplit("/", 1)[-1]

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Read a pipeline's execution."""
        return self.get(f"/pipelines/{execution_id}")

    def wait(
        self, execution_id: str, condition: Callable[[dict[str, Any]], object], timeout: float = 60
    ) -> dict[str, Any]:
        """Wait until the execution is as wanted."""
        return watch(lambda: self.execution(execution_id), condition, timeout)

    def wait_end(self, execution_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until the execution has ended."""
        return self.wait(execution_id, lambda seen: seen["status"] in _ENDED, timeout)

    def wait_task(self, ref: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until an orchestration has ended."""
        return watch(lambda: self.get(ref), lambda seen: seen["status"] in _ENDED, timeout)


@contextmanager
def working(settings: OrcaSettings, catalogue: StageCatalogue | None = None) -> Iterator[None]:
    """Run a Celery worker on a thread of this process.

    One at a time: Celery's flag to stop is the process', so the end of one worker ends all.
    """
    from celery.contrib.testing.worker import start_worker

    app: Any = make_celery(settings)
    worker = Worker(settings, CeleryBell(settings.redis.url), catalogue)
    app.task(name=ADVANCE, shared=False)(worker.advance)
    app.task(name=RUN, shared=False)(worker.run)
    queues = ["orca", "orca.tasks"]
    options: dict[str, Any] = {"pool": "threads", "concurrency": 4, "queues": queues, "loglevel": "error"}
    started: Any = start_worker(app, perform_ping_check=False, **options)
    with started:
        yield


@contextmanager
def running_orca(
    settings: OrcaSettings, *, worker: bool = True, catalogue: StageCatalogue | None = None
) -> Iterator[Orca]:
    """Run an orca with these settings."""
    with ExitStack() as stack:
        stack.enter_context(serving(create_app(settings), settings.services.orca.port))
        if worker:
            stack.enter_context(working(settings, catalogue))
        url = settings.services.orca.url()
        client = stack.enter_context(httpx2.Client(base_url=url, headers={"X-SPINNAKER-USER": "alice"}, timeout=30))
        yield Orca(settings, url, client)
