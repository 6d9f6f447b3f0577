"""What runs and what waits, counted by Postgres when Prometheus asks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kork.database import Database, is_outage
from kork.telemetry import log
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text

_log = log("orca.backlog")
_ACTIVE = ("NOT_STARTED", "RUNNING", "PAUSED")
_COUNT = text(
    """
    WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now)
    SELECT
        (SELECT count(*) FROM due, clock WHERE due_at <= now) AS due,
        (SELECT GREATEST(0, now - (SELECT min(due_at) FROM due)) FROM clock) AS oldest_ms,
        (SELECT count(*) FROM io_task WHERE owner IS NULL) AS untaken,
        (SELECT count(*) FROM io_task WHERE owner IS NOT NULL) AS taken,
        (SELECT count(*) FROM waiting) AS waiting,
        (SELECT json_object_agg(status, n) FROM (
            SELECT status, count(*) AS n FROM execution
            WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED') GROUP BY status) AS counted) AS active
    """
)


class Backlog(Collector):
    """The gauges of the engine's tables. While Postgres is away there are none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: several applications of one process may each count."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count."""
        try:
            with self._database.connect() as connection:
                row = connection.execute(_COUNT).one()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("backlog.not_counted", error=str(error).splitlines()[0])
            return
        active = GaugeMetricFamily("orca_executions_active", "Executions that have not ended", labels=["status"])
        for status in _ACTIVE:
            active.add_metric([status], (row.active or {}).get(status, 0))
        yield active
        yield GaugeMetricFamily("orca_executions_due", "Executions to be looked at now", row.due)
        yield GaugeMetricFamily("orca_oldest_due_seconds", "How late the latest one is", (row.oldest_ms or 0) / 1000)
        yield GaugeMetricFamily("orca_executions_waiting_turn", "Executions that wait for others", row.waiting)
        tasks = GaugeMetricFamily("orca_io_tasks_open", "I/O tasks to be taken, and those that run", labels=["state"])
        tasks.add_metric(["untaken"], row.untaken)
        tasks.add_metric(["taken"], row.taken)
        yield tasks


@contextmanager
def counted(database: Database) -> Iterator[None]:
    """Show the backlog of a database in `/metrics` during a block."""
    backlog = Backlog(database)
    REGISTRY.register(backlog)
    try:
        yield
    finally:
        REGISTRY.unregister(backlog)
