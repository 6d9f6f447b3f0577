"""Forgets what has been done long ago."""

import asyncio

from kork.clock import now_ms
from kork.database import Database
from kork.telemetry import log
from sqlalchemy.exc import SQLAlchemyError

from echo.events.store import EventStore
from echo.notifications.store import NotificationStore
from echo.settings import RetentionSettings
from echo.starts.store import StartStore

_log = log("echo.retention")
_EVERY_SECONDS = 3600.0
_HOUR_MS = 3_600_000


async def forget_old(database: Database, settings: RetentionSettings) -> None:
    """Prune events, starts and deliveries once an hour, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(_prune, database, now_ms() - settings.hours * _HOUR_MS)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("retention.delayed", error=str(error).splitlines()[0])
        await asyncio.sleep(_EVERY_SECONDS)


def _prune(database: Database, before: int) -> None:
    with database.begin() as connection:
        EventStore(connection).prune(before)
        StartStore(connection).prune(before)
        NotificationStore(connection).prune(before)
