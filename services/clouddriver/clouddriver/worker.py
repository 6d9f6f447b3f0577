"""The worker: does operations when a bell names one."""

from functools import cached_property

from celery import Celery
from kork.database import Database

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.operations.bells import OPERATE
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings


class _Worker:
    """Connects when first used: in the process (after a fork) that does the work."""

    def __init__(self, settings: ClouddriverSettings) -> None:
        self._settings = settings

    @cached_property
    def runner(self) -> OperationRunner:
        """Give what does the operations."""
        database = Database(self._settings.database, schema="clouddriver")
        return OperationRunner(database, Accounts(self._settings.kubernetes), self._settings.kubernetes)


def register(app: Celery, settings: ClouddriverSettings) -> None:
    """Declare `clouddriver.operate(operation_id)` on a Celery application."""
    worker = _Worker(settings)

    def operate(operation_id: str) -> None:
        worker.runner.run(operation_id)

    app.task(name=OPERATE)(operate)
