"""Events reach their consumer once, through outages and repetitions, on a real Postgres and Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from kork.background import background
from kork.bus import Consumer, Event, Outbox, Relay, create_consumer_tables, create_outbox_tables
from kork.database import Database, notify
from kork.settings import DatabaseSettings
from redis import Redis
from sqlalchemy import Connection, text

STREAM = "tests.things"


class Executes:
    """Alembic's `op`, as far as the tables need it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        self._connection.execute(text(sql))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(DatabaseSettings(url=postgres_url), schema="bus")
    with database.begin() as connection:
        connection.execute(text("CREATE SCHEMA bus"))
        create_outbox_tables(Executes(connection))
        create_consumer_tables(Executes(connection))
        connection.execute(text("CREATE TABLE seen (n int)"))
    yield database
    database.dispose()


def publish(database: Database, *numbers: int) -> None:
    with database.begin() as connection:
        for number in numbers:
            Outbox.publish(connection, STREAM, "thing.happened", {"n": number}, key=str(number))


def record(connection: Connection, event: Event) -> None:
    if event.payload["n"] < 0:
        raise ValueError("a negative thing")
    connection.execute(text("INSERT INTO seen VALUES (:n)"), event.payload)


def seen(database: Database) -> list[int]:
    with database.connect() as connection:
        return [row.n for row in connection.execute(text("SELECT n FROM seen ORDER BY n"))]


@asynccontextmanager
async def running(database: Database, redis_url: str) -> AsyncIterator[None]:
    consumer = Consumer(database, redis_url, group="tests", streams=[STREAM], handler=record)
    async with background(Relay(database, redis_url).run(), consumer.run()):
        yield


async def test_events_arrive_once_and_in_order(
    database: Database, redis_url: str, wait_until_async: Callable[..., Any]
):
    publish(database, 1, 2)
    async with running(database, redis_url):
        publish(database, 3)
        await wait_until_async(lambda: seen(database) == [1, 2, 3])


async def test_a_rolled_back_change_tells_nothing(
    database: Database, redis_url: str, wait_until_async: Callable[..., Any]
):
    with database.begin() as connection:
        Outbox.publish(connection, STREAM, "thing.happened", {"n": 1})
        connection.rollback()
    async with running(database, redis_url):
        publish(database, 2)
        await wait_until_async(lambda: seen(database) == [2])


async def test_a_flushed_redis_loses_and_doubles_nothing(
    database: Database, redis_url: str, wait_until_async: Callable[..., Any]
):
    redis = Redis.from_url(redis_url)
    async with running(database, redis_url):
        publish(database, 1)
        await wait_until_async(lambda: seen(database) == [1])
    async with background(Relay(database, redis_url).run()):
        publish(database, 2)
        await wait_until_async(lambda: redis.xlen(STREAM) == 2)
    redis.flushdb()
    async with running(database, redis_url):
        publish(database, 3)
        await wait_until_async(lambda: seen(database) == [1, 2, 3])
    redis.close()


async def test_two_members_share_the_events(database: Database, redis_url: str, wait_until_async: Callable[..., Any]):
    async with running(database, redis_url), running(database, redis_url):
        await asyncio.to_thread(publish, database, *range(50))
        await wait_until_async(lambda: seen(database) == list(range(50)))


async def test_an_event_that_cannot_be_handled_does_not_hold_up_the_others(
    database: Database, redis_url: str, wait_until_async: Callable[..., Any]
):
    async with running(database, redis_url):
        publish(database, -1, 1)
        await wait_until_async(lambda: seen(database) == [1])
    with database.connect() as connection:
        [failed] = connection.execute(text("SELECT type, payload, error FROM failed_event")).all()
    assert tuple(failed) == ("thing.happened", {"n": -1}, "ValueError: a negative thing")


async def test_an_outage_in_the_middle_of_an_event_delays_it_only(
    database: Database, redis_url: str, wait_until_async: Callable[..., Any]
):
    attempts: list[int] = []

    def handle(connection: Connection, event: Event) -> None:
        attempts.append(event.payload["n"])
        if len(attempts) == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        record(connection, event)

    consumer = Consumer(database, redis_url, group="tests", streams=[STREAM], handler=handle)
    async with background(Relay(database, redis_url).run(), consumer.run()):
        publish(database, 1, 2)
        await wait_until_async(lambda: seen(database) == [1, 2])
    assert attempts == [1, 1, 2]


async def test_a_notification_arrives_and_a_lost_connection_is_told(
    database: Database, wait_until_async: Callable[..., Any]
):
    async with database.listen("bell") as inbox:
        assert await inbox.next(10) is None
        with database.begin() as connection:
            notify(connection, "bell", "one")
        rung = await inbox.next(10)
        assert rung is not None
        assert (rung.channel, rung.payload) == ("bell", "one")
        with database.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            )
        assert await inbox.next(10) is None
        with database.begin() as connection:
            notify(connection, "bell", "two")
        again = await inbox.next(10)
        assert again is not None
        assert again.payload == "two"


def test_a_connection_that_postgres_has_closed_is_not_used_again(database: Database):
    with database.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(database.settings.url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with database.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid
