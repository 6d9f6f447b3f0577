"""`/executions/stream`."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from kork.errors import BadRequest

from gate.settings import StreamSettings
from gate.streams.hub import Hub
from gate.streams.message import Interest, StreamId, parse_id
from gate.streams.response import EventStream, events

Ids = Annotated[list[str] | None, Query(description="comma separated")]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", description="the id of the last event that was received")]
LastEventIdQuery = Annotated[str, Query(description="as the header, for those who can't set one")]

_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, without end", "content": {"text/event-stream": {}}}
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions and pipelines a client asked for, and from where on."""

    execution_ids: frozenset[str]
    pipeline_config_ids: frozenset[str]
    place: StreamId | None

    def of(self, application: str) -> Interest:
        """Narrow it to an application; an empty one is all."""
        return Interest(application, self.execution_ids, self.pipeline_config_ids)


def _wanted(
    executionId: Ids = None,
    executionIds: Ids = None,
    pipelineConfigId: Ids = None,
    pipelineConfigIds: Ids = None,
    last_event_id: LastEventId = "",
    lastEventId: LastEventIdQuery = "",
) -> Wanted:
    return Wanted(
        _several(executionId, executionIds),
        _several(pipelineConfigId, pipelineConfigIds),
        _place(last_event_id or lastEventId),
    )


def stream_router(hub: Hub, settings: StreamSettings) -> APIRouter:
    """Make the routes of live streams."""
    router = APIRouter(tags=["streams"])

    def stream(wanted: Wanted, application: str) -> EventStream:
        hub.require_room()
        return EventStream(events(hub, wanted.of(application), wanted.place, settings.heartbeat_seconds))

    @router.get("/executions/stream", response_class=EventStream, responses=_DESCRIBED)
    async def stream_executions(wanted: Annotated[Wanted, Depends(_wanted)], application: str = "") -> EventStream:
        """Tell of executions as they change: of all, of an application's, of some pipelines', or of some."""
        return stream(wanted, application)

    @router.get("/applications/{application}/executions/stream", response_class=EventStream, responses=_DESCRIBED)
    @router.get("/applications/{application}/stream", response_class=EventStream, responses=_DESCRIBED)
    async def stream_application(application: str, wanted: Annotated[Wanted, Depends(_wanted)]) -> EventStream:
        """Tell of an application's executions as they change."""
        return stream(wanted, application)

    return router


def _several(*lists: list[str] | None) -> frozenset[str]:
    return frozenset(one for values in lists for value in values or [] for one in value.split(",") if one)


def _place(text: str) -> StreamId | None:
    if not text:
        return None
    place = parse_id(text)
    if place is None:
        raise BadRequest(
            f"Last-Event-ID must be the id of an event of this stream (like 1700000000000-0), not '{text}'."
        )
    return place
