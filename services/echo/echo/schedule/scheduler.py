"""Fires cron triggers: sleeps until the next one is due, or a save changes the schedule."""

import asyncio

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.ids import ulid_for
from kork.telemetry import counter, log
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from echo.bells import Bell
from echo.pipelines.store import PipelineStore
from echo.schedule.misfires import decide
from echo.schedule.store import Scheduled, ScheduleStore, next_fire
from echo.settings import EchoSettings
from echo.starts.body import triggered_start
from echo.starts.store import StartStore
from echo.triggers.catalogue import TriggerCatalogue
from echo.triggers.definition import Facts
from echo.triggers.quiet_period import is_suppressed

_log = log("echo.schedule")
_fires = counter("echo_cron_total", "Fire times of cron triggers", "result")
_BATCH = 100
_SWEEP_SECONDS = 60.0
_AGAIN_SECONDS = 1.0


class Scheduler:
    """Fires what is due. Any number of processes may run it: a fire time is taken by one, and starts once."""

    def __init__(self, database: Database, settings: EchoSettings, catalogue: TriggerCatalogue, bell: Bell) -> None:
        self._database = database
        self._settings = settings
        self._catalogue = catalogue
        self._bell = bell

    async def run(self) -> None:
        """Fire until cancelled; survives outages of Postgres."""
        if not self._settings.scheduler.enabled:
            return
        while True:
            try:
                due = await asyncio.to_thread(self._fire_due)
                wait = _SWEEP_SECONDS if due is None else (due - now_ms()) / 1000
            except (SQLAlchemyError, OSError) as error:
                _log.warning("schedule.delayed", error=str(error).splitlines()[0])
                wait = _AGAIN_SECONDS
            await self._bell.wait(min(max(wait, 0.0), _SWEEP_SECONDS))

    def _fire_due(self) -> EpochMillis | None:
        """Fire all that is due; say when the next one is (ms)."""
        while True:
            with self._database.begin() as connection:
                schedule = ScheduleStore(connection)
                now = now_ms()
                claimed = schedule.claim_due(now, _BATCH)
                for scheduled in claimed:
                    self._fire(connection, scheduled, now)
                if len(claimed) < _BATCH:
                    return schedule.next_due()

    def _fire(self, connection: Connection, scheduled: Scheduled, now: EpochMillis) -> None:
        def next_after(moment: EpochMillis) -> EpochMillis | None:
            return next_fire(scheduled.trigger, scheduled.timezone, moment)

        assert scheduled.next_fire is not None
        fire = decide(scheduled.next_fire, now, next_after, self._settings.scheduler)
        ScheduleStore(connection).fired(scheduled, fire.at, fire.next)
        if fire.at is None:
            _fires.labels("missed").inc()
            _log.warning("cron.missed", pipeline=scheduled.pipeline_id, due=scheduled.next_fire)
            return
        pipeline = PipelineStore(connection, self._settings, self._catalogue).by_id(scheduled.pipeline_id)
        if pipeline is None:
            return
        if is_suppressed(pipeline, scheduled.trigger, self._settings.quiet_period, now):
            _fires.labels("quiet").inc()
            return
        seed = f"cron:{scheduled.pipeline_id}:{scheduled.trigger_id}"
        start = triggered_start(
            pipeline,
            scheduled.trigger,
            Facts({}),
            execution_id=ulid_for(seed, fire.at),
            event_id=None,
            at=now,
        )
        StartStore(connection).add([start])
        _fires.labels("fired").inc()
        _log.info("cron.fired", pipeline=scheduled.pipeline_id, at=fire.at, execution_id=start.execution_id)
