"""Artifacts: which there are, what they fetch, what they refuse to fetch."""

import base64
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from clouddriver.artifacts.endpoints import artifact_router
from clouddriver.artifacts.front50 import Front50Account, read_reference
from clouddriver.artifacts.settings import ArtifactsSettings, ArtifactUrlRestrictions, HttpArtifactAccount
from clouddriver.artifacts.url_rules import UrlRefused, require_addresses_allowed, require_allowed
from fastapi import FastAPI
from fastapi.testclient import TestClient
from kork.app import install_error_handlers
from kork.http import SyncServiceClient
from kork.testing.peers import Peer, Reply, Request, serve
from pydantic import ValidationError


def a_file(request: Request) -> Reply:
    """Answer as a web server with files, redirects and a password."""
    inside = f"http://127.0.0.1:{request.headers['host'].rpartition(':')[2]}/who"
    answers: dict[str, Reply] = {
        "/file": (200, b"kind: Pod\n"),
        "/large": (200, b"x" * 5000),
        "/moved": (302, b"", {"Location": "/file"}),
        "/loop": (302, b"", {"Location": "/loop"}),
        "/inside": (302, b"", {"Location": inside}),
        "/who": (200, request.headers.get("authorization", "nobody")),
        "/metadata": (302, b"", {"Location": "http://169.254.169.254/latest"}),
    }
    return answers.get(request.path, (404, b"no"))


@pytest.fixture
def files() -> Iterator[str]:
    """The address of a web server on this machine."""
    with serve(a_file) as server:
        yield server.url.replace("127.0.0.1", "localhost")


def an_api(**settings: Any) -> TestClient:
    app = FastAPI()
    app.include_router(artifact_router(ArtifactsSettings.model_validate(settings)))
    install_error_handlers(app)
    return TestClient(app)


TRUSTED = {"name": "web", "urlRestrictions": {"allowedDomains": ["localhost"]}}


def fetch(api: TestClient, **artifact: Any) -> Any:
    return api.put("/artifacts/fetch", json=artifact)


def test_an_embedded_artifact_is_decoded_byte_for_byte():
    content = bytes(range(256))
    answer = fetch(an_api(), type="embedded/base64", reference=base64.b64encode(content).decode())
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("artifact", "status", "says"),
    [
        ({"type": "embedded/base64", "reference": "###"}, 400, "is not base 64"),
        ({"type": "embedded/base64"}, 400, "has no 'reference'"),
        ({"reference": "x"}, 400, "has no 'type'"),
        (
            {"type": "gcs/object", "reference": "gs://x"},
            404,
            "No artifact account fetches artifacts of type 'gcs/object'",
        ),
        ({"type": "http/file", "reference": "http://x.example.com"}, 404, "No artifact account"),
        ({"type": "docker/image", "reference": "nginx", "artifactAccount": "docker-artifact"}, 400, "have no contents"),
        ({"type": "kubernetes/secret", "reference": "x", "artifactAccount": "kubernetes-artifact"}, 400, "no contents"),
    ],
)
def test_what_can_t_be_fetched_is_said(artifact: dict[str, Any], status: int, says: str):
    answer = fetch(an_api(), **artifact)
    assert (answer.status_code, says in answer.json()["message"]) == (status, True), answer.text


def test_the_accounts_are_listed():
    listed = an_api(http={"enabled": True, "accounts": [{"name": "web"}]}).get("/artifacts/credentials").json()
    assert {
        "name": "embedded-artifact",
        "types": ["embedded/base64", "remote/base64"],
        "type": "artifacts-embedded",
    } in listed
    assert [account["name"] for account in listed if account["types"] == ["http/file"]] == [
        "web",
        "no-auth-http-account",
    ]


def test_a_file_is_fetched_also_behind_a_redirect(files: str):
    api = an_api(http={"enabled": True, "accounts": [TRUSTED]})
    for path in ("/file", "/moved"):
        answer = fetch(api, type="http/file", artifactAccount="web", reference=files + path)
        assert (answer.status_code, answer.content) == (200, b"kind: Pod\n")


def test_a_request_goes_to_the_address_that_was_checked_and_names_the_host(files: str):
    rules = {"rejectLocalhost": False, "rejectVerbatimIps": False}
    api = an_api(http={"enabled": True, "accounts": [{"name": "web", "urlRestrictions": rules}]})
    reference = files.replace("localhost", "127.0.0.1") + "/inside"
    answer = fetch(api, type="http/file", artifactAccount="web", reference=reference)
    assert (answer.status_code, answer.content) == (200, b"nobody")


def test_which_account_fetches_must_be_said_and_be_there(files: str):
    api = an_api(http={"enabled": True, "accounts": [TRUSTED]})
    unsaid = fetch(api, type="http/file", reference=f"{files}/file")
    assert (unsaid.status_code, "give 'artifactAccount', one of web" in unsaid.json()["message"]) == (400, True)
    unknown = fetch(api, type="http/file", artifactAccount="nope", reference=f"{files}/file")
    assert (unknown.status_code, "There is no artifact account 'nope'" in unknown.json()["message"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "says"),
    [("/none", "the server answered 404"), ("/loop", "more than 10 redirects"), ("/large", "larger than 1000 bytes")],
)
def test_what_the_other_side_doesn_t_give_is_a_502(files: str, path: str, says: str):
    api = an_api(maxBytes=1000, http={"enabled": True, "accounts": [TRUSTED]})
    answer = fetch(api, type="http/file", artifactAccount="web", reference=files + path)
    assert (answer.status_code, says in answer.json()["message"]) == (502, True), answer.text
    assert answer.json()["message"].startswith("Unable to download the contents of artifact")


def test_a_password_goes_to_its_own_host_only(files: str, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("bob:secret\n")
    rules = {"allowedDomains": ["localhost", "127.0.0.1"]}
    for given in ({"username": "bob", "password": "secret"}, {"usernamePasswordFile": str(file)}):
        api = an_api(http={"enabled": True, "accounts": [{"name": "web", "urlRestrictions": rules, **given}]})
        seen = [
            fetch(api, type="http/file", artifactAccount="web", reference=files + path).content
            for path in ("/who", "/inside")
        ]
        assert seen == [b"Basic " + base64.b64encode(b"bob:secret"), b"nobody"]


@pytest.mark.parametrize("path", ["/metadata", "/inside"])
def test_a_redirect_is_checked_as_the_address_is(files: str, path: str):
    api = an_api(http={"enabled": True, "accounts": [TRUSTED]})
    answer = fetch(api, type="http/file", artifactAccount="web", reference=files + path)
    assert (answer.status_code, "may not be fetched" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://files.example.com/x",
        "file:///etc/passwd",
        "http://",
        "http://localhost/x",
        "http://intranet/x",
        "http://db.internal/x",
        "http://printer.local./x",
        "http://10.0.0.1/x",
        "http://[::1]/x",
        "http://[::1/x",
        "http://x.example.com:port/",
        "no address",
    ],
)
def test_addresses_that_are_local_or_none_are_refused(url: str):
    with pytest.raises(UrlRefused):
        require_allowed(url, ArtifactUrlRestrictions())


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "10.1.2.3"]
)
def test_names_that_lead_to_refused_addresses_are_refused(address: str):
    with pytest.raises(UrlRefused, match="it leads to"):
        require_addresses_allowed(
            "http://x.example.com", [ip_address(address)], ArtifactUrlRestrictions(rejected_ips=["10.0.0.0/8"])
        )


def test_other_addresses_are_allowed():
    assert require_allowed("https://files.example.com/x", ArtifactUrlRestrictions()) == "files.example.com"
    outside = [ip_address("93.184.216.34"), ip_address("10.1.2.3")]
    require_addresses_allowed("http://x.example.com", outside, ArtifactUrlRestrictions())


@pytest.mark.parametrize(
    "account",
    [
        {"name": "a", "username": "u"},
        {"name": "a", "username": "u", "password": "p", "usernamePasswordFile": "/x"},
        {"name": "a", "urlRestrictions": {"rejectedIps": ["many"]}},
        {"name": ""},
    ],
)
def test_accounts_that_can_t_be_meant_are_refused(account: dict[str, Any]):
    with pytest.raises(ValidationError):
        HttpArtifactAccount.model_validate(account)


def a_front50(request: Request) -> Reply:
    """Answer as a front50 with one template."""
    if request.path == "/v2/pipelineTemplates/broken":
        return 500, {"message": "no disk"}
    if request.path != "/v2/pipelineTemplates/deploy":
        return 404, {"message": f"Pipeline template not found (id: {request.path.rpartition('/')[2]})"}
    return 200, {"id": "deploy", "version": request.query}


@pytest.fixture
def templates() -> Iterator[tuple[TestClient, Peer]]:
    """An API that knows a front50, and that front50."""
    with serve(a_front50) as peer:
        front50 = SyncServiceClient(peer.url, service="front50")
        app = FastAPI()
        app.include_router(artifact_router(ArtifactsSettings(), Front50Account(front50)))
        install_error_handlers(app)
        yield TestClient(app), peer
        front50.close()


TEMPLATE = {"type": "front50/pipelineTemplate", "artifactAccount": "front50ArtifactCredentials"}


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("spinnaker://deploy", {}),
        ("spinnaker://deploy:stable", {"tag": "stable"}),
        ("spinnaker://deploy@sha256:abc", {"digest": "abc"}),
    ],
)
def test_a_template_is_fetched_from_front50(templates: tuple[TestClient, Peer], reference: str, version: Any):
    answer = fetch(templates[0], **TEMPLATE, reference=reference)
    assert (answer.status_code, answer.json()) == (200, {"id": "deploy", "version": version})


@pytest.mark.parametrize(
    ("reference", "status", "told"),
    [
        ("spinnaker://other", 404, "Pipeline template not found (id: other)"),
        ("spinnaker://broken", 502, "no disk"),
        ("deploy", 400, "must be specified with a 'reference' starting with spinnaker://"),
        ("spinnaker://", 400, "Malformed Front50 artifact reference"),
        ("spinnaker://a:b:c", 400, "Malformed Front50 artifact reference"),
        ("spinnaker://a:", 400, "Malformed Front50 artifact reference"),
    ],
)
def test_a_template_that_can_t_be_fetched_says_why(
    templates: tuple[TestClient, Peer], reference: str, status: int, told: str
):
    answer = fetch(templates[0], **TEMPLATE, reference=reference)
    assert answer.status_code == status
    assert told in answer.json()["message"]


def test_an_id_of_a_template_is_one_segment_of_the_address():
    assert read_reference("spinnaker://a/../b") == ("a/../b", {})
