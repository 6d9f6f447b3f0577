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
from echo.pipelines.store import PipelineStore, updated_at
from echo.pipelines.templates import TemplatePlanner, is_templated
from echo.settings import EchoSettings
from echo.triggers.catalogue import TriggerCatalogue

_log = log("echo.pipelines")
_read = counter("echo_pipelines_read_total", "Reads of front50's pipelines", "what", "result")
_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_MANY_CHANGES = 50
_CATCH_UP_SECONDS = 1.0
_PLAN_AGAIN_SECONDS = 2.0
# Saves of several front50s may be seen a little out of the order of their times.
_OVERLAP_MS = 5_000


class PipelineSync:
    """Reads pipelines from front50. Any number of processes may run it."""

    def __init__(
        self,
        database: Database,
        front50: ServiceClient,
        templates: TemplatePlanner,
        settings: EchoSettings,
        catalogue: TriggerCatalogue,
        events: EventService,
        bell: Bell,
    ) -> None:
        self._database = database
        self._front50 = front50
        self._templates = templates
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
                all_planned = await self._read_changed()
                if await asyncio.to_thread(self._events.has_waiting):
                    await self.catch_up()
                    await asyncio.to_thread(self._events.match_waiting)
                failures, wait = 0, next_full - time.monotonic()
                wait = wait if all_planned else min(wait, _PLAN_AGAIN_SECONDS)
            except (UpstreamError, SQLAlchemyError, OSError) as error:
                _log.warning("pipelines.delayed", error=str(error).splitlines()[0])
                wait = _AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)]
                failures += 1
            await self._bell.wait(max(0.0, wait))

    async def _read_all(self) -> None:
        begun = now_ms()
        pipelines = _usable(objects_in(await self._get("all", "/pipelines")))
        pipelines, later = await self._planned(pipelines)
        await asyncio.to_thread(self._replace_all, pipelines, later, begun)
        self._started = True

    async def _read_latest(self) -> None:
        newest = await asyncio.to_thread(self._newest)
        if newest is not None:
            since = max(0, newest - _OVERLAP_MS)
            pipelines = _usable(objects_in(await self._get("latest", "/pipelines", {"updatedSince": since})))
            pipelines, later = await self._planned(pipelines)
            await asyncio.to_thread(self._take, pipelines, later)

    async def _planned(self, pipelines: list[Document]) -> tuple[list[Document], set[str]]:
        """Complete the templated ones that are not known as they are; the others pass."""
        if not any(is_templated(each) for each in pipelines):
            return pipelines, set()
        known = await asyncio.to_thread(self._versions) if self._started else {}
        asked = [is_templated(each) and known.get(each["id"].lower()) != updated_at(each) for each in pipelines]
        new, later = await self._templates.complete([each for each, ask in zip(pipelines, asked, strict=True) if ask])
        completed = iter(new)
        return [next(completed) if ask else each for each, ask in zip(pipelines, asked, strict=True)], later

    async def _read_changed(self) -> bool:
        """Read what changed; say whether everything could be planned."""
        changes = await asyncio.to_thread(self._changes)
        if len(changes) > _MANY_CHANGES:
            await self._read_all()
            changes = await asyncio.to_thread(self._changes)
        waiting: set[str] = set()
        for id, at in changes.items():
            pipeline = await self._read_one(id)
            if pipeline is None:
                await asyncio.to_thread(self._apply, id, at, None, done=True)
                continue
            [completed], later = await self._templates.complete([pipeline])
            waiting |= later
            await asyncio.to_thread(self._apply, id, at, completed, done=not later)
        return not waiting

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

    def _versions(self) -> dict[str, EpochMillis]:
        with self._database.connect() as connection:
            return self._store(connection).versions()

    def _take(self, pipelines: list[Document], later: set[str]) -> None:
        with self._database.begin() as connection:
            store = self._store(connection)
            for pipeline in pipelines:
                if store.save(pipeline) and pipeline["id"] in later:
                    store.note_change(pipeline["id"], now_ms())

    def _changes(self) -> dict[str, int]:
        with self._database.connect() as connection:
            return self._store(connection).changes()

    def _replace_all(self, pipelines: list[Document], later: set[str], begun: int) -> None:
        """Take everything; on the first time of this process also what didn't change, as our rules may have.

        Those in `later` are noted as changed, so that they are read, and planned, again.
        """
        with self._database.begin() as connection:
            store = self._store(connection)
            changes = store.changes()
            for pipeline in pipelines:
                store.save(pipeline, again=not self._started and pipeline["id"] not in later)
            store.delete_others([cast(str, pipeline["id"]) for pipeline in pipelines], begun)
            for id, at in changes.items():
                if at < begun and len(changes) > _MANY_CHANGES:
                    store.forget_change(id, at)
            for id in later:
                store.note_change(id, begun)
            store.set_loaded()

    def _apply(self, id: str, at: int, pipeline: Document | None, *, done: bool) -> None:
        with self._database.begin() as connection:
            store = self._store(connection)
            if pipeline is None:
                store.delete(id, at)
            else:
                # A template may have changed under a pipeline that didn't.
                store.save(pipeline, again=done and is_templated(pipeline))
            if done:
                store.forget_change(id, at)

    def _store(self, connection: Any) -> PipelineStore:
        return PipelineStore(connection, self._settings, self._catalogue)


def _usable(pipelines: list[Document]) -> list[Document]:
    return [pipeline for pipeline in pipelines if isinstance(pipeline.get("id"), str)]
