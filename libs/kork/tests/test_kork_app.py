"""What every service answers, whatever its own endpoints are."""

from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from kork.app import Health, service_app
from kork.caller import CurrentUser
from kork.errors import BadRequest, NotFound
from kork.identity import Identity, Signer, identity_headers
from kork.settings import ServiceSettings
from pydantic import BaseModel

SECRET = "a secret of the tests"


class Body(BaseModel):
    count: int


router = APIRouter()


@router.get("/who")
def who(user: CurrentUser) -> dict[str, Any]:
    return {"user": user.user, "accounts": user.accounts}


@router.get("/missing")
def missing() -> None:
    raise NotFound("Application not found (id: foo)")


@router.get("/faulty")
def faulty() -> None:
    raise BadRequest("Two things are wrong.", errors=["one", "two"])


@router.get("/crash")
def crash() -> None:
    raise RuntimeError("a secret detail")


@router.post("/body")
def body(sent: Body) -> int:
    return sent.count


async def down() -> Health:
    raise ConnectionError("refused")


async def up() -> Health:
    return Health("UP")


def client(*, embedded: bool = True, checks: dict[str, Any] | None = None) -> TestClient:
    settings = ServiceSettings.model_validate(
        {"embedded": embedded, "identity": {"secret": SECRET}, "http": {"maxBodyBytes": 2048}}
    )
    return TestClient(service_app("test", settings, routers=[router], checks=checks), raise_server_exceptions=False)


def test_errors_have_spinnakers_body():
    answer = client().get("/missing")
    assert answer.status_code == 404
    said = answer.json()
    assert set(said) == {"timestamp", "status", "error", "message", "exception"}
    assert (said["status"], said["error"]) == (404, "Not Found")
    assert said["message"] == "Application not found (id: foo)"
    assert client().get("/faulty").json()["errors"] == ["one", "two"]


def test_a_crash_is_a_500_that_tells_no_secret():
    answer = client().get("/crash")
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b'{"count": 1}', 200, "1"),
        (b'{"count": ', 400, "The body is not JSON"),
        (b'{"count": "many"}', 400, "'count'"),
        (b"[]", 400, "body"),
        (b'{"count": 1, "pad": "' + b"x" * 4000 + b'"}', 413, "larger than 2048 bytes"),
    ],
)
def test_a_body_is_checked(sent: bytes, status: int, said: str):
    answer = client().post("/body", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert said in answer.text


def test_unknown_paths_and_methods_are_told():
    assert "No handler found for GET /nowhere" in client().get("/nowhere").text
    assert client().delete("/who").status_code == 405


def test_the_request_id_is_echoed_or_made():
    assert client().get("/who", headers={"X-SPINNAKER-REQUEST-ID": "r1"}).headers["x-spinnaker-request-id"] == "r1"
    assert len(client().get("/who").headers["x-spinnaker-request-id"]) == 26


def test_a_signed_identity_is_believed_and_a_forged_one_is_not():
    alice = Identity(user="alice", accounts=("prod", "test"))
    signed = identity_headers(alice, Signer(SECRET))
    assert client(embedded=False).get("/who", headers=signed).json() == {
        "user": "alice",
        "accounts": ["prod", "test"],
    }
    forged = identity_headers(alice, Signer("some other secret"))
    assert client(embedded=False).get("/who", headers=forged).status_code == 401
    assert client(embedded=True).get("/who", headers=forged).status_code == 401


def test_an_unsigned_identity_counts_only_when_embedded():
    unsigned = {"X-SPINNAKER-USER": "bob"}
    assert client(embedded=True).get("/who", headers=unsigned).json()["user"] == "bob"
    assert client(embedded=False).get("/who", headers=unsigned).status_code == 401
    assert client(embedded=False).get("/health/liveness").status_code == 200


def test_health_shows_each_dependency():
    answer = client(checks={"redis": up, "database": down}).get("/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "DOWN",
        "components": {
            "redis": {"status": "UP"},
            "database": {"status": "DOWN", "details": {"error": "refused"}},
        },
    }
    assert client(checks={"redis": up}).get("/health").status_code == 200


def test_metrics_count_requests_by_route():
    app = client()
    app.get("/who")
    assert (
        'http_server_requests_seconds_count{method="GET",route="/who",service="test",status="200"}'
        in app.get("/metrics").text
    )
