"""Where operations are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from kork.clock import EpochMillis, now_ms
from kork.database import Database, notify
from kork.ids import new_ulid
from kork.trail import Trail, current_trail
from sqlalchemy import Connection, text

OPERATIONS_CHANNEL = "clouddriver_operations"
LEASE_SECONDS = 4.0
FIRST_BELL_SECONDS = 2.0
_KEEP_MS = 4 * 24 * 3600 * 1000

Step = dict[str, dict[str, Any]]


class LeaseLost(Exception):
    """Another worker has taken the operation over; stop at once."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on an operation, until the lease runs out. `trail` leads to the request that began it."""

    operation_id: str
    attempt: int
    steps: list[Step]
    trail: Trail


@dataclass(frozen=True, slots=True)
class StepState:
    """How far a step is, what was decided for it, what it gave."""

    decision: Any = None
    done: bool = False
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation, as it is shown."""

    id: str
    request_id: str
    state: str
    owner: str | None
    started_at: EpochMillis
    history: list[dict[str, str]]
    results: list[Any]


class OperationStore:
    """Operations, each call in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, request_id: str, provider: str, steps: list[Step], user: str) -> tuple[str, bool]:
        """Add an operation with the current trail, or find the one with that `request_id`.

        Gives its id, and whether it is new.
        """
        trail = current_trail().document()
        with self._database.begin() as connection:
            created = connection.execute(
                text(
                    "INSERT INTO operation (id, request_id, provider, body, requested_by, trail, started_at, due_at)"
                    " VALUES (:id, :request, :provider, CAST(:body AS json), :user, CAST(:trail AS json), :now,"
                    " clock_timestamp() + make_interval(secs => :bell))"
                    " ON CONFLICT (request_id) DO NOTHING RETURNING id"
                ),
                {
                    "id": new_ulid(),
                    "request": request_id,
                    "provider": provider,
                    "body": orjson.dumps(steps).decode(),
                    "user": user,
                    "trail": orjson.dumps(trail).decode() if trail else None,
                    "now": now_ms(),
                    "bell": FIRST_BELL_SECONDS,
                },
            ).scalar()
            if created:
                _add_progress(connection, created, "ORCHESTRATION", "Initializing Orchestration Task")
                notify(connection, OPERATIONS_CHANNEL)
                return created, True
            known = connection.execute(
                text("SELECT id FROM operation WHERE request_id = :request"), {"request": request_id}
            ).scalar_one()
            return known, False

    def claim(self, operation_id: str, owner: str) -> Claim | None:
        """Take an operation that nobody works on; None when there is nothing to do."""
        with self._database.begin() as connection:
            row = connection.execute(
                text(
                    "UPDATE operation SET owner = :owner, attempt = attempt + 1,"
                    " leased_until = clock_timestamp() + make_interval(secs => :lease),"
                    " due_at = clock_timestamp() + make_interval(secs => :lease)"
                    " WHERE id = :id AND state = 'STARTED'"
                    " AND (leased_until IS NULL OR leased_until < clock_timestamp())"
                    " RETURNING attempt, body::text AS body, trail"
                ),
                {"id": operation_id, "owner": owner, "lease": LEASE_SECONDS},
            ).one_or_none()
        if row is None:
            return None
        return Claim(operation_id, row.attempt, orjson.loads(row.body), Trail.of_document(row.trail))

    def renew(self, claim: Claim) -> None:
        """Prolong the lease. Raises `LeaseLost`."""
        with self._database.begin() as connection:
            renewed = connection.execute(
                text(
                    "UPDATE operation SET leased_until = clock_timestamp() + make_interval(secs => :lease),"
                    " due_at = clock_timestamp() + make_interval(secs => :lease)"
                    " WHERE id = :id AND attempt = :attempt AND state = 'STARTED'"
                ),
                {"id": claim.operation_id, "attempt": claim.attempt, "lease": LEASE_SECONDS},
            ).rowcount
        if not renewed:
            raise LeaseLost(claim.operation_id)

    def progress(self, claim: Claim, phase: str, status: str) -> None:
        """Add a line to the history. Raises `LeaseLost`."""
        with self._database.begin() as connection:
            _hold(connection, claim)
            _add_progress(connection, claim.operation_id, phase, status)

    def step(self, claim: Claim, position: int) -> StepState:
        """Say how far a step is."""
        with self._database.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT decision::text AS decision, done, result::text AS result FROM operation_step"
                    " WHERE operation_id = :id AND position = :position"
                ),
                {"id": claim.operation_id, "position": position},
            ).one_or_none()
        if row is None:
            return StepState()
        return StepState(_parsed(row.decision), row.done, _parsed(row.result))

    def decide(self, claim: Claim, position: int, decision: Any) -> None:
        """Keep what was decided for a step, before anything of it is done. Raises `LeaseLost`."""
        with self._database.begin() as connection:
            _hold(connection, claim)
            connection.execute(
                text(
                    "INSERT INTO operation_step (operation_id, position, decision)"
                    " VALUES (:id, :position, CAST(:decision AS json))"
                ),
                {"id": claim.operation_id, "position": position, "decision": orjson.dumps(decision).decode()},
            )

    def finish_step(self, claim: Claim, position: int, result: Mapping[str, Any] | None) -> None:
        """Keep the result of a step that is done. Raises `LeaseLost`."""
        with self._database.begin() as connection:
            _hold(connection, claim)
            connection.execute(
                text(
                    "INSERT INTO operation_step (operation_id, position, done, result)"
                    " VALUES (:id, :position, true, CAST(:result AS json))"
                    " ON CONFLICT (operation_id, position) DO UPDATE SET done = true, result = excluded.result"
                ),
                {"id": claim.operation_id, "position": position, "result": orjson.dumps(result).decode()},
            )

    def end(self, claim: Claim, *, failed: bool, results: list[Any], status: str) -> None:
        """End an operation. What it was asked for and what it decided is forgotten. Raises `LeaseLost`."""
        with self._database.begin() as connection:
            _hold(connection, claim)
            _add_progress(connection, claim.operation_id, "ORCHESTRATION", status)
            connection.execute(
                text(
                    "UPDATE operation SET state = :state, results = CAST(:results AS json), ended_at = :now,"
                    " body = NULL, leased_until = NULL, due_at = NULL WHERE id = :id"
                ),
                {
                    "id": claim.operation_id,
                    "state": "FAILED" if failed else "COMPLETED",
                    "results": orjson.dumps(results).decode(),
                    "now": now_ms(),
                },
            )
            for table in ("operation_step", "promised_version"):
                connection.execute(text(f"DELETE FROM {table} WHERE operation_id = :id"), {"id": claim.operation_id})

    def find(self, operation_id: str) -> Operation | None:
        """Give an operation with its history."""
        with self._database.connect() as connection:
            found = _operations(connection, "operation.id = :id", {"id": operation_id})
        return found[0] if found else None

    def running(self) -> list[Operation]:
        """List the operations that have not ended, the oldest first."""
        with self._database.connect() as connection:
            return _operations(connection, "state = 'STARTED'", {})

    def due(self) -> tuple[list[str], float | None]:
        """Take the operations whose bell is to be rung now, and say in how many seconds the next one is due."""
        with self._database.begin() as connection:
            rung = connection.execute(
                text(
                    "UPDATE operation SET due_at = clock_timestamp() + make_interval(secs => :again)"
                    " WHERE id IN (SELECT id FROM operation WHERE state = 'STARTED' AND due_at <= clock_timestamp()"
                    " ORDER BY due_at LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id"
                ),
                {"again": FIRST_BELL_SECONDS},
            )
            ids = [row.id for row in rung]
            next_in = connection.execute(
                text(
                    "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM operation"
                    " WHERE state = 'STARTED'"
                )
            ).scalar()
        return ids, None if next_in is None else max(0.0, next_in)

    def prune(self) -> None:
        """Forget operations that ended more than four days ago."""
        with self._database.begin() as connection:
            connection.execute(
                text("DELETE FROM operation WHERE state <> 'STARTED' AND ended_at < :old"), {"old": now_ms() - _KEEP_MS}
            )


def _hold(connection: Connection, claim: Claim) -> None:
    held = connection.execute(
        text("SELECT FROM operation WHERE id = :id AND attempt = :attempt AND state = 'STARTED' FOR UPDATE"),
        {"id": claim.operation_id, "attempt": claim.attempt},
    ).one_or_none()
    if held is None:
        raise LeaseLost(claim.operation_id)


def _add_progress(connection: Connection, operation_id: str, phase: str, status: str) -> None:
    connection.execute(
        text("INSERT INTO operation_progress (operation_id, phase, status, at) VALUES (:id, :phase, :status, :now)"),
        {"id": operation_id, "phase": phase, "status": status.replace("\0", "")[:8000], "now": now_ms()},
    )


def _operations(connection: Connection, where: str, values: dict[str, Any]) -> list[Operation]:
    rows = connection.execute(
        text(
            "SELECT operation.id, request_id, state, owner, started_at, results::text AS results,"
            " coalesce(json_agg(json_build_object('phase', line.phase, 'status', line.status) ORDER BY line.seq)"
            " FILTER (WHERE line.seq IS NOT NULL), '[]')::text AS history"
            " FROM operation LEFT JOIN operation_progress AS line ON line.operation_id = operation.id"
            f" WHERE {where} GROUP BY operation.id ORDER BY operation.id"
        ),
        values,
    )
    return [
        Operation(
            row.id,
            row.request_id,
            row.state,
            row.owner,
            row.started_at,
            cast(list[dict[str, str]], orjson.loads(row.history)),
            cast(list[Any], orjson.loads(row.results)),
        )
        for row in rows
    ]


def _parsed(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)
