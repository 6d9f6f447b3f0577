"""Finds out who is to be told of an execution event: an application's own receivers are in front50."""

import asyncio
from urllib.parse import quote

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.documents import Document, object_in
from kork.errors import UpstreamError
from kork.http import ServiceClient
from kork.telemetry import log

from echo.bells import Bell
from echo.notifications.catalogue import SenderCatalogue
from echo.notifications.message import message_of
from echo.notifications.rules import occasions_of, receivers
from echo.notifications.store import NewDelivery, Notice, NotificationStore
from echo.settings import EchoSettings
from echo.work import Work, backoff_ms

_log = log("echo.notifications")
_LIMIT = 8
_LEASE_MS = 30_000
_LONGEST_BACKOFF_SECONDS = 30.0
# After so many attempts (some ten minutes) the execution's own receivers are told, without the application's.
_PATIENCE = 25
_KEPT_MS = 5_000
_MOST_KEPT = 1_000


class Announcer:
    """Turns notices into deliveries. Any number of processes may run it."""

    def __init__(
        self,
        database: Database,
        front50: ServiceClient,
        settings: EchoSettings,
        senders: SenderCatalogue,
        bell: Bell,
    ) -> None:
        self._database = database
        self._front50 = front50
        self._settings = settings
        self._senders = senders
        self._known: dict[str, tuple[EpochMillis, Document]] = {}
        self._work = Work[Notice](
            "notices", bell, limit=_LIMIT, claim=self._claim, next_due=self._next_due, do=self._announce
        )

    async def run(self) -> None:
        """Announce until cancelled."""
        await self._work.run()

    async def _announce(self, notice: Notice) -> None:
        try:
            application = await self._application_document(notice)
        except UpstreamError as error:
            if notice.attempts < _PATIENCE:
                _log.warning("notice.delayed", event_id=notice.event_id, error=error.message)
                await asyncio.to_thread(self._delay, notice)
                return
            application = {}
        deliveries = deliveries_of(notice, application, self._senders, self._settings.notifications.base_url)
        await asyncio.to_thread(self._resolve, notice, deliveries)

    async def _application_document(self, notice: Notice) -> Document:
        name = notice.payload.get("application")
        if notice.type.startswith("orca:stage:") or not isinstance(name, str) or not name:
            return {}
        read_at, document = self._known.get(name, (0, {}))
        if now_ms() - read_at < _KEPT_MS:
            return document
        document = object_in(await self._front50.get(f"/notifications/application/{quote(name, safe='')}"))
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[name] = (now_ms(), document)
        return document

    def _claim(self, limit: int) -> list[Notice]:
        with self._database.begin() as connection:
            return NotificationStore(connection).claim_notices(limit, now_ms(), _LEASE_MS)

    def _next_due(self) -> EpochMillis | None:
        with self._database.connect() as connection:
            return NotificationStore(connection).next_notice()

    def _delay(self, notice: Notice) -> None:
        with self._database.begin() as connection:
            until = now_ms() + backoff_ms(notice.attempts, _LONGEST_BACKOFF_SECONDS)
            NotificationStore(connection).delay_notice(notice.event_id, until)

    def _resolve(self, notice: Notice, deliveries: list[NewDelivery]) -> None:
        with self._database.begin() as connection:
            NotificationStore(connection).resolve(notice, deliveries)


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
