"""`/executions/stream`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from kork.errors import BadRequest

from gate.settings import StreamSettings
from gate.streams.hub import Hub
from gate.streams.message import Interest, StreamId, parse_id
from gate.streams.response import EventStream, events

LastEventId = Annotated[str, Header(alias="Last-Event-ID", description="the id of the last event that was received")]
LastEventIdQuery = Annotated[str, Query(alias="lastEventId", description="as the header, for those who can't set one")]
ExecutionId = Annotated[str, Query(alias="executionId")]
PipelineConfigId = Annotated[str, Query(alias="pipelineConfigId")]

_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, without end", "content": {"text/event-stream": {}}}
}


def stream_router(hub: Hub, settings: StreamSettings) -> APIRouter:
    """Make the routes of live streams."""
    router = APIRouter(tags=["streams"])

    def stream(interest: Interest, last: str) -> EventStream:
        hub.require_room()
        return EventStream(events(hub, interest, _place(last), settings.heartbeat_seconds))

    @router.get("/executions/stream", response_class=EventStream, responses=_DESCRIBED)
    async def stream_executions(
        application: str = "",
        execution_id: ExecutionId = "",
        pipeline_config_id: PipelineConfigId = "",
        last_event_id: LastEventId = "",
        last: LastEventIdQuery = "",
    ) -> EventStream:
        """Tell of executions as they change: of all, an application's, a pipeline's, or one."""
        return stream(Interest(application, execution_id, pipeline_config_id), last_event_id or last)

    @router.get("/applications/{application}/executions/stream", response_class=EventStream, responses=_DESCRIBED)
    @router.get("/applications/{application}/stream", response_class=EventStream, responses=_DESCRIBED)
    async def stream_application(
        application: str,
        execution_id: ExecutionId = "",
        pipeline_config_id: PipelineConfigId = "",
        last_event_id: LastEventId = "",
        last: LastEventIdQuery = "",
    ) -> EventStream:
        """Tell of an application's executions as they change."""
        return stream(Interest(application, execution_id, pipeline_config_id), last_event_id or last)

    return router


def _place(text: str) -> StreamId | None:
    if not text:
        return None
    place = parse_id(text)
    if place is None:
        raise BadRequest(
            f"Last-Event-ID must be the id of an event of this stream (like 1700000000000-0), not '{text}'."
        )
    return place
