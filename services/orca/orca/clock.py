"""The clock: rings for executions that are due, for I/O tasks that nobody took or whose worker is gone.

Any number of clocks may run; the one that holds an advisory lock leads, the others wait for it in
Postgres. It sleeps until the next moment that matters, and is woken when an earlier one is written.
"""

import asyncio
from typing import Any

import psycopg
from kork.clock import EpochMillis
from kork.database import Database
from kork.telemetry import counter, gauge, log
from psycopg import sql

from orca.bell import Bell, CeleryBell
from orca.execution.store import CANCEL_TASK, DUE_CHANNEL
from orca.settings import OrcaSettings

_log = log("orca.clock")
_leading = gauge("orca_clock_leads", "Whether this process' clock leads")
_taken_over = counter("orca_leases_taken_over_total", "Executions whose task was taken from a worker that went silent")
_repeated = counter("orca_bells_repeated_total", "Bells rung again because nothing had come of them", "bell")
_forgotten = counter("orca_executions_forgotten_total", "Open executions that nothing would have moved any more")
_LEADER_LOCK = 0x6F726361
_LONGEST_SLEEP_SECONDS = 5.0
_SWEEP_EVERY_MS = 60_000
_LONGEST_PAUSE_MS = 60_000
_BATCH = 500
_RECONNECT_SECONDS = (0.1, 0.3, 1.0, 2.0)
_CLEAN_UP_ATTEMPTS = 10

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_TAKE_DUE = """
    UPDATE due SET due_at = %(now)s + LEAST(%(longest)s, %(again)s * (1 << LEAST(due.rings, 10))), rings = due.rings + 1
    FROM (SELECT execution_id FROM due WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(batch)s
          FOR UPDATE SKIP LOCKED) AS picked
    WHERE due.execution_id = picked.execution_id RETURNING due.execution_id, due.rings
"""
_TAKE_LOST = f"""
    WITH lost AS (
        DELETE FROM io_task WHERE (execution_id, stage_id, task_id) IN (
            SELECT execution_id, stage_id, task_id FROM io_task
            WHERE lease_until <= %(now)s AND owner IS NOT NULL AND task_id <> '{CANCEL_TASK}'
            LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
        RETURNING execution_id)
    INSERT INTO due (execution_id, due_at) SELECT DISTINCT execution_id, %(now)s FROM lost
    ON CONFLICT (execution_id) DO UPDATE SET due_at = LEAST(due.due_at, excluded.due_at), rings = 0
    RETURNING execution_id
"""
_TAKE_UNTAKEN = """
    UPDATE io_task SET owner = NULL, attempt = attempt + (io_task.owner IS NOT NULL)::int, rings = io_task.rings + 1,
        lease_until = %(now)s + LEAST(%(longest)s, %(again)s * (1 << LEAST(io_task.rings, 10)))
    FROM (SELECT execution_id, stage_id, task_id FROM io_task
          WHERE lease_until <= %(now)s AND (owner IS NULL OR task_id = %(cancel)s)
          LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS picked
    WHERE (io_task.execution_id, io_task.stage_id, io_task.task_id)
        = (picked.execution_id, picked.stage_id, picked.task_id)
    RETURNING io_task.execution_id, io_task.stage_id, io_task.task_id, io_task.attempt
"""
_GIVE_UP_CLEAN_UPS = "DELETE FROM io_task WHERE task_id = %(cancel)s AND attempt > %(attempts)s"
_NEXT = "SELECT LEAST((SELECT min(due_at) FROM due), (SELECT min(lease_until) FROM io_task))"
_FORGOTTEN = """
    INSERT INTO due (execution_id, due_at)
    SELECT e.id, %(now)s FROM execution e WHERE e.status IN ('NOT_STARTED', 'RUNNING')
        AND NOT EXISTS (SELECT FROM due WHERE execution_id = e.id)
        AND NOT EXISTS (SELECT FROM io_task WHERE execution_id = e.id)
        AND NOT EXISTS (SELECT FROM waiting WHERE execution_id = e.id)
    ON CONFLICT DO NOTHING RETURNING execution_id
"""


class Clock:
    """One clock."""

    def __init__(self, settings: OrcaSettings, bell: Bell) -> None:
        self._settings = settings
        self._bell = bell
        self._again_ms = round(settings.executions.ring_again_seconds * 1000)
        self._swept_at: EpochMillis = 0

    async def run(self) -> None:
        """Tick until cancelled; survives outages of Postgres and Redis."""
        failures = 0
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._settings.database.url,
                    autocommit=True,
                    connect_timeout=self._settings.database.connect_timeout_seconds,
                    options="-c search_path=orca,public",
                    application_name="gennaker-orca-clock",
                )
                async with connection:
                    await connection.execute("SELECT pg_advisory_lock(%s)", [_LEADER_LOCK])
                    failures = 0
                    _leading.set(1)
                    _log.debug("clock.leads")
                    await self._lead(connection)
            except psycopg.Error as error:
                _log.warning("clock.interrupted", error=str(error).splitlines()[0] if str(error) else repr(error))
            finally:
                _leading.set(0)
            await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
            failures += 1

    async def _lead(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(DUE_CHANNEL)))
        while True:
            now = await _number(connection, _NOW) or 0
            if await self._tick(connection, now):
                continue
            following = await _number(connection, _NEXT)
            now = await _number(connection, _NOW) or now
            wait = _LONGEST_SLEEP_SECONDS if following is None else (following - now) / 1000
            if wait > 0:
                await self._sleep(connection, min(wait, _LONGEST_SLEEP_SECONDS), following)

    async def _tick(self, connection: "psycopg.AsyncConnection[Any]", now: EpochMillis) -> bool:
        """Ring for everything that is due at `now`; say whether there may be more."""
        values = {
            "now": now,
            "again": self._again_ms,
            "longest": _LONGEST_PAUSE_MS,
            "batch": _BATCH,
            "cancel": CANCEL_TASK,
            "attempts": _CLEAN_UP_ATTEMPTS,
        }
        if now - self._swept_at >= _SWEEP_EVERY_MS:
            self._swept_at = now
            await connection.execute(_GIVE_UP_CLEAN_UPS, values)
            forgotten = await _rows(connection, _FORGOTTEN, values)
            if forgotten:
                _forgotten.inc(len(forgotten))
                _log.warning("executions.forgotten", ids=[row[0] for row in forgotten][:20])
        lost = await _rows(connection, _TAKE_LOST, values)
        if lost:
            _taken_over.inc(len(lost))
            _log.warning("leases.taken_over", executions=[row[0] for row in lost][:20])
        due = await _rows(connection, _TAKE_DUE, values)
        _repeated.labels("advance").inc(sum(row[1] > 1 for row in due))
        untaken = await _rows(connection, _TAKE_UNTAKEN, values)
        _repeated.labels("run").inc(len(untaken))
        if due:
            await asyncio.to_thread(self._bell.advance, [row[0] for row in due])
        if untaken:
            await asyncio.to_thread(self._bell.run, [(row[0], row[1], row[2], row[3]) for row in untaken])
        return max(len(due), len(untaken), len(lost)) >= _BATCH

    async def _sleep(
        self, connection: "psycopg.AsyncConnection[Any]", seconds: float, following: EpochMillis | None
    ) -> None:
        """Sleep until the next moment that is known, or until an earlier one is told."""
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            async for told in connection.notifies(timeout=left, stop_after=1):
                if following is None or not told.payload.isdigit() or int(told.payload) < following:
                    return


async def _number(connection: "psycopg.AsyncConnection[Any]", query: Any) -> int | None:
    row = await (await connection.execute(query)).fetchone()
    return row[0] if row else None


async def _rows(connection: "psycopg.AsyncConnection[Any]", query: Any, values: dict[str, Any]) -> list[Any]:
    return await (await connection.execute(query, values)).fetchall()


def make_clock(settings: OrcaSettings) -> Clock:
    """Make a clock that rings through Celery."""
    return Clock(settings, CeleryBell(settings.redis.url))


def run_clock(settings: OrcaSettings, _: list[str]) -> None:
    """Run a clock, and the retention, until it is told to end (`python -m orca clock`)."""
    import signal

    from orca.retention.sweep import Retention

    async def main() -> None:
        retention = Retention(Database(settings.database, schema="orca"), settings)
        clock = asyncio.gather(make_clock(settings).run(), retention.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, clock.cancel)
        try:
            await clock
        except asyncio.CancelledError:
            _log.debug("clock.ended")

    asyncio.run(main())
