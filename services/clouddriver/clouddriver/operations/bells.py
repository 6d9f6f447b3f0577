"""Ringing for workers: at once when an operation is asked for, and again when nothing came of it."""

import asyncio
from collections.abc import Callable

from kork.bell import CLOUDDRIVER_QUEUE, Bell
from kork.database import Database
from kork.settings import ServiceSettings
from kork.telemetry import log
from sqlalchemy.exc import SQLAlchemyError

from clouddriver.operations.store import OPERATIONS_CHANNEL, OperationStore

_log = log("clouddriver.operations")
OPERATE = "clouddriver.operate"
_IDLE_SECONDS = 300.0
_SLACK_SECONDS = 0.05
_AFTER_FAILURE_SECONDS = 2.0

Ring = Callable[[str], None]


def celery_bell(settings: ServiceSettings) -> Ring:
    """Make the bell: it sends the operation's id to the workers, and only logs when it can't."""
    bell = Bell(settings.redis.url)

    def ring(operation_id: str) -> None:
        bell.ring(OPERATE, CLOUDDRIVER_QUEUE, [[operation_id]])

    return ring


class BellSweep:
    """Rings for operations that no worker has taken, or whose worker is gone. Any number may run."""

    def __init__(self, database: Database, ring: Ring) -> None:
        self._database = database
        self._store = OperationStore(database)
        self._ring = ring

    async def run(self) -> None:
        """Sweep until cancelled: sleeps until the next operation is due, and wakes when one is added."""
        async with self._database.listen(OPERATIONS_CHANNEL) as inbox:
            while True:
                try:
                    next_in = await asyncio.to_thread(self.sweep)
                except (SQLAlchemyError, OSError) as error:
                    _log.warning("operation.sweep.delayed", error=str(error).splitlines()[0])
                    next_in = _AFTER_FAILURE_SECONDS
                await inbox.next(_IDLE_SECONDS if next_in is None else next_in + _SLACK_SECONDS)
                inbox.drain()

    def sweep(self) -> float | None:
        """Ring for what is due; say in how many seconds to look again, or None when nothing is running."""
        due, next_in = self._store.due()
        for operation_id in due:
            self._ring(operation_id)
        if next_in is None:
            self._store.prune()
        return next_in
