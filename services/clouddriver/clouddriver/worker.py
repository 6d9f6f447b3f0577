"""The worker: does operations when a bell names one."""

import threading
from typing import Any

from celery import Celery
from kork.bell import CLOUDDRIVER_QUEUE
from kork.celery import make_celery
from kork.database import Database

from clouddriver.credentials.known import known_accounts
from clouddriver.operations.bells import OPERATE
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings


class _Worker:
    """Connects when first used: in the process (after a fork) that does the work."""

    def __init__(self, settings: ClouddriverSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._runner: OperationRunner | None = None

    def operate(self, operation_id: str) -> None:
        """Do an operation, unless another worker is at it."""
        with self._lock:
            if self._runner is None:
                database = Database(self._settings.database, schema="clouddriver")
                accounts = known_accounts(self._settings, database)
                self._runner = OperationRunner(database, accounts, self._settings.kubernetes)
        self._runner.run(operation_id)


def register(app: Celery, settings: ClouddriverSettings) -> None:
    """Declare `clouddriver.operate(operation_id)` on a Celery application."""
    declare: Any = app.task
    declare(name=OPERATE, shared=False)(_Worker(settings).operate)


def run_worker(settings: ClouddriverSettings, arguments: list[str]) -> None:
    """Serve the queue until SIGTERM (`python -m clouddriver worker`); further arguments are Celery's."""
    app: Any = make_celery(settings)
    register(app, settings)
    threads = ["--pool", "threads", "--concurrency", str(settings.kubernetes.operations_at_once)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    app.worker_main(["worker", "--queues", CLOUDDRIVER_QUEUE, *threads, *quiet, *arguments])
