"""Where notifications of applications, and those for all of them, are kept."""

from kork.clock import now_ms
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

GLOBAL = "__global"


class NotificationStore:
    """Notification documents within one transaction: one per application, and `GLOBAL`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, id: str) -> Document | None:
        """Give a document, or None."""
        row = self._connection.execute(
            text("SELECT body, updated_at, updated_by FROM notification WHERE id = :id"), {"id": id.lower()}
        ).one_or_none()
        return _present(*row) if row else None

    def all(self) -> list[Document]:
        """List all documents."""
        rows = self._connection.execute(text("SELECT body, updated_at, updated_by FROM notification ORDER BY id")).all()
        return [_present(*row) for row in rows]

    def save(self, id: str, body: Document, user: str) -> None:
        """Write a document."""
        self._connection.execute(
            text(
                "INSERT INTO notification (id, body, updated_at, updated_by)"
                " VALUES (:id, CAST(:body AS json), :now, :by)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at,"
                " updated_by = excluded.updated_by"
            ),
            {"id": id.lower(), "body": write_json(body).decode(), "now": now_ms(), "by": user},
        )

    def delete(self, id: str) -> None:
        """Forget a document, if it is there."""
        self._connection.execute(text("DELETE FROM notification WHERE id = :id"), {"id": id.lower()})


def _present(body: Document, updated_at: int, updated_by: str) -> Document:
    return body | {"lastModified": updated_at, "lastModifiedBy": updated_by}
