"""Where executions are kept. All SQL of the engine and of its API is here.

A store works within the caller's transaction. Statements that belong together go to Postgres in one
round trip (psycopg's pipeline).
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from kork.bus import Outbox
from kork.clock import EpochMillis
from kork.trail import Trail, current_trail
from sqlalchemy import Connection

from orca.execution.changes import Event
from orca.execution.encoding import read_json, write_json
from orca.execution.model import Execution, ExecutionType, StageExecution
from orca.execution.rows import (
    EXECUTION_COLUMNS,
    STAGE_COLUMNS,
    Loaded,
    execution_of,
    execution_values,
    stage_of,
    stage_values,
)
from orca.execution.status import Status

STREAM = "orca.executions"
DUE_CHANNEL = "orca_due"
CANCEL_TASK = "cancel"
ASK_TASK = "expressions"
_SOON_MS = 5_000

_RECORD = (
    "id text, position double precision, ref_id text, type text, name text, status text, start_time bigint,"
    " end_time bigint, parent_id text, requisites json, context json, outputs json, tasks json, rest json"
)
_INSERT_STAGES = (
    "INSERT INTO stage (execution_id, id, position, ref_id, type, name, status, start_time, end_time, parent_id,"
    " requisites, context, outputs, tasks, rest)"
    " SELECT %s, n.id, n.position, n.ref_id, n.type, n.name, n.status, n.start_time, n.end_time, n.parent_id,"
    f" n.requisites, n.context, n.outputs, n.tasks, n.rest FROM json_to_recordset(%s::json) AS n({_RECORD})"
)
_UPDATE_STAGES = (
    "UPDATE stage SET status = n.status, start_time = n.start_time, end_time = n.end_time, name = n.name,"
    " requisites = n.requisites, context = COALESCE(n.context, stage.context),"
    " outputs = COALESCE(n.outputs, stage.outputs), tasks = n.tasks, rest = n.rest"
    f" FROM json_to_recordset(%s::json) AS n({_RECORD}) WHERE stage.execution_id = %s AND stage.id = n.id"
)
_INSERT_EXECUTION = (
    "INSERT INTO execution (id, type, application, name, pipeline_config_id, root_id, status, canceled, build_time,"
    " start_time, end_time, trigger, body, trail) VALUES (%(id)s, %(type)s, %(application)s, %(name)s,"
    " %(pipeline_config_id)s, %(root_id)s, %(status)s, %(canceled)s, %(build_time)s, %(start_time)s, %(end_time)s,"
    " %(trigger)s, %(body)s, %(trail)s) ON CONFLICT (id) DO NOTHING"
)
_UPDATE_EXECUTION = (
    "UPDATE execution SET status = %(status)s, canceled = %(canceled)s, start_time = %(start_time)s,"
    " end_time = %(end_time)s, body = %(body)s WHERE id = %(id)s"
)
_SELECT_EXECUTION = f"SELECT {EXECUTION_COLUMNS}, e.trail::text FROM execution e WHERE e.id = %s"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"

_ENDED = [status.value for status in Status if status.is_complete]

IoKey = tuple[str, str, int]


@dataclass(slots=True)
class Locked:
    """A locked execution, the time by Postgres' clock, and its I/O tasks that somebody has or shall take."""

    loaded: Loaded
    now: EpochMillis
    io: set[IoKey]

    @property
    def execution(self) -> Execution:
        """The execution itself."""
        return self.loaded.execution


class ExecutionStore:
    """Executions within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._sqlalchemy = connection
        self._raw = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)

    def together(self) -> AbstractContextManager[Any]:
        """Send the statements of a block in one round trip; what fails in them is raised at its end."""
        return self._raw.pipeline()

    def insert(self, execution: Execution) -> bool:
        """Add an execution with its stages and the current trail; False when there is one of this id already."""
        trail = current_trail().document()
        values = execution_values(execution) | {"trail": write_json(trail).decode() if trail else None}
        cursor = self._raw.execute(_INSERT_EXECUTION, values, prepare=True)
        if not cursor.rowcount:
            return False
        if execution.stages:
            self._insert_stages(execution.id, execution.stages)
        return True

    def lock(self, execution_id: str, *, wait: bool) -> Locked | None:
        """Lock and load an execution; `None` when there is none, or, without `wait`, when another one has it."""
        how = "" if wait else " SKIP LOCKED"
        with self._raw.pipeline():
            head = self._raw.execute(f"{_SELECT_EXECUTION} FOR UPDATE{how}", [execution_id])
            stages = self._stage_cursor(execution_id)
            io = self._raw.execute(
                "SELECT stage_id, task_id, attempt FROM io_task WHERE execution_id = %s", [execution_id]
            )
            clock = self._raw.execute(_NOW)
            row = head.fetchone()
            loaded = _loaded(row, stages.fetchall()) if row else None
            held = {(stage_id, task_id, attempt) for stage_id, task_id, attempt in io.fetchall()}
            now = cast("tuple[int]", clock.fetchone())[0]
        return Locked(loaded, now, held) if loaded else None

    def load(self, execution_id: str) -> Loaded | None:
        """Load an execution for reading."""
        with self._raw.pipeline():
            head = self._raw.execute(_SELECT_EXECUTION, [execution_id])
            stages = self._stage_cursor(execution_id)
            row = head.fetchone()
            return _loaded(row, stages.fetchall()) if row else None

    def save(self, loaded: Loaded, dirty: Iterable[str], removed: Sequence[str], *, head: bool) -> None:
        """Write the stages that changed, and with `head` the execution itself."""
        execution = loaded.execution
        changed = [stage for each in dirty if (stage := execution.stage_by_id(each)) is not None]
        old = [stage_values(stage, loaded.texts[stage.id]) for stage in changed if stage.id in loaded.texts]
        if removed:
            self._raw.execute("DELETE FROM stage WHERE execution_id = %s AND id = ANY(%s)", [execution.id, removed])
        if old:
            self._raw.execute(_UPDATE_STAGES, [write_json(old).decode(), execution.id])
        new = [stage for stage in changed if stage.id not in loaded.texts]
        if new:
            self._insert_stages(execution.id, new)
        if head:
            self._raw.execute(_UPDATE_EXECUTION, execution_values(execution))

    def publish(self, events: Iterable[Event]) -> None:
        """Put events into the outbox."""
        Outbox.publish_all(
            self._sqlalchemy,
            [(STREAM, event.type, event.payload, str(event.payload.get("executionId", ""))) for event in events],
        )

    def delete(self, execution_id: str) -> None:
        """Remove an execution and all that belongs to it."""
        self._raw.execute("DELETE FROM execution WHERE id = %s", [execution_id])

    # --- correlations

    def correlated(self, correlation_id: str, kind: ExecutionType) -> str | None:
        """Give the execution of this correlation that has not ended; holds off others that ask the same."""
        key = f"{kind}:{correlation_id}"
        self._raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [key])
        row = self._raw.execute(
            "SELECT e.id FROM correlation c JOIN execution e ON e.id = c.execution_id"
            " WHERE c.id = %s AND e.type = %s AND e.status <> ALL(%s)",
            [correlation_id, kind, _ENDED],
        ).fetchone()
        return row[0] if row else None

    def correlate(self, correlation_id: str, execution_id: str) -> None:
        """Note the correlation of an execution; an ended one loses it."""
        self._raw.execute(
            "INSERT INTO correlation (id, execution_id) VALUES (%s, %s)"
            " ON CONFLICT (id) DO UPDATE SET execution_id = excluded.execution_id",
            [correlation_id, execution_id],
        )

    # --- what is due

    def set_due(self, execution_id: str, due_at: EpochMillis | None, now: EpochMillis) -> None:
        """Say when the execution has to be looked at again (`None`: only when something happens)."""
        if due_at is None:
            self._raw.execute("DELETE FROM due WHERE execution_id = %s", [execution_id])
            return
        self._raw.execute(
            "INSERT INTO due (execution_id, due_at) VALUES (%s, %s)"
            " ON CONFLICT (execution_id) DO UPDATE SET due_at = excluded.due_at, rings = 0",
            [execution_id, due_at],
        )
        self._wake_clock(due_at, now)

    def make_due(self, execution_ids: Sequence[str], now: EpochMillis) -> None:
        """Have executions looked at now; their rows aren't needed for it, so nobody has to be waited for."""
        self._raw.execute(
            "INSERT INTO due (execution_id, due_at) SELECT id, %s FROM unnest(%s::text[]) AS id"
            " ON CONFLICT (execution_id) DO UPDATE SET due_at = LEAST(due.due_at, excluded.due_at), rings = 0",
            [now, list(execution_ids)],
        )
        self._wake_clock(now, now)

    def rings(self, execution_id: str) -> int:
        """Say how often the clock has rung for an execution since somebody looked at it."""
        row = self._raw.execute("SELECT rings FROM due WHERE execution_id = %s", [execution_id]).fetchone()
        return row[0] if row else 0

    def _wake_clock(self, due_at: EpochMillis, now: EpochMillis) -> None:
        # The clock looks by itself every few seconds; only what comes sooner has to wake it.
        if due_at < now + _SOON_MS:
            self._raw.execute("SELECT pg_notify(%s, %s)", [DUE_CHANNEL, str(due_at)])

    # --- what workers hold

    def offer(
        self, execution_id: str, runs: Iterable[IoKey], ring_at: EpochMillis, owner: tuple[str, EpochMillis] | None
    ) -> None:
        """Note I/O tasks to be taken: rung again at `ring_at`, or taken at once by `owner` (name, lease's end)."""
        listed = list(runs)
        if not listed:
            return
        stage_ids, task_ids, attempts = (list(column) for column in zip(*listed, strict=True))
        self._raw.execute(
            "INSERT INTO io_task (execution_id, stage_id, task_id, attempt, owner, lease_until)"
            " SELECT %s, s, t, a, %s, %s FROM unnest(%s::text[], %s::text[], %s::int[]) AS run(s, t, a)"
            " ON CONFLICT (execution_id, stage_id, task_id) DO UPDATE"
            " SET attempt = excluded.attempt, owner = excluded.owner, lease_until = excluded.lease_until, rings = 0",
            [
                execution_id,
                owner[0] if owner else None,
                owner[1] if owner else ring_at,
                stage_ids,
                task_ids,
                attempts,
            ],
        )

    def claim(self, execution_id: str, key: IoKey, owner: str, lease_ms: int) -> bool:
        """Take an I/O task that nobody has."""
        cursor = self._raw.execute(
            "UPDATE io_task SET owner = %s,"
            " lease_until = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + %s, rings = 0"
            " WHERE execution_id = %s AND stage_id = %s AND task_id = %s AND attempt = %s AND owner IS NULL",
            [owner, lease_ms, execution_id, *key],
        )
        return cursor.rowcount == 1

    def release(self, execution_id: str, key: IoKey, owner: str) -> bool:
        """Give an I/O task back; False when it was taken from us meanwhile."""
        cursor = self._raw.execute(
            "DELETE FROM io_task WHERE execution_id = %s AND stage_id = %s AND task_id = %s AND attempt = %s"
            " AND owner = %s",
            [execution_id, *key, owner],
        )
        return cursor.rowcount == 1

    def put_back(self, execution_id: str, key: IoKey, owner: str, pause_ms: int) -> None:
        """Give an I/O task back to be taken again after a pause that grows with its attempts."""
        stage_id, task_id, attempt = key
        self._raw.execute(
            "UPDATE io_task SET owner = NULL, attempt = attempt + 1,"
            " lease_until = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + %s"
            " WHERE execution_id = %s AND stage_id = %s AND task_id = %s AND attempt = %s AND owner = %s",
            [pause_ms * attempt, execution_id, stage_id, task_id, attempt, owner],
        )

    def hand_on(self, execution_id: str, key: IoKey, owner: str, ring_at: EpochMillis) -> None:
        """Leave an I/O task that we hold to whoever takes it first; its bell is rung again at `ring_at`."""
        self._raw.execute(
            "UPDATE io_task SET owner = NULL, lease_until = %s WHERE execution_id = %s AND stage_id = %s"
            " AND task_id = %s AND attempt = %s AND owner = %s",
            [ring_at, execution_id, *key, owner],
        )

    def renew(self, owners: Sequence[str], lease_ms: int) -> None:
        """Prolong leases."""
        self._raw.execute(
            "UPDATE io_task SET lease_until = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + %s"
            " WHERE owner = ANY(%s)",
            [lease_ms, list(owners)],
        )

    def drop_io(self, execution_id: str, stage_ids: Sequence[str]) -> None:
        """Take the I/O tasks of stages away from whoever has them."""
        self._raw.execute(
            "DELETE FROM io_task WHERE execution_id = %s AND stage_id = ANY(%s)", [execution_id, list(stage_ids)]
        )

    # --- details

    def _stage_cursor(self, execution_id: str) -> "psycopg.Cursor[tuple[Any, ...]]":
        return self._raw.execute(
            f"SELECT {STAGE_COLUMNS} FROM stage s WHERE s.execution_id = %s ORDER BY s.position", [execution_id]
        )

    def _insert_stages(self, execution_id: str, stages: Iterable[StageExecution]) -> None:
        rows = [stage_values(stage, None) for stage in stages]
        self._raw.execute(_INSERT_STAGES, [execution_id, write_json(rows).decode()])


def _loaded(row: Sequence[Any], stages: list[tuple[Any, ...]]) -> Loaded:
    execution = execution_of(row, [stage_of(each) for each in stages])
    trail = Trail.of_document(read_json(row[-1]) if row[-1] else None).to(execution.id)
    return Loaded(execution, {each[0]: (each[11], each[12]) for each in stages}, trail)
