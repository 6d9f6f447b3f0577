"""Events between services: an outbox in Postgres, Redis Streams for the way, consumers that remember.

An event is written to the outbox in the transaction of the change that it tells of. The relay carries
it to a Redis stream; a consumer handles it in a transaction that also records the event's id. So an
event is handled once, though it may travel twice: after a flush of Redis the relay sends everything
of the retention time again, and consumers drop what they have seen.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import psycopg
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from kork.clock import EpochMillis, now_ms
from kork.database import Database, is_outage
from kork.ids import new_ulid
from kork.telemetry import counter, gauge, log
from kork.trail import Trail, current_trail, follow

OUTBOX_CHANNEL = "outbox"
_log = log("kork.bus")
_RETENTION_MS = 24 * 3600 * 1000
_STREAM_LENGTH = 100_000
_BATCH = 500
_SWEEP_SECONDS = 10.0
_BLOCK_MS = 30_000
_BACKOFF_SECONDS = 1.0
_GATHER_SECONDS = 0.01
_PRUNE_SECONDS = 60.0
_PUBLISH = """
    WITH added AS (
        INSERT INTO outbox (id, stream, type, key, payload, created_at, trail)
        SELECT e.id, e.stream, e.type, e.key, e.payload, e.at, %s::json
        FROM json_to_recordset(%s::json) AS e(id text, stream text, type text, key text, payload json, at bigint)
        RETURNING seq)
    SELECT pg_notify(%s, '') FROM (SELECT count(*) FROM added) AS counted
"""

_relayed = counter("bus_relayed_total", "Events carried from the outbox to Redis", "schema")
_handled = counter("bus_handled_total", "Events handled by a consumer", "group", "result")
_waiting = gauge("bus_outbox_waiting", "Events in the outbox that Redis has not got yet", "schema")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `type` on `stream`, about `key`, at `created_at` (ms); `trail` leads to its cause."""

    id: str
    stream: str
    type: str
    key: str
    payload: dict[str, Any]
    created_at: EpochMillis
    trail: Trail = field(default_factory=Trail)


def create_outbox_tables(op: Any) -> None:
    """Create the outbox in a service's first migration (`op` is Alembic's)."""
    op.execute(
        """
        CREATE TABLE outbox (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id text NOT NULL,
            stream text NOT NULL,
            type text NOT NULL,
            key text NOT NULL,
            payload json NOT NULL,
            created_at bigint NOT NULL,
            relayed_at bigint,
            trail json
        );
        CREATE INDEX outbox_waiting ON outbox (seq) WHERE relayed_at IS NULL;
        CREATE INDEX outbox_age ON outbox (created_at);
        CREATE TABLE outbox_epoch (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            epoch text NOT NULL
        );
        INSERT INTO outbox_epoch (epoch) VALUES ('');
        COMMENT ON TABLE outbox_epoch IS 'the memory of Redis in which rows count as relayed';
        """
    )


def add_trails(op: Any) -> None:
    """Let an outbox that was made before events had trails keep them, in a later migration (`op` is Alembic's)."""
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS trail json")


def create_consumer_tables(op: Any) -> None:
    """Create the memory of a consumer in a service's first migration (`op` is Alembic's)."""
    op.execute(
        """
        CREATE TABLE consumed_event (
            consumer text NOT NULL,
            event_id text NOT NULL,
            consumed_at bigint NOT NULL,
            PRIMARY KEY (consumer, event_id)
        );
        CREATE INDEX consumed_event_age ON consumed_event (consumed_at);
        CREATE TABLE failed_event (
            consumer text NOT NULL,
            event_id text NOT NULL,
            stream text NOT NULL,
            type text NOT NULL,
            key text NOT NULL,
            payload jsonb NOT NULL,
            error text NOT NULL,
            failed_at bigint NOT NULL,
            PRIMARY KEY (consumer, event_id)
        );
        COMMENT ON TABLE failed_event IS 'events whose handling failed; they were not tried again';
        """
    )


class Outbox:
    """Writes events within the caller's transaction."""

    @staticmethod
    def publish(connection: Connection, stream: str, type: str, payload: dict[str, Any], key: str = "") -> str:
        """Add one event; it leaves when the transaction commits. Gives its id."""
        [event_id] = Outbox.publish_all(connection, [(stream, type, payload, key)])
        return event_id

    @staticmethod
    def publish_all(connection: Connection, events: Iterable[tuple[str, str, dict[str, Any], str]]) -> list[str]:
        """Add many events `(stream, type, payload, key)` with one statement, and the current trail. Gives their ids."""
        created, trail = now_ms(), current_trail().document()
        rows = [
            {"id": new_ulid(), "stream": stream, "type": type, "payload": payload, "key": key, "at": created}
            for stream, type, payload, key in events
        ]
        if not rows:
            return []
        # By psycopg itself: the caller may send it together with other statements (a pipeline).
        raw = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        written = orjson.dumps(trail).decode() if trail else None
        raw.execute(_PUBLISH, [written, orjson.dumps(rows).decode(), OUTBOX_CHANNEL])
        return [row["id"] for row in rows]


class Relay:
    """Carries a service's outbox to Redis. Any number may run: a row is carried by one at a time."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis: Redis = Redis.from_url(redis_url, socket_timeout=10, socket_connect_timeout=3)
        self._epoch_key = f"bus:epoch:{database.schema}"
        self._epoch: str | None = None
        self._pruned = 0.0

    async def run(self) -> None:
        """Relay until cancelled; wakes by NOTIFY, and every few seconds to sweep.

        What follows closely on a batch is gathered for a moment: under load a batch carries many events.
        """
        try:
            async with self._database.listen(OUTBOX_CHANNEL) as inbox:
                while True:
                    await self._carry_what_waits()
                    carried = time.monotonic()
                    await inbox.next(_SWEEP_SECONDS)
                    if time.monotonic() - carried < _GATHER_SECONDS:
                        await asyncio.sleep(_GATHER_SECONDS)
                    inbox.drain()
        finally:
            await self._redis.aclose()

    async def _carry_what_waits(self) -> None:
        try:
            epoch = await self._agree_on_epoch()
            while await self._carry_batch(epoch) == _BATCH:
                pass
            if time.monotonic() - self._pruned > _PRUNE_SECONDS:
                await asyncio.to_thread(self._prune)
                self._pruned = time.monotonic()
        except (RedisError, SQLAlchemyError, OSError) as error:
            _log.warning("bus.relay.delayed", schema=self._database.schema, error=str(error).splitlines()[0])
            await asyncio.sleep(_BACKOFF_SECONDS)

    async def _agree_on_epoch(self) -> str:
        """Give the name of Redis' present memory; when it is a new one, everything waits again."""
        known: Any = await self._redis.get(self._epoch_key)
        if known is None:
            await self._redis.set(self._epoch_key, new_ulid(), nx=True)
            known = await self._redis.get(self._epoch_key)
        epoch: str = known.decode()
        if epoch != self._epoch:
            await asyncio.to_thread(self._enter, epoch)
            self._epoch = epoch
        return epoch

    async def _carry_batch(self, epoch: str) -> int:
        """Send a batch and mark it; a crash between the two sends it again, which consumers drop."""
        batch = await asyncio.to_thread(self._read_batch)
        if not batch:
            return 0
        async with self._redis.pipeline(transaction=False) as pipe:
            for _, stream, fields in batch:
                pipe.xadd(stream, fields, maxlen=_STREAM_LENGTH, approximate=True)
            await pipe.execute()
        await asyncio.to_thread(self._mark, [seq for seq, _, _ in batch], epoch)
        _relayed.labels(self._database.schema).inc(len(batch))
        return len(batch)

    def _read_batch(self) -> list[tuple[int, str, Any]]:
        """Read what waits: its number, its stream, and the fields of the stream's entry."""
        with self._database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT seq, stream, id, type, key, payload::text, created_at, trail::text FROM outbox"
                    " WHERE relayed_at IS NULL ORDER BY seq LIMIT :n"
                ),
                {"n": _BATCH},
            ).all()
        _waiting.labels(self._database.schema).set(len(rows))
        return [(row[0], row[1], _fields(row[2:])) for row in rows]

    def _mark(self, seqs: list[int], epoch: str) -> None:
        """Mark rows as carried, unless Redis lost its memory since: then they have to travel again."""
        with self._database.begin() as connection:
            if connection.execute(text("SELECT epoch FROM outbox_epoch FOR SHARE")).scalar() != epoch:
                self._epoch = None
                return
            connection.execute(
                text("UPDATE outbox SET relayed_at = :now WHERE seq = ANY(:seqs)"),
                {"now": now_ms(), "seqs": seqs},
            )

    def _enter(self, epoch: str) -> None:
        with self._database.begin() as connection:
            if connection.execute(text("SELECT epoch FROM outbox_epoch")).scalar() == epoch:
                return
            connection.execute(text("UPDATE outbox_epoch SET epoch = :epoch"), {"epoch": epoch})
            connection.execute(text("UPDATE outbox SET relayed_at = NULL WHERE relayed_at IS NOT NULL"))

    def _prune(self) -> None:
        with self._database.begin() as connection:
            connection.execute(
                text("DELETE FROM outbox WHERE created_at < :old AND relayed_at IS NOT NULL"),
                {"old": now_ms() - _RETENTION_MS},
            )


Handler = Callable[[Connection, Event], None]
Wanted = Callable[[Event], bool]


def _everything(_: Event) -> bool:
    return True


class Consumer:
    """Handles the events of some streams, each once, as a member of a group.

    `wanted(event)` says which events concern it; the others cost no transaction.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str,
        *,
        group: str,
        streams: Iterable[str],
        handler: Handler,
        wanted: Wanted = _everything,
    ) -> None:
        self._database = database
        self._redis: Redis = Redis.from_url(redis_url, socket_timeout=_BLOCK_MS / 1000 + 10, socket_connect_timeout=3)
        self._group = group
        self._name = new_ulid()
        self._streams = list(streams)
        self._handler = handler
        self._wanted = wanted

    async def run(self) -> None:
        """Consume until cancelled; survives outages of Redis and of Postgres."""
        try:
            while True:
                try:
                    await self._join()
                    await asyncio.to_thread(self._prune)
                    await self._finish_own()
                    await self._take_over_abandoned()
                    await self._read_new()
                except (RedisError, SQLAlchemyError, OSError) as error:
                    _log.warning("bus.consumer.delayed", group=self._group, error=str(error).splitlines()[0])
                    await asyncio.sleep(_BACKOFF_SECONDS)
        finally:
            await self._redis.aclose()

    async def _join(self) -> None:
        for stream in self._streams:
            try:
                await self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _finish_own(self) -> None:
        """Handle what this member had been given when an outage came."""
        answer: Any = await self._redis.xreadgroup(self._group, self._name, dict.fromkeys(self._streams, "0"))
        for stream, messages in answer.items() if isinstance(answer, dict) else answer or ():
            await self._handle_all(stream.decode(), messages)

    async def _take_over_abandoned(self) -> None:
        """Handle what a member that died had been given more than a minute ago."""
        for stream in self._streams:
            claimed: Any = await self._redis.xautoclaim(
                stream, self._group, self._name, min_idle_time=60_000, count=100
            )
            await self._handle_all(stream, claimed[1])

    async def _read_new(self) -> None:
        while True:
            answer: Any = await self._redis.xreadgroup(
                self._group, self._name, dict.fromkeys(self._streams, ">"), count=100, block=_BLOCK_MS
            )
            if not answer:
                return
            for stream, messages in answer.items() if isinstance(answer, dict) else answer:
                await self._handle_all(stream.decode(), messages)

    async def _handle_all(self, stream: str, messages: Any) -> None:
        while messages and isinstance(messages[0], list):
            messages = [pair for page in messages for pair in page]
        if not messages:
            return
        present = [_event_of(stream, fields) for _, fields in messages if fields]
        events = [event for event in present if self._wanted(event)]
        if events:
            await asyncio.to_thread(self._handle, events)
        await self._redis.xack(stream, self._group, *(message_id for message_id, _ in messages))

    def _handle(self, events: list[Event]) -> None:
        """Handle events in one transaction; when one of them fails for its own reasons, each in its own."""
        try:
            self._handle_together(events)
        except Exception as error:
            if is_outage(error):
                raise
            if len(events) > 1:
                for event in events:
                    self._handle([event])
                return
            [event] = events
            _handled.labels(self._group, "failed").inc()
            _log.exception("bus.event.failed", group=self._group, event_type=event.type, event_id=event.id)
            self._put_aside(event, error)

    def _handle_together(self, events: list[Event]) -> None:
        with self._database.begin() as connection:
            new = self._remember(connection, events)
            for event in events:
                if event.id in new:
                    new.discard(event.id)
                    with follow(event.trail, service=self._group):
                        self._handler(connection, event)
                    _handled.labels(self._group, "handled").inc()

    def _remember(self, connection: Connection, events: list[Event]) -> set[str]:
        """Note that the events are handled in this transaction; give the ids of those that are new."""
        statement = text(
            "INSERT INTO consumed_event (consumer, event_id, consumed_at)"
            " SELECT :c, id, :now FROM unnest(CAST(:ids AS text[])) AS id ON CONFLICT DO NOTHING RETURNING event_id"
        )
        values = {"c": self._group, "ids": [event.id for event in events], "now": now_ms()}
        return set(connection.execute(statement, values).scalars())

    def _put_aside(self, event: Event, error: Exception) -> None:
        with self._database.begin() as connection:
            if not self._remember(connection, [event]):
                return
            connection.execute(
                text(
                    "INSERT INTO failed_event (consumer, event_id, stream, type, key, payload, error, failed_at)"
                    " VALUES (:c, :e, :stream, :type, :key, CAST(:payload AS jsonb), :error, :now)"
                ),
                {
                    "c": self._group,
                    "e": event.id,
                    "stream": event.stream,
                    "type": event.type,
                    "key": event.key,
                    "payload": orjson.dumps(event.payload).decode(),
                    "error": f"{type(error).__name__}: {error}",
                    "now": now_ms(),
                },
            )

    def _prune(self) -> None:
        """Forget events that are older than twice the relay's retention time."""
        with self._database.begin() as connection:
            connection.execute(
                text("DELETE FROM consumed_event WHERE consumed_at < :old"),
                {"old": now_ms() - 2 * _RETENTION_MS},
            )


def _fields(values: Iterable[Any]) -> dict[str, Any]:
    named = zip(("id", "type", "key", "payload", "at", "trail"), values, strict=True)
    return {name: value for name, value in named if value is not None}


def _event_of(stream: str, fields: dict[bytes, bytes]) -> Event:
    return Event(
        id=fields[b"id"].decode(),
        stream=stream,
        type=fields[b"type"].decode(),
        key=fields[b"key"].decode(),
        payload=orjson.loads(fields[b"payload"]),
        created_at=int(fields[b"at"]),
        trail=Trail.of_document(orjson.loads(fields.get(b"trail", b"null"))),
    )


def read_stream_event(stream: str, fields: dict[bytes, bytes]) -> Event:
    """Decode a message that was read straight from a Redis stream (gate's live streams do)."""
    return _event_of(stream, fields)
