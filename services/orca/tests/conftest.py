"""Settings for an orca of its own, and one that the tests of a module share."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from gennaker.embedded import EmbeddedPostgres, EmbeddedRedis
from gennaker.embedded.process import free_port
from kork.http import SyncServiceClient
from kork.testing.databases import migrated
from kork.testing.peers import Peer, serve
from orca.settings import OrcaSettings
from orca.testing import Driver
from orca.testing.clouddriver import Clouddriver
from orca.testing.running import Orca, running_orca
from psycopg import sql

_databases = itertools.count()


@pytest.fixture(scope="session")
def new_orca_settings(postgres_server: EmbeddedPostgres, redis_server: EmbeddedRedis) -> Callable[..., OrcaSettings]:
    """Make settings for an orca of its own: a migrated database, an empty Redis database, a free port."""

    def make(**more: Any) -> OrcaSettings:
        number = next(_databases)
        name = f"orca_{number}"
        with psycopg.connect(postgres_server.url_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
        values: dict[str, Any] = {
            "embedded": True,
            "database": {"url": postgres_server.url_of(name)},
            "redis": {"url": redis_server.url_of(255 - number % 64)},
            "services": {"orca": {"port": free_port()}},
        }
        settings = OrcaSettings.model_validate(values | more)
        with migrated(settings.database, "orca"):
            return settings

    return make


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Orca]:
    """An orca that the tests of a module share."""
    with running_orca(new_orca_settings()) as running:
        yield running


@pytest.fixture
def wait() -> Callable[..., dict[str, Any]]:
    """Make a wait stage: `wait("1")`, `wait("2", after=["1"], seconds=5)`."""

    def make(ref: str, *, after: list[str] | None = None, seconds: float = 0, **more: Any) -> dict[str, Any]:
        stage = {"refId": ref, "requisiteStageRefIds": after or [], "type": "wait", "name": f"wait {ref}"}
        return stage | {"waitTime": seconds} | more

    return make


@pytest.fixture
def clouddriver() -> Clouddriver:
    """A clouddriver that speaks its protocol over a socket; a test tells it what to answer."""
    return Clouddriver()


@pytest.fixture
def peer(clouddriver: Clouddriver) -> Iterator[Peer]:
    """The server that is the `clouddriver`."""
    with serve(clouddriver.reply) as peer:
        yield peer


@pytest.fixture
def driver(peer: Peer) -> Iterator[Driver]:
    """An engine in virtual time whose stages call the `clouddriver`."""
    client = SyncServiceClient(peer.url, service="clouddriver")
    yield Driver(clouddriver=client)
    client.close()
