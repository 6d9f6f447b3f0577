"""Who and what gate lets in."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from gate.access.authentication import anonymous, chain, is_loopback, methods_of, signed
from gate.access.origins import Origins
from gate.access.paths import normal_path
from gate.app import create_app
from gate.settings import GateSettings
from gennaker.embedded import EmbeddedRedis
from kork.errors import BadRequest, Unauthorized
from kork.identity import Identity, Signer, identity_headers
from kork.settings import SettingsError
from starlette.datastructures import Headers

SIGNER = Signer("a secret that is long enough")
NOWHERE = {name: {"port": 1} for name in ("front50", "orca", "clouddriver", "echo")}


@pytest.fixture(scope="module")
def gate(redis_server: EmbeddedRedis) -> Iterator[TestClient]:
    """A gate whose services are all away."""
    settings = {"services": NOWHERE, "redis": {"url": redis_server.url}, "http": {"maxPublicBodyBytes": 2048}}
    with TestClient(create_app(GateSettings.model_validate(settings))) as client:
        yield client


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/applications/shop", "/applications/shop"),
        (b"/applications/shop/", "/applications/shop"),
        (b"/", "/"),
        (b"/manifests/a/b/deployment%20web", "/manifests/a/b/deployment web"),
        (b"/applications/my.app-v1.2", "/applications/my.app-v1.2"),
        (b"/pipelines/x/%C3%BC%F0%9F%9A%80", "/pipelines/x/ü🚀"),
        (b"/pipelines/x/a%2Fb", "/pipelines/x/a\x01b"),
        (b"/pipelines/x/a%2fb%252F", "/pipelines/x/a\x01b%2F"),
        (b"/pipelines/x/...", "/pipelines/x/..."),
        (b"/x?y=%2F", "/x"),
    ],
)
def test_a_path_has_one_form(raw: bytes, expected: str):
    assert normal_path(raw) == expected


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        (b"/pipelines/..", b""),
        (b"/pipelines/%2e%2e/applications", b""),
        (b"/pipelines/.%2Fx", b""),
        (b"/pipelines/a%00", b""),
        (b"/pipelines/a%01", b""),
        (b"/pipelines/a%7F", b""),
        (b"/pipelines/a%0Ab", b""),
        (b"/pipelines/a%5Cb", b""),
        (b"/pipelines/%ff", b""),
        (b"/executions", b"limit=%00"),
        (b"/executions", b"limit=%ff"),
    ],
)
def test_a_path_that_could_be_misread_is_refused(raw: bytes, query: bytes):
    with pytest.raises(BadRequest):
        normal_path(raw, query)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("gate.example.com", False),
    ],
)
def test_loopback_is_known(host: str, expected: bool):
    assert is_loopback(host) is expected


def on(host: str, **security: Any) -> GateSettings:
    return GateSettings.model_validate({"services": {"gate": {"host": host, "port": 8084}}, "security": security})


def test_an_open_gate_beyond_loopback_does_not_start_unless_it_is_wanted():
    with pytest.raises(SettingsError, match=r"0\.0\.0\.0.*security\.allowAnonymous"):
        create_app(on("0.0.0.0"))
    assert methods_of(on("0.0.0.0", allowAnonymous=True), SIGNER)


@pytest.mark.parametrize(("trusted", "expected"), [(True, Identity("ann", ("k8s",))), (False, Identity())])
def test_a_name_in_a_header_is_believed_on_loopback_only(trusted: bool, expected: Identity):
    headers = Headers({"X-SPINNAKER-USER": "ann", "X-SPINNAKER-ACCOUNTS": "k8s"})
    assert anonymous(SIGNER, trust_names=trusted)(headers) == expected


def test_a_signed_identity_is_believed_everywhere_and_a_forged_one_nowhere():
    admin = Identity("root", roles=("ops",), admin=True)
    authenticate = chain([signed(SIGNER), anonymous(SIGNER, trust_names=True)])
    assert authenticate(Headers(identity_headers(admin, SIGNER))) == admin
    with pytest.raises(Unauthorized):
        authenticate(Headers(identity_headers(admin, Signer("another secret, quite as long"))))


def test_nobody_is_let_in_without_a_method_that_knows_them():
    with pytest.raises(Unauthorized, match="Log in"):
        chain([signed(SIGNER)])(Headers({}))


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:9000", "x", True),
        ("http://localhost:9000.evil.com", "x", False),
        ("http://evil.com", "evil.com", False),
        ("http://localhost:8084", "localhost:8084", True),
        ("http://localhost:8085", "localhost:8084", False),
        ("null", "localhost:8084", False),
    ],
)
def test_pages_of_known_origins_may_call(origin: str, host: str, expected: bool):
    rule = Origins(None, allowed=r"https?://(localhost|127\.0\.0\.1):9000")  # type: ignore[arg-type]
    assert rule.knows(origin, host) is expected


def test_a_preflight_is_answered_and_every_answer_has_the_headers(gate: TestClient):
    origin = {"Origin": "http://localhost:9000"}
    preflight = gate.options("/tasks", headers=origin)
    assert (preflight.status_code, preflight.content) == (200, b"")
    assert "x-ratelimit-app" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for answer in (preflight, gate.get("/nothing", headers=origin), gate.get("/version", headers=origin)):
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:9000"
    assert gate.get("/version").headers["Access-Control-Allow-Origin"] == "*"


def test_a_foreign_page_can_change_nothing(gate: TestClient):
    answer = gate.post("/tasks", headers={"Origin": "http://evil.example"}, json={})
    assert (answer.status_code, "evil.example" in answer.json()["message"]) == (403, True)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_user_sees_who_they_are(gate: TestClient):
    anonymous_user = gate.get("/auth/user").json()
    assert (anonymous_user["username"], anonymous_user["email"]) == ("anonymous", "anonymous")
    assert anonymous_user["allowedAccounts"] == []
    assert gate.get("/auth/user/", headers={"X-SPINNAKER-USER": "ann"}).json()["username"] == "ann"
    assert gate.get("/admin").json() == {"username": "anonymous", "isAdmin": False}
    assert gate.get("/version").json()["version"]


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("http://localhost:9000/#/applications", 302),
        ("http://evil.example/", 400),
        ("//evil.example", 400),
        ("http://localhost:9000@evil.example/", 400),
        ("http://[", 400),
        ("", 400),
    ],
)
def test_a_redirect_goes_to_known_pages_only(gate: TestClient, to: str, status: int):
    answer = gate.get("/auth/redirect", params={"to": to}, follow_redirects=False)
    assert answer.status_code == status
    if status == 302:
        assert answer.headers["location"] == to


def test_a_request_id_is_echoed_or_made(gate: TestClient):
    assert gate.get("/version", headers={"X-SPINNAKER-REQUEST-ID": "r-1"}).headers["X-SPINNAKER-REQUEST-ID"] == "r-1"
    assert gate.get("/version").headers["X-SPINNAKER-REQUEST-ID"]


def test_services_that_are_away_degrade_gate_and_are_named(gate: TestClient):
    answer = gate.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "UP")
    components = answer.json()["components"]
    assert {name: part["status"] for name, part in components.items()} == {
        "front50": "DEGRADED",
        "orca": "DEGRADED",
        "clouddriver": "DEGRADED",
        "echo": "DEGRADED",
        "redis": "UP",
    }


AWAY = [
    ("GET", "/applications", "front50"),
    ("GET", "/applications/shop", "front50"),
    ("GET", "/applications/shop/pipelines", "orca"),
    ("GET", "/applications/shop/pipelineConfigs", "front50"),
    ("GET", "/executions?executionIds=1", "orca"),
    ("GET", "/pipelines/1", "orca"),
    ("GET", "/tasks/1", "orca"),
    ("GET", "/credentials", "clouddriver"),
    ("GET", "/manifests/a/b/c", "clouddriver"),
    ("POST", "/webhooks/webhook/ci", "echo"),
    ("GET", "/cron/validate?expression=x", "echo"),
    ("GET", "/notifications/metadata", "echo"),
]


@pytest.mark.parametrize(("method", "path", "service"), AWAY)
def test_a_service_that_is_away_is_a_503_that_names_it(gate: TestClient, method: str, path: str, service: str):
    answer = gate.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]) == (503, 503, "Service Unavailable")
    assert service in body["message"]
    assert {"timestamp", "exception"} <= body.keys()


EMPTY = {
    "/plugins/deck/plugin-manifest.json": [],
    "/banners": [],
    "/auth/user/serviceAccounts": [],
    "/bakery/options": [],
    "/v2/canaryConfig": [],
    "/executions": [],
    "/executions?pipelineConfigIds=": [],
    "/search?q=ab&type=applications": [],
    "/managed/application/shop": {"applicationPaused": False, "hasManagedResources": False, "resources": []},
}


@pytest.mark.parametrize("path", EMPTY)
def test_what_is_off_or_empty_needs_no_service(gate: TestClient, path: str):
    answer = gate.get(path)
    assert (answer.status_code, answer.json()) == (200, EMPTY[path])


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/managed/graphql", "use pipelines"),
        ("GET", "/v3/builds/jenkins/job", "webhook"),
        ("POST", "/auth/apiTokens", "not served yet"),
        ("GET", "/bakery/logs/us/1", "manifests"),
        ("PUT", "/plugins/info", "entry point"),
    ],
)
def test_what_is_not_served_is_a_501_that_says_what_to_do(gate: TestClient, method: str, path: str, hint: str):
    answer = gate.request(method, path)
    assert (answer.status_code, answer.json()["error"]) == (501, "Not Implemented")
    assert hint in answer.json()["message"]


DEEP = b"[" * 100_000
MALFORMED: list[tuple[str, str, bytes, int]] = [
    ("POST", "/tasks", b"", 400),
    ("POST", "/tasks", b"{", 400),
    ("POST", "/tasks", b"[]", 400),
    ("POST", "/tasks", b'"text"', 400),
    ("POST", "/tasks", b"null", 400),
    ("POST", "/tasks", b'{"a": NaN}', 400),
    ("POST", "/tasks", b'{"a": "\xff"}', 400),
    ("POST", "/tasks", b'{"a": "\\ud800"}', 400),
    ("POST", "/tasks", b'{"a": ["x\\u0000"]}', 400),
    ("POST", "/tasks", DEEP[:2000], 400),
    ("POST", "/tasks", b"x" * 2049, 413),
    ("POST", "/pipelines", b"[]", 400),
    ("POST", "/pipelines", b'{"name": "x"}', 400),
    ("POST", "/pipelines", b'{"name": "x", "application": 7}', 400),
    ("POST", "/pipelines/bulksave", b"{}", 400),
    ("POST", "/pipelines/bulksave", b"[1]", 400),
    ("POST", "/pipelines/move", b"[]", 400),
    ("PUT", "/pipelines/1", b'{"application": "shop", "id": "2"}', 400),
    ("POST", "/pipelines/shop/deploy", b"[]", 400),
    ("POST", "/pipelines/v2/shop/deploy", b"{", 400),
    ("PATCH", "/pipelines/1/stages/2", b"[]", 400),
    ("POST", "/pipelines/1/evaluateExpression", b"", 400),
    ("POST", "/pipelines/1/evaluateVariables", b"[]", 400),
    ("POST", "/pipelines/1/evaluateVariables?executionId=1", b"{}", 400),
    ("POST", "/actions/pipelines/reorder", b"{}", 400),
    ("POST", "/actions/pipelines/reorder", b'{"application": "shop", "idsToIndices": []}', 400),
    ("POST", "/webhooks/webhook/ci", b"[1]", 400),
    ("POST", "/webhooks/webhook/ci", b"payload=%7B%7D", 400),
    ("POST", "/webhooks/webhook/ci", b"{" + b" " * 2048 + b"}", 413),
    ("POST", "/notifications/application/shop", b"[]", 400),
    ("GET", "/applications/shop/pipelines?limit=ten", b"", 400),
    ("GET", "/applications/shop/pipelines?expand=perhaps", b"", 400),
    ("GET", "/executions?executionIds=1&pipelineConfigIds=2", b"", 400),
    ("GET", "/search?q=shop", b"", 400),
    ("GET", "/executions/stream?lastEventId=yesterday", b"", 400),
    ("GET", "/applications/a%2Fb", b"", 400),
    ("GET", "/pipelines/a%2Fb", b"", 400),
    ("GET", "/pipelines/%2e%2e", b"", 400),
    ("GET", "/pipelines/%ff", b"", 400),
    ("PUT", "/tasks/cancel", b"", 400),
    ("POST", "/applications", b"{}", 405),
    ("GET", "/no/such/path", b"", 404),
]


@pytest.mark.parametrize(("method", "path", "content", "status"), MALFORMED)
def test_malformed_input_is_a_clear_4xx(gate: TestClient, method: str, path: str, content: bytes, status: int):
    answer = gate.request(method, path, content=content)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["status"], bool(body["message"])) == (status, True)


@pytest.mark.parametrize("name", ["X-SPINNAKER-USER", "X-SPINNAKER-APPLICATION", "X-SPINNAKER-REQUEST-ID"])
def test_a_header_that_could_not_go_on_is_refused(gate: TestClient, name: str):
    answer = gate.get("/version", headers={name.encode(): "Zoë".encode()})
    assert (answer.status_code, name in answer.json()["message"]) == (400, True)


def test_the_description_names_each_operation_once_and_says_what_it_does(gate: TestClient):
    described = gate.get("/openapi.json").json()
    operations = [one for path in described["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) > 150
    assert all(one.get("summary") and one.get("tags") for one in operations)
