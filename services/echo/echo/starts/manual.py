"""Starts that a person asks for."""

import uuid
from dataclasses import dataclass
from urllib.parse import quote

from kork.app import run_sync
from kork.clock import now_ms
from kork.database import Database
from kork.documents import Document, object_in
from kork.errors import BadRequest, NotFound, Unavailable, UpstreamError
from kork.http import ServiceClient
from kork.identity import Identity
from kork.ids import is_ulid, new_ulid

from echo.pipelines.store import PipelineStore
from echo.settings import EchoSettings
from echo.starts.body import Start, manual_start
from echo.starts.store import StartStore
from echo.triggers.catalogue import TriggerCatalogue


@dataclass(frozen=True, slots=True)
class ManualRequest:
    """Which pipeline to start, and what its trigger says. `execution_id`: the id that the caller chose, if any."""

    application: str
    name_or_id: str
    trigger: Document
    execution_id: str | None = None


class ManualStarts:
    """Starts pipelines by hand. Once answered, a start is kept until orca takes it."""

    def __init__(
        self, database: Database, front50: ServiceClient, settings: EchoSettings, catalogue: TriggerCatalogue
    ) -> None:
        self._database = database
        self._front50 = front50
        self._settings = settings
        self._catalogue = catalogue

    async def start(self, request: ManualRequest, user: Identity) -> Start:
        """Keep a start; `NotFound` for an unknown pipeline, `BadRequest` for a disabled one.

        The pipeline is read from front50; while front50 is away, what echo remembers of it is started, and
        `Unavailable` is raised when it remembers nothing. A chosen execution id starts once.
        """
        chosen = request.execution_id or request.trigger.get("executionId")
        if chosen is not None and not (isinstance(chosen, str) and is_ulid(chosen)):
            raise BadRequest("The 'executionId' of a manual start must be a ULID; leave it out to get one.")
        pipeline = await self._find(request)
        if pipeline.get("disabled") is True:
            raise BadRequest(
                f"The pipeline '{pipeline.get('name')}' of application {request.application} is disabled; "
                "enable it to start it."
            )
        start = manual_start(
            pipeline,
            request.trigger,
            user,
            execution_id=chosen or new_ulid(),
            event_id=str(uuid.uuid4()),
            at=now_ms(),
        )
        return await run_sync(self._keep, start)

    def _keep(self, start: Start) -> Start:
        with self._database.begin() as connection:
            StartStore(connection).add([start])
        return start

    async def _find(self, request: ManualRequest) -> Document:
        remembered = await run_sync(self._remembered, request)
        try:
            found = await self._ask_front50(request, remembered)
        except UpstreamError as error:
            # 401 is about echo and front50, not about the caller: they don't share identity.secret.
            if error.status < 500 and error.status != 401:
                raise
            if remembered is None:
                raise Unavailable(
                    f"front50 can't be asked for the pipeline '{request.name_or_id}' just now, and echo has not seen "
                    "it before; nothing was started, try again."
                ) from error
            return remembered
        if found is None or str(found.get("application", "")).lower() != request.application.lower():
            raise NotFound(f"There is no pipeline '{request.name_or_id}' in application {request.application}.")
        return found

    async def _ask_front50(self, request: ManualRequest, remembered: Document | None) -> Document | None:
        application, key = quote(request.application, safe=""), quote(request.name_or_id, safe="")
        paths = [f"/pipelines/{application}/name/{key}", f"/pipelines/{key}/get"]
        if remembered is not None:
            paths.insert(0, f"/pipelines/{quote(str(remembered.get('id')), safe='')}/get")
        for path in paths:
            try:
                found = object_in(await self._front50.get(path))
            except UpstreamError as error:
                if error.status == 404:
                    continue
                raise
            if _is(found, request):
                return found
        return None

    def _remembered(self, request: ManualRequest) -> Document | None:
        with self._database.connect() as connection:
            store = PipelineStore(connection, self._settings, self._catalogue)
            return store.find(request.application, request.name_or_id)


def _is(pipeline: Document, request: ManualRequest) -> bool:
    """Say whether a pipeline is still the one that is asked for: it may have been renamed."""
    wanted = request.name_or_id.strip().lower()
    return wanted in (str(pipeline.get("id", "")).lower(), str(pipeline.get("name", "")).strip().lower())
