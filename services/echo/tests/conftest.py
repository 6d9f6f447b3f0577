"""Echo beside an orca and a front50 that are real servers on sockets, and can be away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from echo.app import create_app
from echo.settings import EchoSettings
from echo.testing.peers import Front50Peer, OrcaPeer, Receiver
from fastapi.testclient import TestClient
from kork.database import Database
from kork.testing.databases import migrated


@pytest.fixture
def orca() -> Iterator[OrcaPeer]:
    peer = OrcaPeer()
    peer.start()
    yield peer
    peer.close()


@pytest.fixture
def front50() -> Iterator[Front50Peer]:
    peer = Front50Peer()
    peer.start()
    yield peer
    peer.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    peer = Receiver()
    peer.start()
    yield peer
    peer.close()


@pytest.fixture
def echo_settings(postgres_url: str, redis_url: str, orca: OrcaPeer, front50: Front50Peer) -> EchoSettings:
    return EchoSettings.model_validate(
        {
            "embedded": True,
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "services": {
                "orca": {"baseUrl": f"http://127.0.0.1:{orca.port}"},
                "front50": {"baseUrl": f"http://127.0.0.1:{front50.port}"},
            },
            "scheduler": {"cron": {"timezone": "UTC"}},
            "starts": {"maxBackoffSeconds": 0.5},
            "notifications": {"maxBackoffSeconds": 0.5, "maxAttempts": 4},
        }
    )


@pytest.fixture
def echo_database(echo_settings: EchoSettings) -> Iterator[Database]:
    with migrated(echo_settings.database, "echo") as database:
        yield database


@pytest.fixture
def serve(echo_settings: EchoSettings, echo_database: Database) -> Iterator[Callable[..., TestClient]]:
    """Start an instance of echo; changes to its settings may be given."""
    clients: list[TestClient] = []

    def start(**changes: Any) -> TestClient:
        settings = EchoSettings.model_validate(echo_settings.model_dump(by_alias=True) | changes)
        client = TestClient(create_app(settings), headers={"X-SPINNAKER-USER": "alice"})
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)
