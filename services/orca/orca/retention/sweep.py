"""Removing what is old: archived first, in small transactions, by one process at a time.

A crash between the archive and the removal repeats both: the same file is written again, and what was removed
isn't found again.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

from kork.clock import EpochMillis, now_ms
from kork.database import Database, is_outage
from kork.telemetry import counter, gauge, histogram, log

from orca.execution.model import ExecutionType
from orca.retention.archive import Archive, archive_for, name_of
from orca.retention.rules import Group, Limit, Past, orchestration_limit, pipeline_limit
from orca.retention.store import History
from orca.settings import OrcaSettings

_log = log("orca.retention")
_removed = counter("orca_executions_removed_total", "Executions that retention removed", "type")
_archived = counter("orca_executions_archived_total", "Executions that retention wrote to the archive", "type")
_failures = counter("orca_retention_failures_total", "Sweeps that failed")
_sweeps = histogram("orca_retention_sweep_seconds", "How long sweeps took")
_swept_at = gauge("orca_retention_swept_timestamp_seconds", "When a sweep of this process ended well, epoch s")
_FIRST_AFTER_SECONDS = 60.0
_LONGEST_REST_SECONDS = 1.0

Now = Callable[[], EpochMillis]


class Stopped(Exception):
    """The process ends."""


class Retention:
    """Removes ended executions by age and count, as the settings say."""

    def __init__(
        self, database: Database, settings: OrcaSettings, *, archive: Archive | None = None, now: Now = now_ms
    ) -> None:
        self._history = History(database)
        self._pollers = settings.pollers
        self._archive_settings = settings.executions.archive
        self._archive = archive
        self._now = now
        self._stop = threading.Event()

    @property
    def is_on(self) -> bool:
        """Say whether anything is to be removed at all."""
        pollers = self._pollers
        return pollers.old_pipeline_cleanup.enabled or pollers.top_application_execution_cleanup.enabled

    async def run(self) -> None:
        """Sweep at intervals until cancelled; a failure is told and tried again at the next."""
        if not self.is_on:
            return
        pollers = self._pollers
        intervals = [
            each.interval_ms / 1000
            for each in (pollers.old_pipeline_cleanup, pollers.top_application_execution_cleanup)
            if each.enabled
        ]
        pause = min(_FIRST_AFTER_SECONDS, *intervals)
        try:
            while True:
                await asyncio.sleep(pause)
                await asyncio.to_thread(self.try_sweep)
                pause = min(intervals)
        finally:
            self.stop()

    def stop(self) -> None:
        """Have a sweep that is under way end after its present step."""
        self._stop.set()

    def try_sweep(self) -> None:
        """Sweep; what fails is counted and logged."""
        try:
            self.sweep()
        except Stopped:
            return
        except Exception as error:
            _failures.inc()
            if is_outage(error):
                _log.warning("retention.database_away", error=str(error).splitlines()[0])
            else:
                _log.error("retention.failed", error=str(error), exc_info=error)

    def sweep(self) -> int:
        """Remove all that may go now; gives how many executions went. Nothing when another process does it."""
        with self._history.lead() as leads:
            if not leads:
                return 0
            started = time.monotonic()
            removed = 0
            if self._pollers.old_pipeline_cleanup.enabled:
                removed += self._sweep_kind("PIPELINE", self._pollers.old_pipeline_cleanup.chunk_size)
            if self._pollers.top_application_execution_cleanup.enabled:
                chunk = self._pollers.top_application_execution_cleanup.chunk_size
                removed += self._sweep_kind("ORCHESTRATION", chunk)
            _sweeps.observe(time.monotonic() - started)
            _swept_at.set_to_current_time()
            if removed:
                _log.info("executions.removed", count=removed, seconds=round(time.monotonic() - started, 1))
            return removed

    def _sweep_kind(self, kind: ExecutionType, chunk: int) -> int:
        needed = self._history.needed()
        removed = 0
        for application in self._history.applications(kind):
            group = Group(kind, application)
            waiting: list[Past] = []
            for past in self._removable(kind, application, needed, chunk):
                waiting.append(past)
                if len(waiting) == chunk:
                    removed += self._remove(group, waiting)
                    waiting = []
            if waiting:
                removed += self._remove(group, waiting)
        return removed

    def _removable(self, kind: ExecutionType, application: str, needed: set[str], chunk: int) -> Iterator[Past]:
        limit = self._limit(kind, application)
        for group in self._history.groups(kind, application):
            yield from self._history.removable(group, limit, needed, chunk)

    def _limit(self, kind: ExecutionType, application: str) -> Limit:
        pipelines = self._pollers.old_pipeline_cleanup
        if kind == "PIPELINE":
            return pipeline_limit(pipelines, application, self._now())
        return orchestration_limit(self._pollers.top_application_execution_cleanup, pipelines, application, self._now())

    def _remove(self, group: Group, executions: list[Past]) -> int:
        """Archive and remove; rests as long as that took, so that others have half of the machine at least."""
        if self._stop.is_set():
            raise Stopped
        started = time.monotonic()
        archive = self._archive = self._archive or archive_for(self._archive_settings)
        if archive is not None:
            archive.keep(name_of(group, executions), self._history.documents([each.id for each in executions]))
            _archived.labels(group.kind).inc(len(executions))
        removed = self._history.remove(executions)
        _removed.labels(group.kind).inc(removed)
        self._stop.wait(min(time.monotonic() - started, _LONGEST_REST_SECONDS))
        return removed
