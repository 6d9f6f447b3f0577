"""What gate answers while some services are away: the real front50 comes and goes, clouddriver never comes."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from front50.app import create_app as front50_app
from front50.settings import Front50Settings
from gate.app import create_app as gate_app
from gate.settings import GateSettings
from gennaker.embedded.process import free_port
from kork.database import Database
from kork.identity import Identity as Person
from kork.identity import Signer, identity_headers

SECRET = "a secret that both know"


class Front50:
    """Front50 on a port of its own, as a service that takes signed identities only."""

    def __init__(self, settings: dict[str, Any], wait_until: Callable[..., None]) -> None:
        self.port = free_port()
        self._settings = Front50Settings.model_validate(settings)
        self._wait_until = wait_until
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        config = uvicorn.Config(front50_app(self._settings), port=self.port, log_level="error")
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        self._wait_until(lambda: server.started, timeout=30)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()


@pytest.fixture
def front50(postgres_url: str, redis_url: str, wait_until: Callable[..., None]) -> Iterator[Front50]:
    settings = {"database": {"url": postgres_url}, "redis": {"url": redis_url}, "identity": {"secret": SECRET}}
    database = Database(Front50Settings.model_validate(settings).database, schema="front50")
    database.migrate()
    database.dispose()
    service = Front50(settings, wait_until)
    service.start()
    headers = identity_headers(Person("ann"), Signer(SECRET))
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", headers=headers) as client:
        for name in ("shop", "bank"):
            body = {"name": name, "email": f"{name}@b.example"}
            assert client.post("/v2/applications", json=body).status_code == 200
        pipeline = {"application": "shop", "name": "deploy", "stages": []}
        assert client.post("/pipelines", json=pipeline).status_code == 200
    yield service
    service.stop()


def gate_of(port: int, redis_url: str, secret: str = SECRET) -> TestClient:
    nowhere = {name: {"port": 1} for name in ("orca", "clouddriver", "echo")}
    settings = {
        "services": nowhere | {"front50": {"port": port}},
        "redis": {"url": redis_url},
        "identity": {"secret": secret},
    }
    return TestClient(gate_app(GateSettings.model_validate(settings)))


def test_applications_are_listed_while_services_are_away(front50: Front50, redis_url: str):
    with gate_of(front50.port, redis_url) as gate:
        listed = gate.get("/applications")
        assert [app["name"] for app in listed.json()] == ["bank", "shop"]
        alone = gate.get("/applications/shop")
        assert (alone.status_code, alone.json()["clusters"]) == (200, {})
        assert alone.json()["attributes"]["email"] == "shop@b.example"
        unsure = gate.get("/applications/nobody")
        assert (unsure.status_code, "clouddriver" in unsure.json()["message"]) == (503, True)
        front50.stop()
        assert gate.get("/applications").json() == listed.json()
        assert gate.get("/applications", params={"owner": "BANK@b.example"}).json()[0]["name"] == "bank"
        assert gate.get("/applications/shop").json()["attributes"]["email"] == "shop@b.example"
        assert gate.get("/applications/shop", params={"expand": "false"}).status_code == 200
        away = gate.get("/applications/shop/pipelineConfigs")
        assert (away.status_code, "front50" in away.json()["message"]) == (503, True)
        front50.start()
        assert [config["name"] for config in gate.get("/applications/shop/pipelineConfigs").json()] == ["deploy"]


def test_a_start_and_a_save_name_the_service_that_is_away(front50: Front50, redis_url: str):
    with gate_of(front50.port, redis_url) as gate:
        start = gate.post("/pipelines/shop/deploy", json={})
        assert start.status_code == 503
        assert "pipelineNameOrId: deploy" in start.json()["message"]
        assert "echo" in start.json()["message"]
        save = gate.post("/pipelines", json={"application": "shop", "name": "other"})
        assert (save.status_code, "orca" in save.json()["message"]) == (503, True)


def test_services_of_another_secret_are_named_as_such(front50: Front50, redis_url: str):
    with gate_of(front50.port, redis_url, "a secret of someone else") as gate:
        answer = gate.get("/applications/shop/pipelineConfigs")
        assert answer.status_code == 503
        assert "identity.secret" in answer.json()["message"]
