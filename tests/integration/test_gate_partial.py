"""What gate answers while some services are away: the real front50 comes and goes, clouddriver never comes."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from front50.app import create_app as front50_app
from front50.settings import Front50Settings
from gate.app import create_app as gate_app
from gate.settings import GateSettings
from kork.identity import Identity as Person
from kork.identity import Signer, identity_headers
from kork.testing.databases import migrated
from kork.testing.serving import Server

SECRET = "a secret that both know"


@pytest.fixture
def front50(postgres_url: str, redis_url: str) -> Iterator[Server]:
    """Front50 as a service that takes signed identities only."""
    settings = Front50Settings.model_validate(
        {"database": {"url": postgres_url}, "redis": {"url": redis_url}, "identity": {"secret": SECRET}}
    )
    service = Server(lambda: front50_app(settings))
    headers = identity_headers(Person("ann"), Signer(SECRET))
    with migrated(settings.database, "front50"), httpx.Client(base_url=service.url, headers=headers) as client:
        service.start()
        for name in ("shop", "bank"):
            body = {"name": name, "email": f"{name}@b.example"}
            assert client.post("/v2/applications", json=body).status_code == 200
        pipeline = {"application": "shop", "name": "deploy", "stages": []}
        assert client.post("/pipelines", json=pipeline).status_code == 200
        yield service
        service.close()


def gate_of(port: int, redis_url: str, secret: str = SECRET) -> TestClient:
    nowhere = {name: {"port": 1} for name in ("orca", "clouddriver", "echo")}
    settings = {
        "services": nowhere | {"front50": {"port": port}},
        "redis": {"url": redis_url},
        "identity": {"secret": secret},
    }
    return TestClient(gate_app(GateSettings.model_validate(settings)))


def test_applications_are_listed_while_services_are_away(front50: Server, redis_url: str):
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


def test_a_start_and_a_save_name_the_service_that_is_away(front50: Server, redis_url: str):
    with gate_of(front50.port, redis_url) as gate:
        start = gate.post("/pipelines/shop/deploy", json={})
        assert start.status_code == 503
        assert "pipelineNameOrId: deploy" in start.json()["message"]
        assert "echo" in start.json()["message"]
        save = gate.post("/pipelines", json={"application": "shop", "name": "other"})
        assert (save.status_code, "orca" in save.json()["message"]) == (503, True)


def test_services_of_another_secret_are_named_as_such(front50: Server, redis_url: str):
    with gate_of(front50.port, redis_url, "a secret of someone else") as gate:
        answer = gate.get("/applications/shop/pipelineConfigs")
        assert answer.status_code == 503
        assert "identity.secret" in answer.json()["message"]
