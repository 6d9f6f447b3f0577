"""Live streams, on a real Redis and over real connections."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from gate.streams.hub import STREAM, Hub
from gate.streams.message import Interest, Message, StreamId, format_id, message_of, parse_id
from gate.streams.recent import Recent
from gate.streams.response import events
from gennaker.embedded import EmbeddedRedis
from kork.background import background, end
from kork.bus import Event
from kork.errors import Unavailable
from kork.ids import new_ulid
from redis.asyncio import Redis

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-0", (1, 0)),
        (" 1700000000000-12 ", (1_700_000_000_000, 12)),
        ("", None),
        ("1", None),
        ("-", None),
        ("1-", None),
        ("a-1", None),
        ("1-2-3", None),
        ("²-0", None),
        ("9" * 16 + "-0", None),
    ],
)
def test_the_id_of_an_event_is_its_place_in_the_stream(text: str, expected: StreamId | None):
    assert parse_id(text) == expected


def payload(**more: Any) -> dict[str, Any]:
    return {"application": "Shop", "executionId": "E1", "pipelineConfigId": "P1", **more}


def message(**more: Any) -> Message:
    return message_of((5, 1), Event("e", STREAM, "execution.updated", "k", payload(**more), NOW))


def test_an_event_is_sent_with_its_place_its_type_and_its_payload():
    lines = message(name="line\nbreak").text().decode().split("\n")
    assert lines[:2] == ["id: 5-1", "event: execution.updated"]
    assert orjson.loads(lines[2].removeprefix("data: ")) == payload(name="line\nbreak")
    assert lines[3:] == ["", ""]


@pytest.mark.parametrize(
    ("interest", "expected"),
    [
        (Interest(), True),
        (Interest("shop"), True),
        (Interest("bank"), False),
        (Interest("SHOP", frozenset({"E1"}), frozenset({"P1"})), True),
        (Interest(execution_ids=frozenset({"E2"})), False),
        (Interest(execution_ids=frozenset({"E1", "E2"})), True),
        (Interest(pipeline_config_ids=frozenset({"P2"})), False),
    ],
)
def test_a_client_hears_of_what_it_asked_for(interest: Interest, expected: bool):
    assert interest.includes(message()) is expected


def test_an_event_without_a_pipeline_interests_those_who_ask_for_no_pipeline():
    orchestration = message(pipelineConfigId=None)
    assert Interest("shop").includes(orchestration)
    assert not Interest(pipeline_config_ids=frozenset({"P1"})).includes(orchestration)


def test_what_was_told_lately_or_is_long_past_is_not_new():
    recent = Recent(NOW)
    assert recent.is_new("a", NOW + 1)
    assert not recent.is_new("a", NOW + 1)
    assert recent.is_new("late", NOW - 1000)
    assert not recent.is_new("old", NOW - 600_000)
    assert recent.is_new("b", NOW + 500_000)
    assert not recent.is_new("a", NOW + 1)


@asynccontextmanager
async def running(redis_url: str, *, queue_length: int = 1000, max_connections: int = 10) -> AsyncIterator[Hub]:
    hub = Hub(redis_url, queue_length=queue_length, max_connections=max_connections)
    async with background(hub.run()):
        yield hub


class Client:
    """Reads a stream, and notes what it heard."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.last: StreamId | None = None
        self.types: list[str] = []
        self.text = ""
        self.ended = False
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def connect(self, hub: Hub, interest: Interest | None = None, heartbeat: float = 15.0) -> None:
        self.ended = False
        stream = events(hub, interest or Interest(), self.last, heartbeat)
        self._task = asyncio.create_task(self._read(stream))

    async def heard(self, number: int) -> None:
        """Wait until this number was heard."""
        while self.numbers[-1:] != [number] and number:
            self._news.clear()
            await self._news.wait()

    async def disconnect(self) -> None:
        assert self._task is not None
        await end(self._task)

    async def _read(self, stream: AsyncIterator[bytes]) -> None:
        async for chunk in stream:
            self.text += chunk.decode()
            self._news.set()
            for line in chunk.decode().splitlines():
                key, _, value = line.partition(": ")
                if key == "id":
                    self.last = parse_id(value)
                elif key == "event":
                    self.types.append(value)
                elif key == "data" and "number" in orjson.loads(value):
                    self.numbers.append(orjson.loads(value)["number"])
        self.ended = True


class Orca:
    """Puts events on the bus as the relay does."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(redis_url)
        self.sent: list[dict[str, Any]] = []

    async def tell(self, number: int, application: str = "shop", at: int | None = None) -> None:
        fields: dict[str, Any] = {
            "id": new_ulid(),
            "type": "execution.updated",
            "key": "k",
            "payload": orjson.dumps({"application": application, "executionId": f"E{number}", "number": number}),
            "at": at if at is not None else NOW + number,
        }
        self.sent.append(fields)
        await self._redis.xadd(STREAM, fields)  # type: ignore[arg-type]

    async def lose_memory_and_send_again(self) -> None:
        await self._redis.flushdb()
        for fields in self.sent:
            await self._redis.xadd(STREAM, fields)  # type: ignore[arg-type]

    async def connect(self) -> None:
        await self._redis.connection_pool.disconnect()

    async def aclose(self) -> None:
        await self._redis.aclose()


@pytest.fixture
async def orca(redis_url: str) -> AsyncIterator[Orca]:
    sender = Orca(redis_url)
    await sender.tell(0)
    yield sender
    await sender.aclose()


async def test_all_streams_hear_what_they_want_through_one_reader(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    async with running(redis_url) as hub:
        everything, bank = Client(), Client()
        await everything.connect(hub)
        await bank.connect(hub, Interest("BANK"))
        await wait_until_async(lambda: "up to date" in everything.text and "up to date" in bank.text)
        await orca.tell(1)
        await orca.tell(2, "bank")
        await wait_until_async(lambda: everything.numbers == [1, 2] and bank.numbers == [2])


async def test_a_client_that_comes_and_goes_hears_everything_once(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    chance = random.Random(7)
    async with running(redis_url) as hub:
        client, other = Client(), Client()
        await other.connect(hub)
        await client.connect(hub)
        await wait_until_async(lambda: "up to date" in client.text)
        number = 0
        for _ in range(25):
            for _ in range(chance.randrange(40)):
                number += 1
                await orca.tell(number)
            if chance.random() < 0.5:
                await asyncio.wait_for(client.heard(number), 10)
            await client.disconnect()
            for _ in range(chance.randrange(20)):
                number += 1
                await orca.tell(number)
            await client.connect(hub)
        await wait_until_async(lambda: client.numbers[-1:] == [number] and other.numbers[-1:] == [number])
        assert client.numbers == other.numbers == list(range(1, number + 1))


async def test_a_client_resumes_at_another_gate(redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]):
    client = Client()
    async with running(redis_url) as hub:
        await client.connect(hub)
        await wait_until_async(lambda: "up to date" in client.text)
        await orca.tell(1)
        await wait_until_async(lambda: client.numbers == [1])
    await wait_until_async(lambda: client.ended)
    assert "gate is stopping" in client.text
    await orca.tell(2)
    async with running(redis_url) as hub:
        await client.connect(hub)
        await wait_until_async(lambda: client.numbers == [1, 2])


async def test_a_heartbeat_moves_the_place_to_resume_from(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    async with running(redis_url) as hub:
        client = Client()
        await client.connect(hub, Interest("bank"), heartbeat=0.05)
        await wait_until_async(lambda: "heartbeat" in client.text)
        before = client.last
        await orca.tell(1)
        await wait_until_async(lambda: client.last and before and client.last > before)
        assert client.numbers == []


async def test_a_client_that_does_not_read_loses_its_stream_and_resumes(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    async with running(redis_url, queue_length=5) as hub:
        stream = events(hub, Interest(), None, 15.0)
        heard = b""
        while b"up to date" not in heard:
            heard += await anext(stream)
        other = Client()
        await other.connect(hub)
        await wait_until_async(lambda: "up to date" in other.text)
        for number in range(1, 20):
            await orca.tell(number)
        await wait_until_async(lambda: len(other.numbers) + ("too slowly" in other.text) * 20 >= 19)
        rest = [chunk async for chunk in stream]
        assert b"you read too slowly" in rest[-1]
        slow = Client()
        slow.last = parse_id(heard.decode().split("id: ")[1].split("\n")[0])
        await slow.connect(hub)
        await wait_until_async(lambda: slow.numbers == list(range(1, 20)))


async def test_an_event_that_is_no_longer_kept_makes_the_client_load_anew(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    async with running(redis_url) as hub:
        client = Client()
        client.last = (1, 1)
        await client.connect(hub)
        await wait_until_async(lambda: client.types == ["stream.reset"])
        await orca.tell(1)
        await wait_until_async(lambda: client.numbers == [1])


async def test_what_is_sent_again_after_redis_lost_its_memory_is_not_told_again(
    redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]
):
    async with running(redis_url) as hub:
        client = Client()
        await client.connect(hub)
        await wait_until_async(lambda: "up to date" in client.text)
        await orca.tell(1)
        await orca.tell(-500_000, at=NOW - 500_000)
        await wait_until_async(lambda: client.numbers == [1])
        await orca.lose_memory_and_send_again()
        await orca.tell(2)
        await wait_until_async(lambda: client.numbers[-1] == 2)
        assert client.numbers == [1, 2]


async def test_a_stream_outlives_an_outage_of_redis(tmp_path: Path, wait_until_async: Callable[..., Any]):
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    try:
        async with running(server.url) as hub:
            client, late = Client(), Client()
            orca = Orca(server.url)
            await orca.tell(0)
            await client.connect(hub)
            await wait_until_async(lambda: "up to date" in client.text)
            await orca.tell(1)
            await wait_until_async(lambda: client.numbers == [1])
            server.stop()
            assert (await hub.check()).status == "DEGRADED"
            late.last = (1, 1)
            await late.connect(hub, heartbeat=0.05)
            await wait_until_async(lambda: "waiting for Redis" in late.text)
            server.start()
            assert (await hub.check()).status == "UP"
            await orca.connect()
            await orca.lose_memory_and_send_again()
            await orca.tell(2)
            await wait_until_async(lambda: client.numbers == [1, 2])
            await wait_until_async(lambda: late.types[:1] == ["stream.reset"])
            assert not client.ended
            await orca.aclose()
    finally:
        server.stop()


async def test_only_so_many_streams_are_opened(redis_url: str, orca: Orca, wait_until_async: Callable[..., Any]):
    async with running(redis_url, max_connections=1) as hub:
        client = Client()
        await client.connect(hub)
        await wait_until_async(lambda: "connected" in client.text)
        with pytest.raises(Unavailable, match=r"streams\.maxConnections"):
            hub.require_room()
        await client.disconnect()
        hub.require_room()


def test_an_id_is_written_as_it_is_read():
    assert parse_id(format_id((12, 3))) == (12, 3)
