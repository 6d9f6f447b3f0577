"""Keeps echo's memory of front50's pipelines fresh: changes at once, everything now and then."""

import asyncio
import time
from typing import Any, cast
from urllib.parse import quote

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.documents import Document, object_in, objects_in
from kork.errors import UpstreamError
from kork.http import ServiceClient
from kork.telemetry import counter, log
from sqlalchemy.exc import SQLAlchemyError

from echo.bells import Bell
from echo.events.service import EventService
from echo.pipelines.store import PipelineStore
from echo.settings import EchoSettings
from echo.triggers.catalogue import TriggerCatalogue

_log = log("echo.pipelines")
_read = counter("echo_pipelines_read_total", "Reads of front50's pipelines", "what", "result")
_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_MANY_CHANGES = 50
_CATCH_UP_SECONDS = 1.0
# Saves of several front50s may be seen a little out of the order of their times.
_OVERLAP_MS = 5_000


class PipelineSync:
    """Reads pipelines from front50. Any number of processes may run it."""

    def __init__(
        self,
        database: Database,
        front50: ServiceClient,
        settings: EchoSettings,
        catalogue: TriggerCatalogue,
        events: EventService,
        bell: Bell,
    ) -> None:
        self._database = database
        self._front50 = front50
        self._settings = settings
        self._catalogue = catalogue
        self._events = events
        self._bell = bell
        self._started = False
        self._catching_up = asyncio.Lock()
        self._asked = self._answered = 0

    async def catch_up(self) -> None:
        """Take what was saved until now, so that an event that follows a save finds the saved pipeline.

        Who asks while front50 is being asked shares the next answer. A front50 that is away, or takes longer than
        a second, is not waited for: what is remembered has to do.
        """
        self._asked += 1
        mine = self._asked
        async with self._catching_up:
            if mine <= self._answered:
                return
            asked = self._asked
            try:
                async with asyncio.timeout(_CATCH_UP_SECONDS):
                    await self._read_latest()
            except (UpstreamError, TimeoutError) as error:
                _log.warning("pipelines.not_caught_up", error=str(error) or "front50 takes long")
            self._answered = asked

    async def run(self) -> None:
        """Keep the memory fresh until cancelled; survives outages of front50 and of Postgres."""
        failures, next_full = 0, time.monotonic()
        while True:
            try:
                if time.monotonic() >= next_full:
                    await self._read_all()
                    next_full = time.monotonic() + self._settings.pipeline_cache.polling_interval_ms / 1000
                await self._read_changed()
                failures, wait = 0, next_full - time.monotonic()
            except (UpstreamError, SQLAlchemyError, OSError) as error:
                _log.warning("pipelines.delayed", error=str(error).splitlines()[0])
                wait = _AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)]
                failures += 1
            await self._bell.wait(max(0.0, wait))

    async def _read_all(self) -> None:
        begun = now_ms()
        pipelines = objects_in(await self._get("all", "/pipelines"))
        await asyncio.to_thread(self._replace_all, pipelines, begun)
        self._started = True

    async def _read_latest(self) -> None:
        newest = await asyncio.to_thread(self._newest)
        if newest is not None:
            since = max(0, newest - _OVERLAP_MS)
            pipelines = objects_in(await self._get("latest", "/pipelines", {"updatedSince": since}))
            await asyncio.to_thread(self._take, pipelines)

    async def _read_changed(self) -> None:
        changes = await asyncio.to_thread(self._changes)
        if len(changes) > _MANY_CHANGES:
            await self._read_all()
            changes = {}
        for id, at in changes.items():
            pipeline = await self._read_one(id)
            await asyncio.to_thread(self._apply, id, at, pipeline)

    async def _read_one(self, id: str) -> Document | None:
        try:
            return object_in(await self._get("one", f"/pipelines/{quote(id, safe='')}/get"))
        except UpstreamError as error:
            if error.status == 404:
                return None
            raise

    async def _get(self, what: str, path: str, params: dict[str, int] | None = None) -> Any:
        try:
            answer = await self._front50.get(path, params=params)
        except UpstreamError:
            _read.labels(what, "failed").inc()
            raise
        _read.labels(what, "read").inc()
        return answer

    def _newest(self) -> EpochMillis | None:
        with self._database.connect() as connection:
            return self._store(connection).newest()

    def _take(self, pipelines: list[Document]) -> None:
        with self._database.begin() as connection:
            for pipeline in _usable(pipelines):
                self._store(connection).save(pipeline)

    def _changes(self) -> dict[str, int]:
        with self._database.connect() as connection:
            return self._store(connection).changes()

    def _replace_all(self, pipelines: list[Document], begun: int) -> None:
        """Take everything; on the first time of this process also what didn't change, as our rules may have."""
        usable = _usable(pipelines)
        with self._database.begin() as connection:
            store = self._store(connection)
            changes = store.changes()
            for pipeline in usable:
                store.save(pipeline, again=not self._started)
            store.delete_others([cast(str, pipeline["id"]) for pipeline in usable], begun)
            for id, at in changes.items():
                if at < begun and len(changes) > _MANY_CHANGES:
                    store.forget_change(id, at)
            store.set_loaded()
        self._events.match_waiting()

    def _apply(self, id: str, at: int, pipeline: Document | None) -> None:
        with self._database.begin() as connection:
            store = self._store(connection)
            if pipeline is None:
                store.delete(id, at)
            else:
                store.save(pipeline)
            store.forget_change(id, at)

    def _store(self, connection: Any) -> PipelineStore:
        return PipelineStore(connection, self._settings, self._catalogue)


def _usable(pipelines: list[Document]) -> list[Document]:
    return [pipeline for pipeline in pipelines if isinstance(pipeline.get("id"), str)]
