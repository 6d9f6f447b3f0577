"""The versions of a document, one for each save."""

from typing import Literal

from kork.clock import EpochMillis
from kork.documents import write_json
from sqlalchemy import Connection, text

from front50.documents import Stored

Kind = Literal["application", "pipeline", "strategy", "pipeline_template"]


def record(connection: Connection, kind: Kind, id: str, stored: Stored) -> None:
    """Keep the version `stored` of a document."""
    connection.execute(
        text(
            "INSERT INTO history (kind, id, version, body, created_at, updated_at, updated_by)"
            " VALUES (:kind, :id, :version, CAST(:body AS json), :created, :updated, :by)"
        ),
        {
            "kind": kind,
            "id": id,
            "version": stored.version,
            "body": write_json(stored.body).decode(),
            "created": stored.created_at,
            "updated": stored.updated_at,
            "by": stored.updated_by,
        },
    )


def versions(connection: Connection, kind: Kind, id: str, limit: int) -> list[Stored]:
    """List the versions of a document, newest first. Those before a deletion are among them."""
    rows = connection.execute(
        text(
            "SELECT body, version, created_at, updated_at, updated_by FROM history"
            " WHERE kind = :kind AND id = :id ORDER BY version DESC LIMIT :limit"
        ),
        {"kind": kind, "id": id, "limit": limit},
    ).all()
    return [Stored(*row) for row in rows]


def next_moment(now: EpochMillis, last: EpochMillis | None) -> EpochMillis:
    """Say when a save happened: now, and later than the last one, as `updateTs` tells versions apart."""
    return now if last is None else max(now, last + 1)
