"""The HTTP side of a live stream."""

import asyncio
from collections.abc import AsyncIterator

from kork.telemetry import log
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Message as AsgiMessage
from starlette.types import Send

from gate.streams.hub import Hub
from gate.streams.message import Interest, StreamId, comment, format_id, reset

_SEND_TIMEOUT_SECONDS = 30.0
_log = log("gate.streams")


class EventStream(StreamingResponse):
    """Server-sent events. A client that takes nothing for half a minute is dropped."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], status_code: int = 200) -> None:
        super().__init__(content, status_code, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Send the events as they come."""

        async def impatient(message: AsgiMessage) -> None:
            async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
                await send(message)

        try:
            await super().stream_response(impatient)
        except TimeoutError:
            _log.warning("stream.dropped", reason=f"the client took nothing for {_SEND_TIMEOUT_SECONDS:g} s")


async def events(hub: Hub, interest: Interest, last: StreamId | None, heartbeat_seconds: float) -> AsyncIterator[bytes]:
    """Give the text of a stream: what came after `last`, then what comes, with heartbeats between.

    Each heartbeat carries the place in the stream, so that also a client that heard nothing can resume.
    """
    with hub.subscription(interest) as subscription:
        yield comment("connected")
        while subscription.since is None:
            await subscription.wait(heartbeat_seconds)
            if subscription.ended:
                yield comment(subscription.ended)
                return
            if subscription.since is None:
                yield comment("waiting for Redis")
        sent = subscription.since
        if last is not None:
            async for text, place in _missed(hub, interest, last, subscription.since):
                sent = place
                yield text
        yield _here("up to date", sent)
        while True:
            for message in subscription.take():
                if message.id > sent:
                    sent = message.id
                    yield message.text()
            if subscription.ended:
                yield comment(subscription.ended)
                return
            if not await subscription.wait(heartbeat_seconds):
                sent = max(sent, hub.position or sent)
                yield _here("heartbeat", sent)


async def _missed(
    hub: Hub, interest: Interest, last: StreamId, until: StreamId
) -> AsyncIterator[tuple[bytes, StreamId]]:
    """Give what came after `last`, or a reset where that is no longer known, each with the place then reached."""
    checked = False
    while True:
        try:
            if not checked and not await hub.knows(last):
                reason = "The event to resume from is no longer kept. Load what you show anew."
                yield reset(reason, until), until
                return
            checked = True
            async for message in hub.between(last, until):
                last = message.id
                if interest.includes(message):
                    yield message.text(), last
            yield comment("resumed"), max(last, until)
            return
        except (RedisError, OSError) as error:
            _log.warning("stream.delayed", error=(str(error) or repr(error)).splitlines()[0])
            yield comment("waiting for Redis"), last
            await asyncio.sleep(1.0)


def _here(text: str, place: StreamId) -> bytes:
    return b"id: %s\n" % format_id(place).encode() + comment(text)
