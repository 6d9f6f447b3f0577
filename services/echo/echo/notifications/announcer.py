"""Finds out who is to be told of an execution event: an application's own receivers are in front50."""

import asyncio

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.documents import Document
from kork.telemetry import log

from echo.bells import Bell
from echo.notifications.applications import ApplicationReceivers
from echo.notifications.catalogue import SenderCatalogue
from echo.notifications.message import message_of
from echo.notifications.rules import occasions_of, receivers
from echo.notifications.store import NewDelivery, Notice, NotificationStore
from echo.settings import EchoSettings
from echo.work import Work, backoff_ms

_log = log("echo.notifications")
_BATCH = 100
_LEASE_MS = 30_000
_LONGEST_BACKOFF_SECONDS = 30.0
# After so many attempts (some ten minutes) the execution's own receivers are told, without the application's.
_PATIENCE = 25


class Announcer:
    """Turns notices into deliveries. Any number of processes may run it."""

    def __init__(
        self,
        database: Database,
        applications: ApplicationReceivers,
        settings: EchoSettings,
        senders: SenderCatalogue,
        bell: Bell,
    ) -> None:
        self._database = database
        self._applications = applications
        self._settings = settings
        self._senders = senders
        self._work = Work[list[Notice]](
            "notices", bell, limit=1, claim=self._claim, next_due=self._next_due, do=self._announce_all
        )

    async def run(self) -> None:
        """Announce until cancelled."""
        await self._work.run()

    async def _announce_all(self, notices: list[Notice]) -> None:
        names = {name for notice in notices if (name := _application_of(notice))}
        documents = dict(zip(names, await asyncio.gather(*map(self._applications.find, names)), strict=True))
        resolved: list[Notice] = []
        deliveries: list[NewDelivery] = []
        base_url = self._settings.notifications.base_url
        for notice in notices:
            name = _application_of(notice)
            document = documents[name] if name else {}
            if document is None and notice.attempts < _PATIENCE:
                await asyncio.to_thread(self._delay, notice)
            else:
                resolved.append(notice)
                deliveries += deliveries_of(notice, document or {}, self._senders, base_url)
        if resolved:
            await asyncio.to_thread(self._resolve, resolved, deliveries)

    def _claim(self, batches: int) -> list[list[Notice]]:
        with self._database.begin() as connection:
            notices = NotificationStore(connection).claim_notices(_BATCH * batches, now_ms(), _LEASE_MS)
        return [notices] if notices else []

    def _next_due(self) -> EpochMillis | None:
        with self._database.connect() as connection:
            return NotificationStore(connection).next_notice()

    def _delay(self, notice: Notice) -> None:
        with self._database.begin() as connection:
            until = now_ms() + backoff_ms(notice.attempts, _LONGEST_BACKOFF_SECONDS)
            NotificationStore(connection).delay_notice(notice.event_id, until)

    def _resolve(self, notices: list[Notice], deliveries: list[NewDelivery]) -> None:
        with self._database.begin() as connection:
            NotificationStore(connection).resolve(notices, deliveries)


def _application_of(notice: Notice) -> str | None:
    """Name the application whose receivers count; those of a stage are its own."""
    name = notice.payload.get("application")
    return name if isinstance(name, str) and name and not notice.type.startswith("orca:stage:") else None


def deliveries_of(notice: Notice, application: Document, senders: SenderCatalogue, base_url: str) -> list[NewDelivery]:
    """Give the deliveries that follow from an event; a type without a sender has none. Pure."""
    found: list[NewDelivery] = []
    for occasion in occasions_of(notice.type, notice.payload):
        for position, notification in enumerate(receivers(occasion, notice.payload, application)):
            sender = senders.find(notification.get("type"))
            address = sender.address_of(notification) if sender else None
            if sender is None or address is None:
                _log.info("notification.skipped", type=notification.get("type"), occasion=occasion.event)
                continue
            message = message_of(occasion, notice.payload, notification, base_url)
            id = f"{notice.event_id}-{occasion.event}-{position}"
            found.append(NewDelivery(id, sender.type, address, message))
    return found
