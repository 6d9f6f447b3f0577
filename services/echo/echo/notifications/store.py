"""Where notices and deliveries are kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from kork.clock import EpochMillis, now_ms
from kork.database import notify
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from echo.bells import DELIVERIES, NOTICES
from echo.notifications.definition import Delivery


@dataclass(frozen=True, slots=True)
class Notice:
    """An execution event whose receivers are to be found out."""

    event_id: str
    type: str
    payload: Document
    attempts: int


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message for an address. The id makes it one: adding it twice adds it once."""

    id: str
    sender: str
    address: str
    message: Document


class NotificationStore:
    """Notices and deliveries within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_notice(self, event_id: str, type: str, payload: Document) -> None:
        """Keep an event, so that its receivers are found out."""
        self._connection.execute(
            text(
                "INSERT INTO notice (event_id, type, payload, due_at, created_at)"
                " VALUES (:id, :type, CAST(:payload AS json), :now, :now) ON CONFLICT DO NOTHING"
            ),
            {"id": event_id, "type": type, "payload": write_json(payload).decode(), "now": now_ms()},
        )
        notify(self._connection, NOTICES)

    def claim_notices(self, limit: int, now: EpochMillis, lease_ms: int) -> list[Notice]:
        """Take notices that are due."""
        rows = self._connection.execute(
            text(
                "UPDATE notice SET attempts = attempts + 1, due_at = :until WHERE event_id IN"
                " (SELECT event_id FROM notice WHERE due_at <= :now ORDER BY due_at LIMIT :limit"
                " FOR UPDATE SKIP LOCKED) RETURNING event_id, type, payload, attempts"
            ),
            {"now": now, "until": now + lease_ms, "limit": limit},
        )
        return [Notice(*row) for row in rows]

    def next_notice(self) -> EpochMillis | None:
        """Say when the next notice is due (ms), or None."""
        return self._connection.execute(text("SELECT min(due_at) FROM notice")).scalar()

    def delay_notice(self, event_id: str, until: EpochMillis) -> None:
        """Note that a notice is to be tried again."""
        self._connection.execute(
            text("UPDATE notice SET due_at = :until WHERE event_id = :id"), {"id": event_id, "until": until}
        )

    def resolve(self, notices: Iterable[Notice], deliveries: Iterable[NewDelivery]) -> None:
        """Put the deliveries of notices in their place."""
        ids = [notice.event_id for notice in notices]
        self._connection.execute(text("DELETE FROM notice WHERE event_id = ANY(:ids)"), {"ids": ids})
        self.add(deliveries)

    def add(self, deliveries: Iterable[NewDelivery]) -> None:
        """Keep deliveries, due at once."""
        rows = [
            {
                "id": each.id,
                "sender": each.sender,
                "address": each.address,
                "message": write_json(each.message).decode(),
                "now": now_ms(),
            }
            for each in deliveries
        ]
        if not rows:
            return
        self._connection.execute(
            text(
                "INSERT INTO delivery (id, sender, address, message, due_at, created_at)"
                " VALUES (:id, :sender, :address, CAST(:message AS json), :now, :now) ON CONFLICT DO NOTHING"
            ),
            rows,
        )
        notify(self._connection, DELIVERIES)

    def claim(self, limit: int, now: EpochMillis, lease_ms: int) -> list[Delivery]:
        """Take deliveries that are due, the oldest first."""
        rows = self._connection.execute(
            text(
                "UPDATE delivery SET attempts = attempts + 1, due_at = :until WHERE id IN"
                " (SELECT id FROM delivery WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at LIMIT :limit"
                " FOR UPDATE SKIP LOCKED) RETURNING id, sender, address, message, attempts"
            ),
            {"now": now, "until": now + lease_ms, "limit": limit},
        )
        return [Delivery(*row) for row in rows]

    def next_due(self) -> EpochMillis | None:
        """Say when the next delivery is due (ms), or None."""
        return self._connection.execute(text("SELECT min(due_at) FROM delivery WHERE state = 'waiting'")).scalar()

    def finish(self, id: str, state: str, error: str | None) -> None:
        """Note that a delivery is done: `sent` or `given_up`."""
        self._connection.execute(
            text(
                "UPDATE delivery SET state = :state, error = :error, finished_at = :now, message = NULL WHERE id = :id"
            ),
            {"id": id, "state": state, "error": error, "now": now_ms()},
        )

    def try_later(self, id: str, at: EpochMillis, error: str) -> None:
        """Note that a delivery is to be tried again, and why."""
        self._connection.execute(
            text("UPDATE delivery SET due_at = :at, error = :error WHERE id = :id AND state = 'waiting'"),
            {"id": id, "at": at, "error": error},
        )

    def latest(self, limit: int) -> list[Document]:
        """List deliveries, the newest first, without their messages."""
        rows = self._connection.execute(
            text(
                "SELECT id, sender, address, state, attempts, error, created_at, finished_at FROM delivery"
                " ORDER BY created_at DESC, id LIMIT :limit"
            ),
            {"limit": limit},
        )
        return [
            {
                "id": row.id,
                "type": row.sender,
                "address": row.address,
                "state": row.state,
                "attempts": row.attempts,
                "error": row.error,
                "createdAt": row.created_at,
                "finishedAt": row.finished_at,
            }
            for row in rows
        ]

    def prune(self, before: EpochMillis) -> None:
        """Forget deliveries that were done before `before` (ms)."""
        self._connection.execute(
            text("DELETE FROM delivery WHERE created_at < :before AND finished_at < :before"), {"before": before}
        )
