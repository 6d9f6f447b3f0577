"""What goes with a webhook's requests, and when they are sent: ids, signatures, accounts, allow-lists, Retry-After."""

import base64
import hashlib
import hmac
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kork.identity import Identity
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.authentication import authority_of
from orca.execution.model import Execution, StageExecution
from orca.stages.catalogue import StageCatalogue
from orca.stages.preconfigured_webhook import listed, preconfigured_webhooks
from orca.testing import Driver, pipeline, stage
from orca.webhooks.addresses import is_under
from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions
from orca.webhooks.signing import key_of, signed
from orca.webhooks.waiting import retry_at
from pydantic import ValidationError
from ruamel.yaml import YAML
from structlog.testing import capture_logs

LOOPBACK = WebhookUrlRestrictions(allowed_hostnames_regex="", reject_localhost=False, reject_verbatim_ips=False)
JsonMap = dict[str, Any]


@dataclass
class Settings:
    webhook: WebhookSettings
    user_configured_url_restrictions: WebhookUrlRestrictions = field(default_factory=lambda: LOOPBACK)


class Server:
    """Answers each path from its list of replies, repeating the last."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}

    def reply(self, request: Request) -> Reply:
        replies = self.replies.get(request.path, [(200, {})])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def peer(server: Server) -> Iterator[Peer]:
    with serve(server.reply) as peer:
        yield peer


@pytest.fixture
def driver() -> Iterator[Driver]:
    with httpx2.Client() as client:
        yield Driver(http=client, settings=settings())


def settings(**webhook: Any) -> Settings:
    return Settings(WebhookSettings.model_validate({"readTimeoutMs": 2_000} | webhook))


def run(driver: Driver, *stages: StageExecution, user: Identity | None = None) -> Execution:
    execution = pipeline(*stages)
    if user is not None:
        execution.authentication = authority_of(user)
    return driver.run(execution)


def errors_of(stage: StageExecution) -> str:
    return "; ".join(stage.context["exception"]["details"]["errors"])


# --- the id of a request


def test_a_request_that_is_sent_again_has_the_same_id_and_a_restart_another(driver: Driver, server: Server, peer: Peer):
    server.replies["/hook"] = [(503, "x"), (200, {})]
    first = stage("1", "webhook", url=f"{peer.url}/hook")
    run(driver, first)
    again = replace(first, start_time=(first.start_time or 0) + 1, tasks=[])
    for each in (first, again):
        view = driver.catalogue.find("webhook").view(pipeline(each), each)
        spec = driver.catalogue.task("com.netflix.spinnaker.orca.webhook.tasks.CreateWebhookTask")
        assert spec.io is not None
        spec.io(view, driver.services())
    keys = [request.headers["idempotency-key"] for request in peer.requests]
    assert len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(len(key) == 64 for key in keys)


def test_a_call_its_watch_and_its_cancellation_have_ids_of_their_own(driver: Driver, server: Server, peer: Peer):
    server.replies |= {"/start": [(200, {"s": "bad"})]}
    first = stage(
        "1",
        "webhook",
        url=f"{peer.url}/start",
        waitForCompletion=True,
        statusJsonPath="$.s",
        terminalStatuses="bad",
        cancelEndpoint=f"{peer.url}/cancel",
    )
    assert run(driver, first).status.value == "TERMINAL"
    call, watch, cancel = peer.requests
    assert (call.method, watch.method, cancel.path) == ("POST", "GET", "/cancel")
    assert call.headers["idempotency-key"] != cancel.headers["idempotency-key"]
    assert "idempotency-key" not in watch.headers


def test_a_stage_s_own_key_is_kept(driver: Driver, peer: Peer):
    run(driver, stage("1", "webhook", url=f"{peer.url}/hook", customHeaders={"idempotency-key": "mine"}))
    assert peer.requests[0].headers["idempotency-key"] == "mine"


# --- Retry-After


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        (None, None),
        ("7", 7_000),
        (" 120 ", 120_000),
        ("0", 1_000),
        ("99999999999999999999", 3_600_000),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30_000),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 1_000),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_an_answer_says_when_to_come_again(header: str | None, delay: int | None):
    now = 1_792_567_680_000
    at = retry_at(header, now)
    assert (None if at is None else at - now) == delay


@pytest.mark.parametrize(("header", "least", "most"), [({"Retry-After": "47"}, 47_000, 48_000), ({}, 10_000, 11_000)])
def test_a_call_that_is_put_off_waits_as_long_as_it_is_told(
    driver: Driver, server: Server, peer: Peer, header: dict[str, str], least: int, most: int
):
    server.replies["/hook"] = [(429, "x", header), (200, {})]
    started = driver.now
    assert run(driver, stage("1", "webhook", url=f"{peer.url}/hook")).status.value == "SUCCEEDED"
    assert least <= driver.now - started < most


def test_a_watch_comes_again_when_it_is_told(driver: Driver, server: Server, peer: Peer):
    server.replies |= {
        "/status": [
            (503, "x", {"Retry-After": "20"}),
            (200, {"s": "busy"}, {"Retry-After": "30"}),
            (200, {"s": "done"}),
        ]
    }
    first = stage(
        "1", "webhook", url=f"{peer.url}/status", monitorOnly=True, statusJsonPath="$.s", successStatuses="done"
    )
    started = driver.now
    assert run(driver, first).status.value == "SUCCEEDED"
    assert 50_000 <= driver.now - started < 52_000


# --- signatures


def test_a_signature_is_that_of_the_standard():
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_of_keys_are_text_base64_or_references(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK_KEY", "whsec_aGVsbG8=")
    assert key_of("plain") == b"plain"
    assert key_of("secret://env/HOOK_KEY") == b"hello"
    with pytest.raises(ValueError, match="base64"):
        key_of("whsec_!")


def verified(request: Request, key: bytes) -> bool:
    said = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.content
    digest = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    return request.headers["webhook-signature"] == f"v1,{digest}"


def with_account(peer: Peer, **account: Any) -> Settings:
    given = {"name": "ci", "urlPrefixes": [f"{peer.url}/ci"], "headers": {"Authorization": "Bearer secret"}} | account
    return settings(accounts=[given], signing=[{"name": "k", "secret": "a key"}])


def test_an_account_s_requests_are_signed_and_carry_its_headers(driver: Driver, server: Server, peer: Peer):
    driver.settings = with_account(peer, signing="k")
    headers = {"authorization": "mine", "webhook-signature": "forged"}
    first = stage("1", "webhook", account="ci", url=f"{peer.url}/ci/go", payload={"a": 1}, customHeaders=headers)
    assert run(driver, first).status.value == "SUCCEEDED", first.context
    [request] = peer.requests
    assert request.headers["authorization"] == "Bearer secret"
    assert verified(request, b"a key")
    assert request.headers["webhook-id"] == request.headers["idempotency-key"]
    assert abs(int(request.headers["webhook-timestamp"]) - driver.now // 1000) < 60
    assert "secret" not in str(first.context)


def test_credentials_do_not_follow_a_redirect_to_another_place(driver: Driver, server: Server, peer: Peer):
    driver.settings = with_account(peer, signing="k")
    other = Server()
    with serve(other.reply) as elsewhere:
        server.replies["/ci/go"] = [(307, None, {"Location": f"{elsewhere.url}/there"})]
        run(driver, stage("1", "webhook", account="ci", url=f"{peer.url}/ci/go", customHeaders={"Cookie": "c"}))
        [request] = elsewhere.requests
    assert request.headers.keys().isdisjoint({"authorization", "webhook-signature", "cookie"})
    assert "webhook-signature" in peer.requests[0].headers


# --- accounts


@pytest.mark.parametrize(
    ("more", "context", "told"),
    [
        ({}, {"url": "/other"}, "is for addresses under"),
        ({"permissions": {"WRITE": ["ops"]}}, {}, "'bob' may not use the webhook account 'ci'"),
    ],
)
def test_an_account_is_for_its_addresses_and_people(
    driver: Driver, peer: Peer, more: JsonMap, context: JsonMap, told: str
):
    driver.settings = with_account(peer, **more)
    first = stage("1", "webhook", account="ci", url=f"{peer.url}{context.get('url', '/ci')}")
    assert run(driver, first, user=Identity("bob")).status.value == "TERMINAL"
    assert told in errors_of(first)
    assert peer.requests == []


def test_an_account_s_people_may_use_it(driver: Driver, peer: Peer):
    driver.settings = with_account(peer, permissions={"WRITE": ["Ops"]})
    first = stage("1", "webhook", account="ci", url=f"{peer.url}/ci")
    assert run(driver, first, user=Identity("bob", roles=("ops",))).status.value == "SUCCEEDED", first.context


def test_an_account_can_be_required_and_checked(driver: Driver, peer: Peer):
    driver.settings = settings(requireAccount=True)
    unnamed = stage("1", "webhook", url=f"{peer.url}/x")
    run(driver, unnamed)
    assert "webhook.requireAccount" in errors_of(unnamed)

    from kork.http import SyncServiceClient

    credentials = Server()
    credentials.replies["/credentials/nobody"] = [(404, {"message": "no"})]
    with serve(credentials.reply) as clouddriver:
        driver.settings = settings(validateAccount=True)
        driver.clouddriver = SyncServiceClient(clouddriver.url, service="clouddriver")
        unknown, known = (stage("1", "webhook", url=f"{peer.url}/x", account=name) for name in ("nobody", "k8s"))
        run(driver, unknown)
        assert run(driver, known).status.value == "SUCCEEDED"
        driver.clouddriver.close()
    assert "there is no account 'nobody' for webhooks" in errors_of(unknown)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("url", "prefix", "under"),
    [
        ("https://a.example/x/y", "https://a.example/x", True),
        ("https://a.example", "https://a.example", True),
        ("https://a.example/x?q=1", "https://a.example/x?q=", True),
        ("https://a.example.evil/x", "https://a.example", False),
        ("https://a.example:8443/x", "https://a.example", False),
        ("http://a.example/x", "https://a.example", False),
        ("https://a.example@evil.example/x", "https://a.example", False),
        ("https://user:pw@a.example/x", "https://a.example", False),
        ("https://a.example/X", "https://a.example/x", False),
    ],
)
def test_a_prefix_never_reaches_into_another_host(url: str, prefix: str, under: bool):
    assert is_under(url, prefix) is under


# --- allowed requests


def allow(*entries: JsonMap) -> Settings:
    return settings(allowedRequestsEnabled=True, allowedRequests=list(entries), readTimeoutMs=200)


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ({"httpMethods": ["POST"], "urlPrefix": "URL/a"}, True),
        ({"httpMethods": ["GET"], "urlPrefix": "URL/a"}, False),
        ({"httpMethods": ["POST"], "urlPrefix": "URL/b"}, False),
        ({"httpMethods": ["POST"], "matchStrategy": "PATTERN_MATCHES", "urlPattern": "http://.*/a[0-9]?"}, True),
        ({"httpMethods": ["POST"], "matchStrategy": "PATTERN_MATCHES", "urlPattern": "/a"}, False),
    ],
)
def test_only_allowed_requests_are_sent(driver: Driver, peer: Peer, entry: JsonMap, allowed: bool):
    prefix = entry.get("urlPrefix")
    driver.settings = allow(entry | ({"urlPrefix": prefix.replace("URL", peer.url)} if prefix else {}))
    first = stage("1", "webhook", url=f"{peer.url}/a")
    assert run(driver, first).status.value == ("SUCCEEDED" if allowed else "TERMINAL")
    assert len(peer.requests) == int(allowed)
    if not allowed:
        assert f"http method 'POST', uri: '{peer.url}/a' not allowed" in errors_of(first)


def test_a_redirect_has_to_be_allowed_too(driver: Driver, server: Server, peer: Peer):
    server.replies["/a"] = [(307, None, {"Location": "/b"})]
    driver.settings = allow({"httpMethods": ["POST"], "urlPrefix": f"{peer.url}/a"})
    first = stage("1", "webhook", url=f"{peer.url}/a")
    assert run(driver, first).status.value == "TERMINAL"
    assert [request.path for request in peer.requests] == ["/a"]


@pytest.mark.parametrize(("safe", "told"), [(True, "TimeoutException"), (False, "WebhookFailed")])
def test_a_call_without_an_answer_is_repeated_where_that_is_safe(driver: Driver, safe: bool, told: str):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        driver.settings = allow({"httpMethods": ["POST"], "urlPrefix": url, "safeToRetry": safe})
        first = stage("1", "webhook", url=url, stageTimeoutMs=15_000)
        assert run(driver, first).status.value == "TERMINAL"
    assert first.context["exception"]["exceptionType"] == told


# --- preconfigured webhooks


def prepared(peer: Peer, **more: Any) -> JsonMap:
    return {"type": "tell", "label": "Tell", "url": f"{peer.url}/tell", "method": "POST"} | more


def use(driver: Driver, *webhooks: JsonMap, **more: Any) -> WebhookSettings:
    driver.settings = settings(preconfigured=list(webhooks), **more)
    made: WebhookSettings = driver.settings.webhook
    driver.catalogue = StageCatalogue.load().with_types(preconfigured_webhooks(made))
    return made


def test_sensitive_headers_and_signatures_of_a_prepared_webhook_stay_out_of_sight(driver: Driver, peer: Peer):
    webhook = prepared(peer, sensitiveHeaders={"X-Token": "s3cr3t"}, signing="k")
    made = use(driver, webhook, signing=[{"name": "k", "secret": "a key"}])
    first = stage("1", "tell", payload={"a": "${sensitiveHeaders}"})
    second = stage("2", "wait", ["1"], waitTime=0, comments="${#stage('tell 1').context}")
    run(driver, first, second)
    [request] = peer.requests
    assert request.headers["x-token"] == "s3cr3t"
    assert verified(request, b"a key")
    assert "s3cr3t" not in str([first.context, first.outputs, second.context, listed(made)])


def test_a_plain_webhook_can_not_have_itself_signed(driver: Driver, peer: Peer):
    driver.settings = settings(signing=[{"name": "k", "secret": "a key"}])
    first = stage("1", "webhook", url=f"{peer.url}/x", signing="k", sensitiveHeaders={"X-Token": "x"})
    run(driver, first)
    assert peer.requests[0].headers.keys().isdisjoint({"webhook-signature", "x-token"})


@pytest.mark.parametrize(
    ("roles", "admin", "status"), [((), False, "TERMINAL"), (("ops",), False, "SUCCEEDED"), ((), True, "SUCCEEDED")]
)
def test_a_prepared_webhook_runs_for_who_may(
    driver: Driver, peer: Peer, roles: tuple[str, ...], admin: bool, status: str
):
    use(driver, prepared(peer, permissions={"WRITE": ["ops"]}))
    first = stage("1", "tell")
    assert run(driver, first, user=Identity("bob", roles=roles, admin=admin)).status.value == status


def test_a_prepared_webhook_that_is_off_is_no_stage_type(driver: Driver, peer: Peer):
    made = use(driver, prepared(peer, enabled=False))
    assert listed(made) == []
    assert "tell" not in driver.catalogue.types


def test_all_that_is_prepared_wins_over_the_stage(driver: Driver, server: Server, peer: Peer):
    server.replies |= {"/tell": [(200, {"id": 7})], "/status": [(200, {"state": "ok"})]}
    watched = {
        "waitForCompletion": True,
        "statusUrlResolution": "webhookResponse",
        "statusUrlJsonPath": "$.url",
        "statusJsonPath": "$.state",
        "successStatuses": "ok",
    }
    server.replies["/tell"] = [(200, {"url": f"{peer.url}/status"})]
    use(driver, prepared(peer, payload={"fixed": True}, **watched))
    first = stage(
        "1", "tell", waitForCompletion=False, payload={"mine": True}, successStatuses="never", url="http://x.y"
    )
    assert run(driver, first).status.value == "SUCCEEDED", first.context
    assert [(each.method, each.path) for each in peer.requests] == [("POST", "/tell"), ("GET", "/status")]
    assert peer.requests[0].json == {"fixed": True}
    assert [task.name for task in first.tasks] == ["createWebhook", "monitorWebhook"]


# --- settings


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"accounts": [{"name": "a", "urlPrefixes": []}]}, "urlPrefixes"),
        ({"accounts": [{"name": "a", "urlPrefixes": ["example.com"]}]}, "write https://host/path"),
        ({"accounts": [{"name": "a", "urlPrefixes": ["https://x.y"], "signing": "k"}]}, "webhook.signing has not"),
        ({"preconfigured": [{"type": "t", "label": "l", "signing": "k"}]}, "preconfigured 't' signs with 'k'"),
        ({"allowedRequests": [{"httpMethods": ["GET"]}]}, "urlPrefix must be given"),
        (
            {"allowedRequests": [{"httpMethods": ["GET"], "matchStrategy": "PATTERN_MATCHES", "urlPattern": "("}]},
            "urlPattern must be a regular expression",
        ),
        ({"signing": [{"name": "k"}]}, "secret"),
    ],
)
def test_settings_that_can_not_work_are_refused(section: JsonMap, named: str):
    with pytest.raises(ValidationError, match=named.replace("(", r"\(")):
        WebhookSettings.model_validate(section)


def test_the_settings_of_the_reference_are_right():
    reference = Path(__file__).parents[3] / "docs" / "reference" / "webhooks.md"
    example = reference.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
    read: Any = YAML(typ="safe").load(example)
    assert read.keys() == {"webhook", "userConfiguredUrlRestrictions"}
    made = WebhookSettings.model_validate(read["webhook"])
    assert [account.signing for account in made.accounts] == ["ci-key"]


def test_a_request_is_noted_where_that_is_wanted(driver: Driver, peer: Peer):
    driver.settings = settings(auditLoggingEnabled=True)
    with capture_logs() as noted:
        run(driver, stage("1", "webhook", url=f"{peer.url}/x"), user=Identity("bob"))
    [line] = [each for each in noted if each["event"] == "webhook.sent"]
    assert (line["method"], line["url"], line["status"], line["user"]) == ("POST", f"{peer.url}/x", 200, "bob")


def test_the_execution_s_additional_headers_go_along_where_that_is_wanted(driver: Driver, peer: Peer):
    driver.settings = settings(includeAdditionalHeaders=True)
    execution = pipeline(stage("1", "webhook", url=f"{peer.url}/x"))
    execution.additional_headers = {"X-Extra": "1", "X-SPINNAKER-USER": "root"}
    driver.run(execution)
    assert peer.requests[0].headers["x-extra"] == "1"
    assert "x-spinnaker-user" not in peer.requests[0].headers
