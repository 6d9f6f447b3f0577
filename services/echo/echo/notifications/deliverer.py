"""Sends notifications, each until it has arrived or there is no hope."""

import asyncio

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.http import ServiceClient
from kork.telemetry import counter, log

from echo.bells import Bell
from echo.notifications.catalogue import SenderCatalogue
from echo.notifications.definition import Delivery, SendFailed
from echo.notifications.store import NotificationStore
from echo.settings import EchoSettings
from echo.work import Work, backoff_ms

_log = log("echo.notifications")
_sent = counter("echo_notifications_total", "Attempts to send a notification", "type", "result")
_LIMIT = 16
_LEASE_EXTRA_SECONDS = 5.0


class Deliverer:
    """Sends what is due. Any number of processes may run it; a delivery arrives at least once."""

    def __init__(
        self, database: Database, http: ServiceClient, settings: EchoSettings, senders: SenderCatalogue, bell: Bell
    ) -> None:
        self._database = database
        self._http = http
        self._settings = settings
        self._senders = senders
        self._work = Work[Delivery](
            "deliveries", bell, limit=_LIMIT, claim=self._claim, next_due=self._next_due, do=self._deliver
        )

    async def run(self) -> None:
        """Send until cancelled."""
        await self._work.run()

    async def _deliver(self, delivery: Delivery) -> None:
        rules = self._settings.notifications
        sender = self._senders.find(delivery.sender)
        try:
            if sender is None:
                raise SendFailed(f"there is no sender for '{delivery.sender}' any more", final=True)
            async with asyncio.timeout(rules.timeout_seconds):
                await sender.send(delivery, self._http, self._settings)
        except (SendFailed, TimeoutError) as error:
            reason = error.reason if isinstance(error, SendFailed) else "it did not answer in time"
            final = (isinstance(error, SendFailed) and error.final) or delivery.attempts >= rules.max_attempts
            _sent.labels(delivery.sender, "given_up" if final else "failed").inc()
            _log.warning("notification.failed", id=delivery.id, address=delivery.address, error=reason, final=final)
            if final:
                await asyncio.to_thread(self._finish, delivery, "given_up", reason)
            else:
                await asyncio.to_thread(self._later, delivery, reason)
            return
        _sent.labels(delivery.sender, "sent").inc()
        await asyncio.to_thread(self._finish, delivery, "sent", None)

    def _claim(self, limit: int) -> list[Delivery]:
        lease = int((self._settings.notifications.timeout_seconds + _LEASE_EXTRA_SECONDS) * 1000)
        with self._database.begin() as connection:
            return NotificationStore(connection).claim(limit, now_ms(), lease)

    def _next_due(self) -> EpochMillis | None:
        with self._database.connect() as connection:
            return NotificationStore(connection).next_due()

    def _finish(self, delivery: Delivery, state: str, error: str | None) -> None:
        with self._database.begin() as connection:
            NotificationStore(connection).finish(delivery.id, state, error)

    def _later(self, delivery: Delivery, reason: str) -> None:
        due = now_ms() + backoff_ms(delivery.attempts, self._settings.notifications.max_backoff_seconds)
        with self._database.begin() as connection:
            NotificationStore(connection).try_later(delivery.id, due, reason)
