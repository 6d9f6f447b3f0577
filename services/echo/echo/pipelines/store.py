"""Where pipelines and their triggers are remembered."""

from dataclasses import dataclass
from typing import Any

from kork.clock import EpochMillis, now_ms
from kork.documents import Document, objects_in, write_json
from sqlalchemy import Connection, text

from echo.schedule.store import ScheduleStore
from echo.settings import EchoSettings
from echo.triggers.catalogue import TriggerCatalogue
from echo.triggers.definition import is_enabled


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trigger that an event may match: `position` in the pipeline's list of triggers."""

    pipeline_id: str
    pipeline: Document
    position: int

    @property
    def trigger(self) -> Document:
        """Give the trigger itself."""
        return objects_in(self.pipeline.get("triggers"))[self.position]


class PipelineStore:
    """Pipelines within one transaction. Ids and names are compared ignoring case."""

    def __init__(self, connection: Connection, settings: EchoSettings, catalogue: TriggerCatalogue) -> None:
        self._connection = connection
        self._settings = settings
        self._catalogue = catalogue

    def is_loaded(self) -> bool:
        """Say whether all pipelines were read once, so that no match means that there is none."""
        return self._connection.execute(text("SELECT 1 FROM pipeline_load")).scalar() is not None

    def newest(self) -> EpochMillis | None:
        """Give when the latest remembered change was (ms, front50's clock); None before all were read once."""
        return self._connection.execute(
            text("SELECT COALESCE((SELECT max(updated_at) FROM pipeline), 0) FROM pipeline_load")
        ).scalar()

    def versions(self) -> dict[str, EpochMillis]:
        """Give which version of each pipeline is remembered, by id: when front50 stored it (ms)."""
        rows = self._connection.execute(text("SELECT id, updated_at FROM pipeline WHERE NOT deleted"))
        return {row.id: row.updated_at for row in rows}

    def set_loaded(self) -> None:
        """Note that all pipelines have been read."""
        self._connection.execute(
            text(
                "INSERT INTO pipeline_load (loaded_at) VALUES (:now)"
                " ON CONFLICT (only_row) DO UPDATE SET loaded_at = excluded.loaded_at"
            ),
            {"now": now_ms()},
        )

    def find(self, application: str, name_or_id: str) -> Document | None:
        """Give a pipeline of an application by its name or its id, or None."""
        row = self._connection.execute(
            text(
                "SELECT body FROM pipeline WHERE application = :application AND NOT deleted"
                " AND (name = :key OR id = :key) ORDER BY name = :key DESC LIMIT 1"
            ),
            {"application": _key(application), "key": _key(name_or_id)},
        ).one_or_none()
        return row.body if row else None

    def by_id(self, id: str) -> Document | None:
        """Give a pipeline by its id, or None."""
        row = self._connection.execute(
            text("SELECT body FROM pipeline WHERE id = :id AND NOT deleted"), {"id": _key(id)}
        ).one_or_none()
        return row.body if row else None

    def candidates(self, type: str, key: str | None) -> list[Candidate]:
        """Give the enabled triggers of a type with a key; with None all triggers of the type, enabled or not."""
        condition = "" if key is None else " AND t.enabled AND t.key = :key"
        rows = self._connection.execute(
            text(
                "SELECT p.id, p.body, t.position FROM pipeline_trigger t JOIN pipeline p ON p.id = t.pipeline_id"
                f" WHERE t.type = :type{condition} ORDER BY p.application, p.name, t.position"
            ),
            {"type": type.lower(), "key": key},
        )
        return [Candidate(row.id, row.body, row.position) for row in rows]

    def save(self, pipeline: Document, *, again: bool = False) -> bool:
        """Remember a pipeline as front50 gave it, unless a newer version is remembered; say whether it was taken.

        With `again` the same version is taken once more, so that its triggers are looked at afresh.
        """
        id, saved_at = _key(pipeline["id"]), updated_at(pipeline)
        taken = self._connection.execute(
            text(
                "INSERT INTO pipeline (id, application, name, body, updated_at, written_at)"
                " VALUES (:id, :application, :name, CAST(:body AS json), :updated, :now)"
                " ON CONFLICT (id) DO UPDATE SET application = excluded.application, name = excluded.name,"
                " body = excluded.body, updated_at = excluded.updated_at, written_at = excluded.written_at,"
                " deleted = false"
                " WHERE pipeline.updated_at < excluded.updated_at"
                " OR (:again AND pipeline.updated_at = excluded.updated_at AND NOT pipeline.deleted)"
            ),
            {
                "id": id,
                "application": _key(str(pipeline.get("application", ""))),
                "name": _key(str(pipeline.get("name", ""))),
                "body": write_json(pipeline).decode(),
                "updated": saved_at,
                "now": now_ms(),
                "again": again,
            },
        ).rowcount
        if taken:
            self._write_triggers(id, pipeline)
        return bool(taken)

    def delete(self, id: str, at: EpochMillis) -> None:
        """Forget a pipeline that was deleted at `at`; what is read of an earlier time doesn't bring it back."""
        self._connection.execute(
            text(
                "UPDATE pipeline SET deleted = true, body = '{}', updated_at = GREATEST(updated_at, :at),"
                " written_at = :now WHERE id = :id"
            ),
            {"id": _key(id), "at": at, "now": now_ms()},
        )
        self._write_triggers(_key(id), {})

    def delete_others(self, ids: list[str], before: EpochMillis) -> None:
        """Forget all pipelines but these, as far as they were written before `before` (ms)."""
        rows = self._connection.execute(
            text("SELECT id FROM pipeline WHERE id <> ALL(:ids) AND written_at < :before"),
            {"ids": [_key(id) for id in ids], "before": before},
        ).all()
        for row in rows:
            self._write_triggers(row.id, {})
            self._connection.execute(text("DELETE FROM pipeline WHERE id = :id"), {"id": row.id})

    def note_change(self, id: str, at: EpochMillis) -> None:
        """Note that front50 changed a pipeline, so that it is read again."""
        self._connection.execute(
            text(
                "INSERT INTO pipeline_refresh (id, changed_at) VALUES (:id, :at)"
                " ON CONFLICT (id) DO UPDATE"
                " SET changed_at = GREATEST(pipeline_refresh.changed_at, excluded.changed_at)"
            ),
            {"id": _key(id), "at": at},
        )

    def changes(self) -> dict[str, EpochMillis]:
        """Give the ids of pipelines that have to be read again, and when they changed (ms)."""
        rows = self._connection.execute(text("SELECT id, changed_at FROM pipeline_refresh ORDER BY changed_at"))
        return {row.id: row.changed_at for row in rows}

    def forget_change(self, id: str, at: EpochMillis) -> None:
        """Note that a pipeline has been read again after its change at `at`."""
        self._connection.execute(
            text("DELETE FROM pipeline_refresh WHERE id = :id AND changed_at <= :at"), {"id": id, "at": at}
        )

    def _write_triggers(self, id: str, pipeline: Document) -> None:
        self._connection.execute(text("DELETE FROM pipeline_trigger WHERE pipeline_id = :id"), {"id": id})
        disabled = pipeline.get("disabled") is True
        rows: list[dict[str, Any]] = []
        scheduled: list[Document] = []
        for position, trigger in enumerate(objects_in(pipeline.get("triggers"))):
            type = self._catalogue.find(trigger.get("type"))
            if type is None:
                continue
            fault = type.fault(trigger)
            enabled = not disabled and is_enabled(trigger) and fault is None
            key = "" if fault else type.key(trigger)
            rows.append({"id": id, "position": position, "type": type.type.lower(), "key": key, "enabled": enabled})
            if enabled and type.type == "cron":
                scheduled.append(trigger)
        if rows:
            self._connection.execute(
                text(
                    "INSERT INTO pipeline_trigger (pipeline_id, position, type, key, enabled)"
                    " VALUES (:id, :position, :type, :key, :enabled)"
                ),
                rows,
            )
        ScheduleStore(self._connection).replace(id, scheduled, self._settings.scheduler.cron.timezone)


def _key(text: str) -> str:
    return text.strip().lower()


def updated_at(pipeline: Document) -> EpochMillis:
    """Give when front50 stored a pipeline (ms)."""
    try:
        return int(pipeline.get("updateTs") or 0)
    except (TypeError, ValueError):
        return 0
