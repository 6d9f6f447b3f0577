"""Where events are recognized, and wait while it can't be known yet what they start."""

from dataclasses import dataclass

from kork.clock import EpochMillis
from kork.documents import Document, write_json
from kork.trail import Trail, current_trail
from sqlalchemy import Connection, text

from echo.events.event import Door, Event


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that has not been matched, with the request that brought it and the trail that leads back to it."""

    id: str
    door: Door
    type: str
    source: str
    raw: bytes
    headers: dict[str, str]
    received_at: EpochMillis
    trail: Trail


class EventStore:
    """Events within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, id: str, event: Event, at: EpochMillis, *, waits: bool) -> str | None:
        """Keep a new event, with its request when it `waits` to be matched.

        Gives the id of the first one when this delivery came before.
        """
        kept = {"raw": event.raw.hex(), "headers": dict(event.headers), "trail": current_trail().document()}
        request = write_json(kept).decode() if waits else None
        added = self._connection.execute(
            text(
                "INSERT INTO event (id, type, source, delivery_id, received_at, door, request, matched_at)"
                " VALUES (:id, :type, :source, :delivery, :at, :door, CAST(:request AS json), :matched)"
                " ON CONFLICT (type, source, delivery_id) WHERE delivery_id IS NOT NULL DO NOTHING"
            ),
            {
                "id": id,
                "type": event.type,
                "source": event.source,
                "delivery": event.delivery_id,
                "at": at,
                "door": event.door,
                "request": request,
                "matched": None if waits else at,
            },
        ).rowcount
        if added:
            return None
        return self._connection.execute(
            text("SELECT id FROM event WHERE type = :type AND source = :source AND delivery_id = :delivery"),
            {"type": event.type, "source": event.source, "delivery": event.delivery_id},
        ).scalar_one()

    def matched(self, id: str, at: EpochMillis) -> None:
        """Note that an event has been matched; its request is forgotten."""
        self._connection.execute(
            text("UPDATE event SET matched_at = :at, request = NULL WHERE id = :id"), {"id": id, "at": at}
        )

    def has_waiting(self) -> bool:
        """Say whether there are events that have not been matched."""
        return self._connection.execute(text("SELECT EXISTS (SELECT FROM event WHERE matched_at IS NULL)")).scalar_one()

    def take_waiting(self, limit: int) -> list[Waiting]:
        """Take events that have not been matched, the oldest first."""
        rows = self._connection.execute(
            text(
                "SELECT id, door, type, source, request, received_at FROM event WHERE matched_at IS NULL"
                " ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED"
            ),
            {"limit": limit},
        )
        return [
            Waiting(
                row.id,
                row.door,
                row.type,
                row.source,
                bytes.fromhex(row.request["raw"]),
                row.request["headers"],
                row.received_at,
                Trail.of_document(row.request.get("trail")),
            )
            for row in rows
        ]

    def find(self, id: str) -> Document | None:
        """Give what is known of an event, or None."""
        row = self._connection.execute(
            text("SELECT id, type, source, received_at, matched_at FROM event WHERE id = :id"), {"id": id}
        ).one_or_none()
        if row is None:
            return None
        return {
            "eventId": row.id,
            "type": row.type,
            "source": row.source,
            "receivedAt": row.received_at,
            "matchedAt": row.matched_at,
        }

    def prune(self, before: EpochMillis) -> None:
        """Forget events that came, and were matched, before `before` (ms)."""
        self._connection.execute(
            text("DELETE FROM event WHERE received_at < :before AND matched_at IS NOT NULL"), {"before": before}
        )
