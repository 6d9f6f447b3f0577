"""One reader of the bus for all live streams of this process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from kork.app import Health
from kork.bus import Event, read_stream_event
from kork.clock import now_ms
from kork.errors import Unavailable
from kork.telemetry import counter, gauge, log
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gate.streams.message import START, Interest, Message, StreamId, format_id, message_of, parse_id
from gate.streams.recent import Recent
from gate.streams.subscription import Subscription

STREAM = "orca.executions"
_BLOCK_MS = 30_000
_BATCH = 500
_REMEMBERED = 200
_BACKOFF_SECONDS = 1.0
_log = log("gate.streams")
_open = gauge("gate_streams_open", "Live streams that are open")
_slow = counter("gate_streams_slow_total", "Live streams ended because the client read too slowly")


class Hub:
    """Reads `orca.executions` once and gives each event to every stream that wants it.

    It reads only while there are streams. Redis may go away and come back: the reading goes on where it was.
    """

    def __init__(self, redis_url: str, *, queue_length: int, max_connections: int) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_timeout=_BLOCK_MS / 1000 + 10,
            socket_connect_timeout=3,
            retry=Retry(NoBackoff(), 1),
        )
        self._queue_length = queue_length
        self._max_connections = max_connections
        self._subscriptions: set[Subscription] = set()
        self._wanted = asyncio.Event()
        self._recent = Recent(now_ms())
        self.position: StreamId | None = None

    def require_room(self) -> None:
        """Raise `Unavailable` when as many streams are open as may be."""
        if len(self._subscriptions) >= self._max_connections:
            raise Unavailable(
                f"{self._max_connections} live streams are open, which is the limit (streams.maxConnections)."
            )

    @contextmanager
    def subscription(self, interest: Interest) -> Iterator[Subscription]:
        """Offer events to a client during a block."""
        held = Subscription(interest, self.position, self._queue_length)
        self._subscriptions.add(held)
        self._wanted.set()
        _open.set(len(self._subscriptions))
        try:
            yield held
        finally:
            self._subscriptions.discard(held)
            _open.set(len(self._subscriptions))

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._read_while_wanted()
                except (RedisError, OSError) as error:
                    _log.warning("stream.delayed", error=(str(error) or repr(error)).splitlines()[0])
                    await asyncio.sleep(_BACKOFF_SECONDS)
        finally:
            self.end_all("gate is stopping; connect again later")
            await self._redis.aclose()

    def end_all(self, reason: str) -> None:
        """End all streams, each with a comment that says why."""
        for subscription in self._subscriptions:
            subscription.end(reason)

    async def knows(self, id: StreamId) -> bool:
        """Say whether the stream still has this event, so that what followed it is complete."""
        if id == START:
            return True
        found: Any = await self._redis.xrange(STREAM, format_id(id), format_id(id), count=1)
        return bool(found)

    async def between(self, after: StreamId, until: StreamId) -> AsyncIterator[Message]:
        """Give what is in the stream behind `after`, up to and with `until`."""
        while after < until:
            found: Any = await self._redis.xrange(STREAM, f"({format_id(after)}", format_id(until), count=_BATCH)
            if not found:
                return
            for id, event in _decoded(found):
                yield message_of(id, event)
                after = id

    async def check(self) -> Health:
        """Say how Redis is: without it streams stand still, and all else works."""
        try:
            async with asyncio.timeout(2.0):
                await cast(Any, self._redis.ping())
        except (RedisError, OSError, TimeoutError) as error:
            return Health("DEGRADED", {"error": str(error) or "no answer within 2 s"})
        return Health("UP")

    async def _read_while_wanted(self) -> None:
        await self._find_place()
        while self._subscriptions:
            answer: Any = await self._redis.xread(
                {STREAM: format_id(self.position or START)}, count=_BATCH, block=_BLOCK_MS
            )
            for _, messages in answer.items() if isinstance(answer, dict) else answer or []:
                for id, event in _decoded(messages):
                    self._tell(id, event)
        self._wanted.clear()
        self.position = None

    async def _find_place(self) -> None:
        """Begin at the end of the stream, or go on where the reading was."""
        last: Any = await self._redis.xrevrange(STREAM, count=_REMEMBERED)
        latest = _decoded(last)
        end = latest[0][0] if latest else START
        if self.position is not None and end < self.position:
            self.end_all("the stream began anew; connect again")
            self.position = None
        if self.position is None:
            self._recent = Recent(latest[0][1].created_at if latest else now_ms())
            for _, event in latest:
                self._recent.is_new(event.id, event.created_at)
            self.position = end
        for subscription in self._subscriptions:
            if subscription.since is None:
                subscription.place(self.position)

    def _tell(self, id: StreamId, event: Event) -> None:
        self.position = id
        if not self._recent.is_new(event.id, event.created_at):
            return
        message = message_of(id, event)
        for subscription in self._subscriptions:
            if not subscription.offer(message):
                _slow.inc()


def _decoded(messages: Any) -> list[tuple[StreamId, Event]]:
    while messages and isinstance(messages[0], list):
        messages = [pair for page in messages for pair in page]
    return [
        (parse_id(id.decode()) or START, read_stream_event(STREAM, fields)) for id, fields in messages or [] if fields
    ]
