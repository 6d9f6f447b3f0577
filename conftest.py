"""What every test may use: a real Postgres and a real Redis, and waiting on conditions.

Each xdist worker starts one server of each kind when a test first asks, and gives every test a database
of its own.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from gennaker.embedded import EmbeddedPostgres, EmbeddedRedis
from kork.testing import waiting
from redis import Redis

pytest_plugins = ["testcluster.fixtures"]

_names = itertools.count()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for this worker's tests."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    with EmbeddedPostgres(folder / "data", settings=fast) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The address of an empty database for one test."""
    name = f"test_{next(_names)}"
    with psycopg.connect(postgres_server.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        yield postgres_server.url_of(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis server for this worker's tests."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The address of an empty Redis database that no other test of this worker uses now."""
    url = redis_server.url_of(next(_names) % 256)
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """Wait for a condition: `wait_until(lambda: …)` fails with what it last saw."""
    return waiting.wait_until


@pytest.fixture
def wait_until_async() -> Callable[..., object]:
    """Wait for a condition without blocking the loop: `await wait_until_async(lambda: …)`."""
    return waiting.wait_until_async
