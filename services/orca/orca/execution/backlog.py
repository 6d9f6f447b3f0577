"""What runs, what waits and what is stored, counted by Postgres when Prometheus asks."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kork.database import Database, is_outage
from kork.telemetry import log
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text

_log = log("orca.backlog")
_ACTIVE = ("NOT_STARTED", "RUNNING", "PAUSED")
_TABLES = ("execution", "stage", "outbox")
_FRESH_SECONDS = 1.0
# Each part reads as many rows as there is open work, or one; none grows with the history.
_COUNT = text(
    """
    WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
    counted AS (SELECT
        (SELECT count(*) FROM due) AS due_at_all,
        (SELECT count(*) FROM due, clock WHERE due_at <= now) AS due,
        (SELECT GREATEST(0, now - (SELECT min(due_at) FROM due)) FROM clock) AS oldest_ms,
        (SELECT count(*) FROM io_task WHERE owner IS NULL) AS untaken,
        (SELECT count(*) FROM io_task WHERE owner IS NOT NULL) AS taken,
        (SELECT count(*) FROM waiting) AS waiting)
    SELECT counted.*,
        (SELECT json_object_agg(type || ' ' || status, n) FROM (
            SELECT type, status, count(*) AS n FROM execution
            WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED') GROUP BY type, status) AS open) AS active,
        (SELECT json_object_agg(kind, (SELECT min(build_time) FROM execution WHERE type = kind))
            FROM unnest(ARRAY['PIPELINE', 'ORCHESTRATION']) AS kind) AS oldest,
        (SELECT json_object_agg(name, json_build_array(pg_total_relation_size(to_regclass(name)),
                (SELECT GREATEST(reltuples, 0) FROM pg_class WHERE oid = to_regclass(name)),
                pg_stat_get_dead_tuples(to_regclass(name))))
            FROM unnest(CAST(:tables AS text[])) AS name) AS tables
    FROM counted
    """
)


class Backlog(Collector):
    """The gauges of the engine's tables, counted anew once a second at most. While Postgres is away there are
    none."""

    def __init__(self, database: Database, fresh_seconds: float = _FRESH_SECONDS) -> None:
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._counted_at = float("-inf")
        self._gauges: Sequence[Metric] = ()

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: several applications of one process may each count."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count, or give what was counted just now."""
        with self._lock:
            if time.monotonic() - self._counted_at >= self._fresh_seconds:
                self._gauges = self._count()
                self._counted_at = time.monotonic()
            yield from self._gauges

    def _count(self) -> Sequence[Metric]:
        try:
            with self._database.connect() as connection:
                row = connection.execute(_COUNT, {"tables": list(_TABLES)}).one()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("backlog.not_counted", error=str(error).splitlines()[0])
            return ()
        return [*_of_work(row), *_of_history(row)]


def _of_work(row: Any) -> Iterator[Metric]:
    active = GaugeMetricFamily("orca_executions_active", "Executions that have not ended", labels=["type", "status"])
    for kind in ("PIPELINE", "ORCHESTRATION"):
        for status in _ACTIVE:
            active.add_metric([kind, status], (row.active or {}).get(f"{kind} {status}", 0))
    yield active
    yield GaugeMetricFamily(
        "orca_queue_depth", "What is planned, to be done now, or under way", row.due_at_all + row.untaken + row.taken
    )
    yield GaugeMetricFamily("orca_queue_ready_depth", "What could be done now", row.due + row.untaken)
    yield GaugeMetricFamily("orca_queue_unacked_depth", "I/O tasks that workers have", row.taken)
    yield GaugeMetricFamily("orca_executions_due", "Executions to be looked at now", row.due)
    yield GaugeMetricFamily("orca_oldest_due_seconds", "How late the latest one is", (row.oldest_ms or 0) / 1000)
    yield GaugeMetricFamily("orca_executions_waiting_turn", "Executions that wait for others", row.waiting)
    tasks = GaugeMetricFamily("orca_io_tasks_open", "I/O tasks to be taken, and those that run", labels=["state"])
    tasks.add_metric(["untaken"], row.untaken)
    tasks.add_metric(["taken"], row.taken)
    yield tasks


def _of_history(row: Any) -> Iterator[Metric]:
    oldest = GaugeMetricFamily(
        "orca_oldest_execution_timestamp_seconds", "When the oldest execution was built, epoch s", labels=["type"]
    )
    for kind, built in (row.oldest or {}).items():
        if built is not None:
            oldest.add_metric([kind], built / 1000)
    yield oldest
    size = GaugeMetricFamily("orca_table_bytes", "Size on disk with indexes", labels=["table"])
    rows = GaugeMetricFamily("orca_table_rows", "Rows, as Postgres estimates them", labels=["table"])
    dead = GaugeMetricFamily("orca_table_dead_rows", "Rows that wait for the vacuum", labels=["table"])
    for table, (taken, living, gone) in row.tables.items():
        size.add_metric([table], taken)
        rows.add_metric([table], living)
        dead.add_metric([table], gone)
    yield from (size, rows, dead)


@contextmanager
def counted(database: Database) -> Iterator[None]:
    """Show the backlog of a database in `/metrics` during a block."""
    backlog = Backlog(database)
    REGISTRY.register(backlog)
    try:
        yield
    finally:
        REGISTRY.unregister(backlog)
