"""The webhook stage against a real server."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.model import Execution, StageExecution
from orca.stages.catalogue import StageCatalogue
from orca.stages.preconfigured_webhook import listed, preconfigured_webhooks
from orca.testing import Driver, pipeline, stage
from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions

LOOPBACK = WebhookUrlRestrictions(allowed_hostnames_regex="", reject_localhost=False, reject_verbatim_ips=False)


@dataclass
class Settings:
    webhook: WebhookSettings = field(default_factory=lambda: WebhookSettings(read_timeout_ms=2_000))
    user_configured_url_restrictions: WebhookUrlRestrictions = field(default_factory=lambda: LOOPBACK)


class Server:
    """Answers each path from its list of replies, repeating the last."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply | Callable[[Request], Reply]]] = {}

    def reply(self, request: Request) -> Reply:
        replies = self.replies.get(request.path, [(404, {"message": "nothing here"})])
        found = replies.pop(0) if len(replies) > 1 else replies[0]
        return found(request) if callable(found) else found


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
        yield Driver(http=client, settings=Settings())


def run(driver: Driver, *stages: StageExecution, **trigger: Any) -> Execution:
    execution = pipeline(*stages)
    execution.trigger |= trigger
    return driver.run(execution)


def errors_of(stage: StageExecution) -> str:
    return "; ".join(stage.context["exception"]["details"]["errors"])


def test_an_address_is_called_and_its_answer_kept_for_later_stages(driver: Driver, server: Server, peer: Peer):
    server.replies["/hook"] = [(201, {"status": "ok"}, {"X-Id": "7"})]
    first = stage(
        "1", "webhook", url=f"{peer.url}/hook?a=b", payload={"v": "${trigger.user}"}, customHeaders={"X-A": "b"}
    )
    text = "${ #stage('webhook 1').context.webhook.body.status }"
    second = stage("2", "wait", ["1"], waitTime=0, comments=text)
    assert run(driver, first, second, user="golden").status.value == "SUCCEEDED", first.context.get("exception")
    [request] = peer.requests
    assert (request.method, request.query, request.json) == ("POST", {"a": "b"}, {"v": "golden"})
    assert (request.headers["x-a"], request.headers["content-type"]) == ("b", "application/json")
    assert request.headers["host"] == peer.url.removeprefix("http://")
    webhook = first.context["webhook"]
    assert (webhook["statusCode"], webhook["statusCodeValue"], webhook["body"]) == ("CREATED", 201, {"status": "ok"})
    assert {key.lower(): value for key, value in webhook["headers"].items()}["x-id"] == "7"
    assert (first.outputs, second.context["comments"]) == ({}, "ok")
    assert [(each.name, each.status.value) for each in first.tasks] == [("createWebhook", "SUCCEEDED")]
    assert first.tasks[0].implementing_class == "com.netflix.spinnaker.orca.webhook.tasks.CreateWebhookTask"


def test_an_address_that_may_not_be_called_fails_the_stage(driver: Driver, peer: Peer):
    driver.settings = Settings(user_configured_url_restrictions=WebhookUrlRestrictions())
    first = stage("1", "webhook", url=f"{peer.url}/hook")
    assert run(driver, first).status.value == "TERMINAL"
    exception = first.context["exception"]
    assert (exception["exceptionType"], exception["operation"]) == ("IllegalArgumentException", "createWebhook")
    assert "Verbatim IP addresses are not allowed" in errors_of(first)
    assert peer.requests == []


def test_headers_of_the_platform_can_not_be_forged(driver: Driver, server: Server, peer: Peer):
    server.replies["/hook"] = [(200, "fine")]
    headers = {"X-SPINNAKER-USER": "root", "x-gennaker-identity": "t", "Host": "other", "X-List": ["a", "b"]}
    first = stage("1", "webhook", url=f"{peer.url}/hook", customHeaders=headers, method="get")
    run(driver, first)
    [request] = peer.requests
    assert request.headers.keys().isdisjoint({"x-spinnaker-user", "x-gennaker-identity"})
    assert (request.headers["x-list"], request.method) == ("a, b", "GET")
    assert request.headers["host"] != "other"
    assert first.context["webhook"]["body"] == "fine"


@pytest.mark.parametrize(
    ("payload", "headers", "content"),
    [
        ("text", {"Content-Type": "text/plain"}, b"text"),
        ({"a": "b c", "d": ["e", "f"]}, {"content-type": "application/x-www-form-urlencoded"}, b"a=b+c&d=e&d=f"),
        ([1], None, b"[1]"),
        (None, None, b""),
    ],
)
def test_payloads_are_sent_as_their_type_says(
    driver: Driver, server: Server, peer: Peer, payload: Any, headers: Any, content: bytes
):
    server.replies["/hook"] = [(200, None)]
    first = stage("1", "webhook", url=f"{peer.url}/hook", payload=payload, customHeaders=headers)
    assert run(driver, first).status.value == "SUCCEEDED"
    assert peer.requests[0].content == content
    assert first.context["webhook"]["body"] is None


@pytest.mark.parametrize(
    ("replies", "context", "status", "calls"),
    [
        ([(500, "x"), (200, {})], {}, "SUCCEEDED", 2),
        ([(429, "x"), (503, "x"), (200, {})], {}, "SUCCEEDED", 3),
        ([(504, "x"), (200, {})], {}, "TERMINAL", 1),
        ([(504, "x"), (200, {})], {"failFastStatusCodes": []}, "SUCCEEDED", 2),
        ([(500, "x"), (200, {})], {"failFastStatusCodes": [500]}, "TERMINAL", 1),
        ([(404, "x"), (200, {})], {}, "TERMINAL", 1),
        ([(404, "x"), (200, {})], {"webhookRetryStatusCodes": [404]}, "SUCCEEDED", 2),
        ([(500, "x")], {"stageTimeoutMs": 25_000}, "TERMINAL", 3),
    ],
)
def test_error_statuses_are_retried_or_final(
    driver: Driver, server: Server, peer: Peer, replies: Any, context: Any, status: str, calls: int
):
    server.replies["/hook"] = replies
    first = stage("1", "webhook", url=f"{peer.url}/hook", **context)
    assert run(driver, first).status.value == status
    assert len(peer.requests) == calls


def test_a_final_error_tells_the_address_the_status_and_the_body(driver: Driver, server: Server, peer: Peer):
    server.replies["/hook"] = [(403, {"reason": "no token"})]
    first = stage("1", "webhook", url=f"{peer.url}/hook", method="PUT")
    run(driver, first)
    told = f'PUT {peer.url}/hook answered 403 FORBIDDEN: {{"reason":"no token"}}'
    assert first.context["exception"]["details"]["errors"] == [told]
    assert first.context["webhook"]["error"] == told
    assert first.context["webhook"]["statusCodeValue"] == 403


def test_a_host_that_refuses_is_tried_until_the_time_is_over(driver: Driver):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        first = stage("1", "webhook", url=f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        assert run(driver, first).status.value == "TERMINAL"
    assert first.context["exception"]["exceptionType"] == "TimeoutException"
    assert "can't be reached" in first.context["webhook"]["error"]


def test_a_post_without_an_answer_is_never_repeated(driver: Driver):
    driver.settings = Settings(webhook=WebhookSettings(read_timeout_ms=50))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        first = stage("1", "webhook", url=f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        assert run(driver, first).status.value == "TERMINAL"
    assert "did not answer within" in errors_of(first)


def test_redirects_are_followed_and_checked(driver: Driver, server: Server, peer: Peer):
    server.replies |= {
        "/a": [(307, None, {"Location": "/b"})],
        "/b": [(302, None, {"Location": f"{peer.url}/c"})],
        "/c": [(200, {"here": True})],
        "/out": [(302, None, {"Location": "file:///etc/passwd"})],
        "/loop": [(302, None, {"Location": "/loop"})],
    }
    first = stage("1", "webhook", url=f"{peer.url}/a", payload={"x": 1})
    run(driver, first)
    assert first.context["webhook"]["body"] == {"here": True}
    assert [(each.method, bool(each.content)) for each in peer.requests] == [
        ("POST", True),
        ("POST", True),
        ("GET", False),
    ]
    out = stage("1", "webhook", url=f"{peer.url}/out")
    run(driver, out)
    assert "unsupported URI scheme file:" in errors_of(out)
    loop = stage("1", "webhook", url=f"{peer.url}/loop")
    run(driver, loop)
    assert "redirects more than 10 times" in errors_of(loop)


def test_bodies_have_limits(driver: Driver, server: Server, peer: Peer):
    driver.settings = Settings(webhook=WebhookSettings(max_request_bytes=100, max_response_bytes=100))
    server.replies["/hook"] = [(200, "x" * 101)]
    first = stage("1", "webhook", url=f"{peer.url}/hook")
    assert run(driver, first).status.value == "TERMINAL"
    assert "webhook.maxResponseBytes" in errors_of(first)
    second = stage("1", "webhook", url=f"{peer.url}/hook", payload="x" * 101)
    assert run(driver, second).status.value == "TERMINAL"
    assert "webhook.maxRequestBytes" in errors_of(second)
    assert len(peer.requests) == 1


WATCHED = {"waitForCompletion": True, "statusJsonPath": "$.s", "successStatuses": "done", "terminalStatuses": "bad"}


def test_what_was_started_is_watched_until_it_ends(driver: Driver, server: Server, peer: Peer):
    server.replies |= {
        "/start": [(202, None, {"Location": "/status"})],
        "/status": [(200, {"s": "busy", "p": "half"}), (503, "x"), (429, "x"), (200, {"s": "DONE", "p": "all"})],
    }
    first = stage(
        "1",
        "webhook",
        url=f"{peer.url}/start",
        statusUrlResolution="locationHeader",
        progressJsonPath="$.p",
        canceledStatuses="stopped",
        waitBeforeMonitor="30",
        customHeaders={"X-A": "b"},
        **WATCHED,
    )
    started = driver.now
    assert run(driver, first).status.value == "SUCCEEDED", first.context.get("exception")
    assert [each.name for each in first.tasks] == ["createWebhook", "waitBeforeMonitorWebhook", "monitorWebhook"]
    webhook = first.context["webhook"]
    assert (webhook["statusCodeValue"], webhook["statusEndpoint"]) == (202, f"{peer.url}/status")
    monitor = webhook["monitor"]
    assert (monitor["statusCode"], monitor["resolvedValue"], monitor["progressMessage"]) == ("OK", "DONE", "all")
    assert monitor["pastStatusCodes"] == [200, 503, 429, 200]
    assert {each.headers["x-a"] for each in peer.asked("GET")} == {"b"}
    assert 30_000 <= driver.now - started < 40_000


@pytest.mark.parametrize(
    ("replies", "context", "status", "told"),
    [
        ([(200, {"s": 50}), (200, {"s": 100})], {}, "SUCCEEDED", None),
        ([(200, {"s": "bad", "why": "disk full"})], {}, "TERMINAL", "disk full"),
        ([(200, {"s": "stopped"})], {"canceledStatuses": "stopped"}, "CANCELED", None),
        ([(200, {})], {}, "TERMINAL", "JSON property '$.s' not found"),
        ([(200, {"s": [1]})], {}, "TERMINAL", "did not resolve to a single value"),
        ([(404, "gone")], {}, "TERMINAL", "answered 404 NOT_FOUND: gone"),
        ([(404, "x"), (200, {"s": "done"})], {"retryStatusCodes": [404]}, "SUCCEEDED", None),
        ([(404, "x")], {"retries": {"404": {"maxAttempts": 2}}}, "TERMINAL", "answered 404"),
        ([(200, {"s": "busy"})], {"stageTimeoutMs": 100_000}, "TERMINAL", "timed out"),
    ],
)
def test_the_watch_ends_as_the_answers_say(
    driver: Driver, server: Server, peer: Peer, replies: Any, context: Any, status: str, told: str | None
):
    server.replies |= {"/start": [(200, {"u": f"{peer.url}/status"})], "/status": replies}
    given = {**WATCHED, "statusUrlResolution": "webhookResponse", "statusUrlJsonPath": "$.u", **context}
    first = stage("1", "webhook", url=f"{peer.url}/start", **given)
    assert run(driver, first).status.value == status
    if told:
        assert told in errors_of(first)
    if "retries" in context:
        assert len(peer.asked("GET")) == 3


def test_a_status_url_that_can_not_be_found_fails_the_stage(driver: Driver, server: Server, peer: Peer):
    server.replies["/start"] = [(200, {"no": "url"})]
    first = stage("1", "webhook", url=f"{peer.url}/start", statusUrlResolution="locationHeader", **WATCHED)
    assert run(driver, first).status.value == "TERMINAL"
    assert "The status URL couldn't be resolved, but 'Wait for completion' was checked" in errors_of(first)
    assert first.context["webhook"]["body"] == {"no": "url"}


def test_a_watch_without_a_call(driver: Driver, server: Server, peer: Peer):
    server.replies["/status"] = [(200, "up")]
    first = stage("1", "webhook", url=f"{peer.url}/status", monitorOnly=True)
    assert run(driver, first).status.value == "SUCCEEDED"
    assert [each.name for each in first.tasks] == ["monitorWebhook"]
    assert [each.method for each in peer.requests] == ["GET"]


@pytest.mark.parametrize(("more", "calls"), [({}, 1), ({"signalCancellation": False}, 0)])
def test_a_cancelled_stage_tells_the_other_side(driver: Driver, server: Server, peer: Peer, more: Any, calls: int):
    server.replies |= {"/start": [(200, {"s": "busy"})], "/cancel": [(500, "x")]}
    first = stage(
        "1",
        "webhook",
        url=f"{peer.url}/start",
        cancelEndpoint=f"{peer.url}/cancel",
        cancelMethod="delete",
        **WATCHED,
        **more,
    )
    execution = pipeline(first)
    driver.run(execution, until=lambda _: "monitor" in first.context.get("webhook", {}))
    execution.canceled = True
    driver.run(execution)
    assert (execution.status.value, len(peer.asked("DELETE", "/cancel"))) == ("CANCELED", calls)


def test_artifacts_of_the_answer_are_bound(driver: Driver, server: Server, peer: Peer):
    image = {"type": "docker/image", "name": "shop", "reference": "shop:1"}
    server.replies["/hook"] = [(200, {"artifacts": [image]})]
    wanted = [{"id": "e", "matchArtifact": {"type": "docker/image"}}]
    first = stage("1", "webhook", url=f"{peer.url}/hook", expectedArtifacts=wanted)
    assert run(driver, first).status.value == "SUCCEEDED", first.context.get("exception")
    assert first.outputs["artifacts"] == [image]
    assert first.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"] == image


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": 7}, "url"),
        ({"url": "not a url"}, "non absolute URI not a url"),
        ({"method": "FETCH"}, "method"),
        ({"method": 5}, "method"),
        ({"customHeaders": "x"}, "customHeaders"),
        ({"failFastStatusCodes": ["x"]}, "failFastStatusCodes.0"),
        ({"waitForCompletion": "perhaps"}, "waitForCompletion"),
        ({"waitBeforeMonitor": -1}, "waitBeforeMonitor"),
        ({"statusUrlResolution": "guess"}, "statusUrlResolution"),
        ({"statusJsonPath": 5}, "statusJsonPath"),
        ({"successStatuses": {}}, "successStatuses"),
        ({"retries": []}, "retries"),
        ({"cancelEndpoint": []}, "cancelEndpoint"),
        ({"expectedArtifacts": {}}, "expectedArtifacts"),
    ],
)
def test_a_wrong_field_is_named(driver: Driver, context: dict[str, Any], named: str):
    given = {"url": "https://hooks.example.com/", **context}
    first = stage("1", "webhook", **given)
    assert run(driver, first).status.value == "TERMINAL"
    assert named in errors_of(first)


PREPARED = {
    "type": "notifyTeam",
    "label": "Notify the team",
    "url": "URL/notify/${ parameterValues['team'] }",
    "method": "PUT",
    "customHeaders": {"Authorization": "Bearer secret"},
    "payload": {"by": "${ trigger.user }"},
    "parameters": [{"name": "team", "defaultValue": "all"}],
}


def prepared(peer: Peer, **more: Any) -> tuple[StageCatalogue, WebhookSettings]:
    given = {**PREPARED, "url": PREPARED["url"].replace("URL", peer.url), **more}
    settings = WebhookSettings.model_validate({"preconfigured": [given]})
    return StageCatalogue.load().with_types(preconfigured_webhooks(settings)), settings


@pytest.mark.parametrize(
    ("context", "team"),
    [({"parameterValues": {"team": "a"}}, "a"), ({}, "all"), ({"alias": "preconfiguredWebhook"}, "all")],
)
def test_a_preconfigured_webhook_is_a_stage_type(
    driver: Driver, server: Server, peer: Peer, context: dict[str, Any], team: str
):
    driver.catalogue, _ = prepared(peer)
    server.replies[f"/notify/{team}"] = [(200, {"ok": True})]
    first = stage("1", "notifyTeam", url="http://elsewhere.example.com", method="POST", **context)
    assert run(driver, first, user="golden").status.value == "SUCCEEDED", first.context.get("exception")
    [request] = peer.requests
    assert (request.method, request.json) == ("PUT", {"by": "golden"})
    assert request.headers["authorization"] == "Bearer secret"
    assert first.context["webhook"]["body"] == {"ok": True}
    assert "secret" not in str(first.context)


def test_a_preconfigured_webhook_may_be_restricted(driver: Driver, peer: Peer):
    driver.catalogue, _ = prepared(peer, permissions={"WRITE": ["ops"]})
    first = stage("1", "notifyTeam")
    assert run(driver, first).status.value == "TERMINAL"
    assert "needs one of the roles ops" in errors_of(first)


def test_an_unknown_preconfigured_webhook_is_named(driver: Driver, peer: Peer):
    driver.catalogue, _ = prepared(peer)
    first = stage("1", "gone", alias="preconfiguredWebhook")
    assert run(driver, first).status.value == "TERMINAL"
    assert "no preconfigured webhook of type 'gone' (there are: notifyTeam)" in errors_of(first)


def test_preconfigured_webhooks_are_listed_without_their_secrets(peer: Peer):
    _, settings = prepared(peer)
    [shown] = listed(settings)
    assert (shown["type"], shown["label"], shown["noUserConfigurableFields"]) == ("notifyTeam", PREPARED["label"], True)
    assert shown["preconfiguredProperties"] == ["customHeaders", "method", "payload", "url"]
    assert shown["parameters"][0]["name"] == "team"
    assert "secret" not in str(shown)


def test_what_the_other_side_answers_is_no_expression(driver: Driver, server: Server, peer: Peer):
    server.replies |= {
        "/start": [(200, {"x": "${ 1 + 1 }", "u": f"{peer.url}/status"})],
        "/status": [(200, {"s": "busy ${ 2 }"}), (200, {"s": "done", "y": "${ nowhere.else }"})],
    }
    resolution = {"statusUrlResolution": "webhookResponse", "statusUrlJsonPath": "$.u"}
    first = stage("1", "webhook", url=f"{peer.url}/start", **WATCHED, **resolution)
    assert run(driver, first).status.value == "SUCCEEDED", first.context
    webhook = first.context["webhook"]
    assert (webhook["body"]["x"], webhook["monitor"]["body"]["y"]) == ("${ 1 + 1 }", "${ nowhere.else }")
    assert driver.catalogue.find("webhook").prepare_restart(first.context).keys().isdisjoint({"webhook", "artifacts"})
