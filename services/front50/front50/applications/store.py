"""Where applications are kept."""

from typing import Any

from kork.bus import Outbox
from kork.clock import now_ms
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from front50 import history
from front50.documents import Stored

_COLUMNS = "body, version, created_at, updated_at, updated_by"


class ApplicationStore:
    """Applications within one transaction. Names are compared without regard to case."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: str) -> Stored | None:
        """Give the application `name`, or None."""
        row = self._row(name)
        return Stored(*row[:5]) if row and not row.deleted else None

    def lock(self, name: str) -> Stored | None:
        """Give the application `name` and hold off other writers until the transaction ends."""
        self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 0))"), {"k": f"application:{_key(name)}"}
        )
        return self.find(name)

    def all(self) -> list[Stored]:
        """List all applications."""
        rows = self._connection.execute(text(f"SELECT {_COLUMNS} FROM application WHERE NOT deleted ORDER BY id"))
        return [Stored(*row) for row in rows]

    def save(self, name: str, body: Document, user: str) -> Stored:
        """Write a version of the application and tell of it. Call `lock` first."""
        last = self._row(name)
        moment = history.next_moment(now_ms(), last.updated_at if last else None)
        stored = Stored(
            body=body,
            version=last.version + 1 if last else 1,
            created_at=last.created_at if last and not last.deleted else moment,
            updated_at=moment,
            updated_by=user,
        )
        self._connection.execute(
            text(
                "INSERT INTO application (id, body, version, created_at, updated_at, updated_by)"
                " VALUES (:id, CAST(:body AS json), :version, :created, :updated, :by)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body, version = excluded.version,"
                " created_at = excluded.created_at, updated_at = excluded.updated_at,"
                " updated_by = excluded.updated_by, deleted = false"
            ),
            {
                "id": _key(name),
                "body": write_json(body).decode(),
                "version": stored.version,
                "created": stored.created_at,
                "updated": stored.updated_at,
                "by": user,
            },
        )
        history.record(self._connection, "application", _key(name), stored)
        self._publish("application.saved", name)
        return stored

    def delete(self, name: str, user: str) -> bool:
        """Mark the application deleted and tell of it; its history stays. Say whether there was one."""
        gone = self._connection.execute(
            text(
                "UPDATE application SET deleted = true, updated_by = :by,"
                " updated_at = GREATEST(:now, updated_at + 1)"
                " WHERE id = :id AND NOT deleted"
            ),
            {"id": _key(name), "by": user, "now": now_ms()},
        ).rowcount
        if gone:
            self._publish("application.deleted", name)
        return bool(gone)

    def _row(self, name: str) -> Any:
        return self._connection.execute(
            text(f"SELECT {_COLUMNS}, deleted FROM application WHERE id = :id"), {"id": _key(name)}
        ).one_or_none()

    def _publish(self, type: str, name: str) -> None:
        key = _key(name)
        payload = {"id": key, "application": key, "name": name}
        Outbox.publish(self._connection, "front50.changes", type, payload, key=key)


def _key(name: str) -> str:
    return name.strip().lower()
