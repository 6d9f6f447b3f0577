"""Where pipelines and strategies are kept."""

from typing import Any, Literal

import orjson
from kork.bus import Outbox
from kork.clock import EpochMillis, now_ms
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from front50 import history
from front50.documents import Stored
from front50.pipelines.rules import pipeline_triggers

PipelineKind = Literal["pipeline", "strategy"]
_COLUMNS = "body, version, created_at, updated_at, updated_by"


class PipelineStore:
    """Pipelines (or strategies) within one transaction. Ids and names are compared ignoring case."""

    def __init__(self, connection: Connection, kind: PipelineKind) -> None:
        self._connection = connection
        self._kind: PipelineKind = kind

    def find(self, id: str) -> Stored | None:
        """Give a pipeline by its id, or None."""
        return self._one("id = :id", id=_key(id))

    def find_by_name(self, application: str, name: str) -> Stored | None:
        """Give a pipeline by its application and name, or None."""
        values = {"application": _key(application), "name": _key(name)}
        return self._one("application = :application AND name = :name", **values)

    def all(self) -> list[Stored]:
        """List all pipelines, by application and name."""
        return self._many("TRUE")

    def updated_since(self, moment: EpochMillis) -> list[Stored]:
        """List the pipelines that were saved at `moment` (ms) or later."""
        return self._many("updated_at >= :moment", moment=moment)

    def of_application(self, application: str) -> list[Stored]:
        """List the pipelines of an application, by name."""
        return self._many("application = :application", application=_key(application))

    def triggered_by(self, id: str, status: str) -> list[Stored]:
        """List the pipelines that an execution of pipeline `id` that ended with `status` starts."""
        wanted = orjson.dumps([{"pipeline": id, "status": status}]).decode()
        return self._many("triggered_by @> CAST(:wanted AS jsonb)", wanted=wanted)

    def lock(self, application: str) -> None:
        """Hold off other writers of this application's pipelines until the transaction ends."""
        self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
            {"key": f"{self._kind}:{_key(application)}"},
        )

    def save(self, body: Document, user: str) -> Stored:
        """Write a version of the pipeline and tell of it. The body has an id, an application and a name."""
        id, application, name = body["id"], body["application"], body["name"]
        last = self._connection.execute(
            text(
                "SELECT version, created_at, updated_at, deleted FROM pipeline"
                " WHERE kind = :kind AND id = :id FOR UPDATE"
            ),
            {"kind": self._kind, "id": _key(id)},
        ).one_or_none()
        moment = history.next_moment(now_ms(), last.updated_at if last else None)
        stored = Stored(
            body=body,
            version=last.version + 1 if last else 1,
            created_at=last.created_at if last else moment,
            updated_at=moment,
            updated_by=user,
        )
        self._connection.execute(
            text(
                "INSERT INTO pipeline (kind, id, application, name, body, triggered_by, version, created_at,"
                " updated_at, updated_by) VALUES (:kind, :id, :application, :name, CAST(:body AS json),"
                " CAST(:triggered_by AS jsonb), :version, :created, :updated, :by)"
                " ON CONFLICT (kind, id) DO UPDATE SET application = excluded.application,"
                " name = excluded.name,"
                " body = excluded.body, triggered_by = excluded.triggered_by, version = excluded.version,"
                " updated_at = excluded.updated_at, updated_by = excluded.updated_by, deleted = false"
            ),
            {
                "kind": self._kind,
                "id": _key(id),
                "application": _key(application),
                "name": _key(name),
                "body": write_json(body).decode(),
                "triggered_by": orjson.dumps(pipeline_triggers(body)).decode(),
                "version": stored.version,
                "created": stored.created_at,
                "updated": moment,
                "by": user,
            },
        )
        history.record(self._connection, self._kind, _key(id), stored)
        self._publish("saved", id, application, name)
        return stored

    def delete(self, id: str, user: str) -> None:
        """Mark a pipeline deleted and tell of it; its history stays, its name is free again."""
        rows = self._connection.execute(
            text(
                "UPDATE pipeline SET deleted = true, updated_by = :by,"
                " updated_at = GREATEST(:now, updated_at + 1)"
                " WHERE kind = :kind AND id = :id AND NOT deleted RETURNING id, application, name"
            ),
            {"kind": self._kind, "id": _key(id), "by": user, "now": now_ms()},
        ).all()
        for row in rows:
            self._publish("deleted", row.id, row.application, row.name)

    def delete_all_of(self, application: str, user: str) -> None:
        """Delete all pipelines of an application."""
        for stored in self.of_application(application):
            self.delete(stored.body["id"], user)

    def _one(self, condition: str, **values: Any) -> Stored | None:
        found = self._many(condition, **values)
        return found[0] if found else None

    def _many(self, condition: str, **values: Any) -> list[Stored]:
        rows = self._connection.execute(
            text(
                f"SELECT {_COLUMNS} FROM pipeline WHERE kind = :kind AND NOT deleted AND {condition}"
                " ORDER BY application, name"
            ),
            {"kind": self._kind, **values},
        )
        return [Stored(*row) for row in rows]

    def _publish(self, what: str, id: str, application: str, name: str) -> None:
        payload = {"id": id, "application": application, "name": name}
        Outbox.publish(self._connection, "front50.changes", f"{self._kind}.{what}", payload, key=id)


def _key(text: str) -> str:
    return text.strip().lower()
