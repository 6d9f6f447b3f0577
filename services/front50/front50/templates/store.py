"""Where templates are kept."""

from kork.bus import Outbox
from kork.clock import now_ms
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from front50 import history
from front50.documents import Stored
from front50.templates.rules import TEMPLATED, undecorated

_COLUMNS = "body, version, created_at, updated_at, updated_by"


class TemplateStore:
    """Templates within one transaction. Keys are compared ignoring case."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, key: str) -> Stored | None:
        """Give a version of a template by its key, or None."""
        row = self._connection.execute(
            text(f"SELECT {_COLUMNS} FROM pipeline_template WHERE id = :id AND NOT deleted"), {"id": _normal(key)}
        ).one_or_none()
        return Stored(*row) if row else None

    def all(self) -> list[Stored]:
        """List all versions of all templates, by key."""
        rows = self._connection.execute(text(f"SELECT {_COLUMNS} FROM pipeline_template WHERE NOT deleted ORDER BY id"))
        return [Stored(*row) for row in rows]

    def lock(self, key: str) -> None:
        """Hold off whoever saves, deletes or begins to use this template until the transaction ends."""
        self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
            {"key": f"template:{undecorated(_normal(key))}"},
        )

    def save(self, key: str, body: Document, user: str) -> Stored:
        """Write a version of a template under a key."""
        last = self._connection.execute(
            text("SELECT version, created_at, updated_at FROM pipeline_template WHERE id = :id FOR UPDATE"),
            {"id": _normal(key)},
        ).one_or_none()
        moment = history.next_moment(now_ms(), last.updated_at if last else None)
        stored = Stored(body, last.version + 1 if last else 1, last.created_at if last else moment, moment, user)
        self._connection.execute(
            text(
                "INSERT INTO pipeline_template (id, body, version, created_at, updated_at, updated_by)"
                " VALUES (:id, CAST(:body AS json), :version, :created, :updated, :by)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body, version = excluded.version,"
                " updated_at = excluded.updated_at, updated_by = excluded.updated_by, deleted = false"
            ),
            {
                "id": _normal(key),
                "body": write_json(body).decode(),
                "version": stored.version,
                "created": stored.created_at,
                "updated": moment,
                "by": user,
            },
        )
        history.record(self._connection, "pipeline_template", _normal(key), stored)
        return stored

    def delete(self, key: str, user: str) -> None:
        """Mark a version deleted; its history stays."""
        self._connection.execute(
            text(
                "UPDATE pipeline_template SET deleted = true, updated_by = :by,"
                " updated_at = GREATEST(:now, updated_at + 1) WHERE id = :id AND NOT deleted"
            ),
            {"id": _normal(key), "by": user, "now": now_ms()},
        )

    def announce(self, pipeline: Document) -> None:
        """Tell that what a pipeline stands for has changed with its template."""
        told = {key: pipeline[key] for key in ("id", "application", "name")}
        Outbox.publish(self._connection, "front50.changes", "pipeline.saved", told, key=pipeline["id"])

    def templated_pipelines(self) -> list[Stored]:
        """List the pipelines that use templates."""
        rows = self._connection.execute(
            text(
                f"SELECT {_COLUMNS} FROM pipeline WHERE kind = 'pipeline' AND NOT deleted"
                " AND body ->> 'type' = :type ORDER BY application, name"
            ),
            {"type": TEMPLATED},
        )
        return [Stored(*row) for row in rows]


def _normal(key: str) -> str:
    return key.strip().lower()
