"""Where starts are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kork.clock import EpochMillis, now_ms
from kork.database import notify
from kork.documents import Document, write_json
from kork.identity import Identity
from kork.trail import Trail, current_trail
from sqlalchemy import Connection, text

from echo.bells import STARTS
from echo.starts.body import Start


@dataclass(frozen=True, slots=True)
class Claimed:
    """A start that this process is trying: the `attempts`-th time, after `failures` of orca's own.

    `refusal` is orca's final no, when all that is left is to make it visible. `trail` is that of the request that
    caused it.
    """

    execution_id: str
    body: Document
    run_as: Identity
    attempts: int
    failures: int
    refusal: str | None
    trail: Trail


class StartStore:
    """Starts within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, starts: Iterable[Start]) -> None:
        """Keep starts, due at once, with the current trail. One whose execution's id is known is the same start."""
        trail = current_trail().document()
        rows = [
            {
                "id": start.execution_id,
                "event": start.event_id,
                "pipeline": start.pipeline_id,
                "application": str(start.body.get("application", "")),
                "name": str(start.body.get("name", "")),
                "type": str(start.trigger.get("type", "")),
                "run_as": write_json(
                    {
                        "user": start.run_as.user,
                        "accounts": start.run_as.accounts,
                        "roles": start.run_as.roles,
                        "admin": start.run_as.admin,
                    }
                ).decode(),
                "body": write_json(start.body).decode(),
                "trail": write_json(trail).decode() if trail else None,
                "at": start.created_at,
                "now": now_ms(),
            }
            for start in starts
        ]
        if not rows:
            return
        self._connection.execute(
            text(
                "INSERT INTO start (execution_id, event_id, pipeline_id, application, name, trigger_type, run_as,"
                " body, trail, due_at, created_at) VALUES (:id, :event, :pipeline, :application, :name, :type,"
                " CAST(:run_as AS json), CAST(:body AS json), CAST(:trail AS json), :now, :at)"
                " ON CONFLICT (execution_id) DO NOTHING"
            ),
            rows,
        )
        notify(self._connection, STARTS)

    def claim(self, limit: int, now: EpochMillis, lease_ms: int) -> list[Claimed]:
        """Take starts that are due, the oldest first; nobody else takes them until the lease is over."""
        rows = self._connection.execute(
            text(
                "UPDATE start SET attempts = attempts + 1, due_at = :until WHERE execution_id IN"
                " (SELECT execution_id FROM start WHERE state = 'waiting' AND due_at <= :now"
                " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
                " RETURNING execution_id, body, run_as, attempts, failures, refusal, trail"
            ),
            {"now": now, "until": now + lease_ms, "limit": limit},
        )
        return [
            Claimed(
                row.execution_id,
                row.body,
                _identity(row.run_as),
                row.attempts,
                row.failures,
                row.refusal,
                Trail.of_document(row.trail),
            )
            for row in rows
        ]

    def next_due(self) -> EpochMillis | None:
        """Say when the next start is due (ms), or None."""
        return self._connection.execute(text("SELECT min(due_at) FROM start WHERE state = 'waiting'")).scalar()

    def waiting(self) -> int:
        """Count the starts that wait."""
        return self._connection.execute(text("SELECT count(*) FROM start WHERE state = 'waiting'")).scalar() or 0

    def finish(self, execution_id: str, state: str, error: str | None) -> None:
        """Note that a start is done: `started` or `refused`."""
        self._connection.execute(
            text(
                "UPDATE start SET state = :state, error = :error, finished_at = :now, body = NULL"
                " WHERE execution_id = :id"
            ),
            {"id": execution_id, "state": state, "error": error, "now": now_ms()},
        )

    def try_later(
        self, execution_id: str, at: EpochMillis, error: str, *, failures: int = 0, refusal: str | None = None
    ) -> None:
        """Note that a start is to be tried again at `at`, and why."""
        self._connection.execute(
            text(
                "UPDATE start SET due_at = :at, error = :error, failures = :failures, refusal = :refusal"
                " WHERE execution_id = :id AND state = 'waiting'"
            ),
            {"id": execution_id, "at": at, "error": error, "failures": failures, "refusal": refusal},
        )

    def find(self, execution_id: str) -> Document | None:
        """Give what is known of a start, without its body, or None."""
        found = self._list("execution_id = :id", {"id": execution_id}, 1)
        return found[0] if found else None

    def of_event(self, event_id: str) -> list[Document]:
        """List the starts that followed from an event."""
        return self._list("event_id = :id", {"id": event_id}, 10_000)

    def latest(self, state: str | None, limit: int) -> list[Document]:
        """List starts, the newest first; those of one state when `state` is given."""
        return self._list("CAST(:state AS text) IS NULL OR state = :state", {"state": state}, limit)

    def prune(self, before: EpochMillis) -> None:
        """Forget starts that were done before `before` (ms)."""
        self._connection.execute(
            text("DELETE FROM start WHERE created_at < :before AND finished_at < :before"), {"before": before}
        )

    def _list(self, condition: str, values: dict[str, Any], limit: int) -> list[Document]:
        rows = self._connection.execute(
            text(
                "SELECT execution_id, event_id, pipeline_id, application, name, trigger_type, state, attempts, error,"
                f" created_at, finished_at FROM start WHERE {condition} ORDER BY created_at DESC, execution_id DESC"
                " LIMIT :limit"
            ),
            {**values, "limit": limit},
        )
        return [
            {
                "executionId": row.execution_id,
                "eventId": row.event_id,
                "pipelineId": row.pipeline_id,
                "application": row.application,
                "name": row.name,
                "triggerType": row.trigger_type,
                "state": row.state,
                "attempts": row.attempts,
                "error": row.error,
                "createdAt": row.created_at,
                "finishedAt": row.finished_at,
            }
            for row in rows
        ]


def _identity(said: Document) -> Identity:
    return Identity(said["user"], tuple(said["accounts"]), tuple(said["roles"]), said["admin"])
