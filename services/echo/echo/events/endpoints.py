"""`/webhooks`, and `/` for events of other services."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse, run_sync
from kork.caller import CurrentUser
from kork.clock import now_ms
from kork.documents import Document, object_in
from kork.errors import BadRequest, NotFound
from kork.identity import Identity

from echo.events.event import Event, posted_event, webhook_event
from echo.events.service import EventService, Received, useful_headers
from echo.paths import PathText
from echo.pipelines.sync import PipelineSync
from echo.settings import EchoSettings
from echo.starts.manual import ManualRequest, ManualStarts
from echo.triggers import quiet_period

Sync = Annotated[bool, Query(description="tell which pipelines matched, and why the others did not")]


def event_router(
    service: EventService, pipelines: PipelineSync, manual: ManualStarts, settings: EchoSettings
) -> APIRouter:
    """Make the routes of events."""
    router = APIRouter(tags=["events"])

    @router.post("/webhooks/{type}/{source}")
    async def receive_webhook(
        type: PathText, source: PathText, request: Request, user: CurrentUser, sync: Sync = False
    ) -> Response:
        """Take a webhook. Once this has answered, what it starts will be started, once."""
        event = webhook_event(type, source, await request.body(), useful_headers(request.headers))
        return await _receive(event, sync, user)

    @router.post("/webhooks/{type}")
    async def receive_webhook_with_source(
        type: PathText, request: Request, user: CurrentUser, sync: Sync = False
    ) -> Response:
        """Take a webhook whose payload names its `source`."""
        event = webhook_event(type, None, await request.body(), useful_headers(request.headers))
        return await _receive(event, sync, user)

    async def _receive(event: Event, sync: bool, user: Identity) -> Response:
        if event.suppressed:
            return JSONResponse({"eventProcessed": False, "eventId": None})
        await pipelines.catch_up()
        # Sources are what keeps strangers from starting pipelines: they are told to people who are known.
        all_sources = sync and settings.webhooks.explain and (settings.embedded or not user.is_anonymous)
        received = await run_sync(lambda: service.receive(event, all_sources=all_sources))
        report = _report(received, explain=settings.webhooks.explain) if sync else {}
        return JSONResponse({"eventProcessed": True, "eventId": received.event_id} | report)

    @router.post("/")
    async def receive_event(request: Request, user: CurrentUser) -> Response:
        """Take an event in Echo's envelope; one of type `manual` starts its pipeline."""
        event = posted_event(await request.body(), useful_headers(request.headers))
        if event.type.lower() == "manual":
            await manual.start(_manual(event), user)
        else:
            await pipelines.catch_up()
            await run_sync(lambda: service.receive(event))
        return Response(status_code=200)

    @router.get("/events/{event_id}")
    def get_event(event_id: PathText) -> dict[str, Any]:
        """Say what an event started; 404 when echo doesn't know it (any more)."""
        found = service.find(event_id)
        if found is None:
            raise NotFound(f"Echo knows of no event {event_id}.")
        return found

    @router.get("/quietPeriod")
    def get_quiet_period() -> dict[str, Any]:
        """Say when the quiet period is."""
        return quiet_period.describe(settings.quiet_period, now_ms())

    @router.get("/pubsub/subscriptions")
    @router.get("/pubsub/publishers")
    def list_pubsub() -> list[Document]:
        """List none: there is no pub/sub system yet."""
        return []

    return router


def _report(received: Received, *, explain: bool) -> Document:
    report: Document = {"duplicate": received.duplicate, "waiting": received.waiting, "matched": received.matched}
    return report | {"unmatched": received.unmatched} if explain else report


def _manual(event: Event) -> ManualRequest:
    application, name = event.content.get("application"), event.content.get("pipelineNameOrId")
    if not isinstance(application, str) or not isinstance(name, str) or not application or not name:
        raise BadRequest("A manual event needs 'application' and 'pipelineNameOrId' in its content.")
    chosen = event.content.get("executionId")
    trigger = object_in(event.content.get("trigger"))
    return ManualRequest(application, name, trigger, chosen if isinstance(chosen, str) else None)
