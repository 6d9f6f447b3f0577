"""Functions that ask others: asked by a worker, outside any lock, and by nobody when the stage no longer needs it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from gennaker.embedded.process import free_port
from kork.testing.peers import Peer, Reply, Request, serve
from kork.testing.waiting import watch
from orca.bell import CeleryBell
from orca.execution.advance import advance
from orca.execution.io_tasks import IoTasks
from orca.expressions import PipelineExpressions, StageExpressions
from orca.expressions.outside import Answers, asking, asking_later, calling, knowing
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.view import Services
from orca.testing import Driver, pipeline, stage
from orca.testing.running import Orca, running_orca
from orca.worker import ServicesOfStages, make_driver
from spel import SpelError

LOOSE = {
    "allowedHostnamesRegex": "",
    "rejectLocalhost": False,
    "rejectVerbatimIps": False,
    "httpClientProperties": {"retryInterval": 0, "timeoutMillis": 30_000},
}
APPLICATION = {"name": "shop", "email": "a@example.com"}
CATALOGUE = StageCatalogue.load()
NOW = 1_795_487_438_000


@dataclass
class Others:
    """Plays front50, clouddriver, Kayenta and a user's address."""

    replies: dict[str, list[Reply]] = field(default_factory=dict[str, list[Reply]])
    gate: threading.Event = field(default_factory=threading.Event)

    def reply(self, request: Request) -> Reply:
        if request.path == "/slow":
            self.gate.wait(60)
        replies = self.replies.get(request.path)
        if replies is None:
            return KNOWN.get(request.path, (404, {"message": "nothing here"}))
        return replies.pop(0) if len(replies) > 1 else replies[0]


KNOWN: dict[str, Reply] = {
    "/text": (200, "plain text"),
    "/json": (200, {"a": [1, 2]}),
    "/yaml": (200, "a: [1, 2]\n"),
    "/properties": (200, "# a comment\na = 1\nb\\ c: two\\\n   lines\n"),
    "/moved": (302, "", {"Location": "/text"}),
    "/around": (302, "", {"Location": "/around"}),
    "/slow": (200, {"n": 7}),
    "/pipelines/shop/name/Deploy%20it/get": (404, {}),
    "/pipelines/shop/name/Deploy it/get": (200, {"id": "p-1", "name": "Deploy it"}),
    "/pipelines/other/name/Deploy it/get": (200, {"id": "p-2"}),
    "/v2/applications/shop": (200, APPLICATION),
    "/v2/canaryConfig": (200, [{"id": "c-1", "name": "latency", "applications": ["shop"]}]),
    "/artifacts/content-address/shop/abc": (200, {"type": "embedded/base64", "reference": "aGk="}),
    "/broken": (500, {"message": "not today"}),
}


@pytest.fixture(scope="module")
def others() -> Others:
    return Others()


@pytest.fixture(scope="module")
def peer(others: Others) -> Iterator[Peer]:
    with serve(others.reply) as peer:
        yield peer


@pytest.fixture(scope="module")
def settings(new_orca_settings: Callable[..., OrcaSettings], peer: Peer) -> OrcaSettings:
    elsewhere = {"baseUrl": peer.url}
    return new_orca_settings(
        services={"orca": {"port": free_port()}, "front50": elsewhere, "clouddriver": elsewhere},
        userConfiguredUrlRestrictions=LOOSE,
        kayenta={"enabled": True, "baseUrl": peer.url},
    )


@pytest.fixture(scope="module")
def orca(settings: OrcaSettings) -> Iterator[Orca]:
    with running_orca(settings) as running:
        yield running


@pytest.fixture
def wait_stage() -> Callable[..., dict[str, Any]]:
    def make(ref: str, *after: str, **more: Any) -> dict[str, Any]:
        return {"refId": ref, "requisiteStageRefIds": list(after), "type": "wait", "name": ref, "waitTime": 0} | more

    return make


WaitStage = Callable[..., dict[str, Any]]


def stage_of(execution: dict[str, Any], ref: str) -> dict[str, Any]:
    return next(each for each in execution["stages"] if each["refId"] == ref)


FOUND = [
    ("#fromUrl('{url}/text')", "plain text"),
    ("#fromUrl('{url}/moved')", "plain text"),
    ("#jsonFromUrl('{url}/json').a[1]", 2),
    ("#yamlFromUrl('{url}/yaml')", {"a": [1, 2]}),
    ("#propertiesFromUrl('{url}/properties')", {"a": "1", "b c": "twolines"}),
    ("#pipelineId('Deploy it')", "p-1"),
    ("#pipelineIdOrNull('Deploy it')", "p-1"),
    ("#pipelineIdInApplication('Deploy it', 'other')", "p-2"),
    ("#pipelineIdOrNull('gone') ?: 'none'", "none"),
    ("#pipelineIdInApplication('gone', 'other') ?: 'none'", "none"),
    ("#applicationMetadata('shop').email", "a@example.com"),
    ("#canaryConfigNameToId('latency', 'shop')", "c-1"),
    ("#fetchReference('ref://shop/abc')", "aGk="),
    ("#fetchReference('as it is')", "as it is"),
]
REFUSED = [
    ("#fromUrl('{url}/nothing')", "it answered 404"),
    ("#fromUrl('{url}/around')", "redirects more than"),
    ("#fromUrl('{url}/broken')", "it answered 500"),
    ("#fromUrl('ftp://x')", "unsupported URI scheme"),
    ("#fromUrl('http://127.0.0.1:1/')", "#from(http://127.0.0.1:1/) failed"),
    ("#jsonFromUrl('{url}/text')", "#readJson(plain text) failed"),
    ("#pipelineId('gone')", "Pipeline with name 'gone' could not be found on application shop"),
    ("#pipelineId('')", "pipelineName must be specified for function #pipelineId"),
    ("#pipelineIdInApplication('a', '')", "applicationName must be specified"),
    ("#applicationMetadata('gone')", "Application 'gone' could not be found"),
    ("#canaryConfigNameToId('gone', 'shop')", "Unable to find config with name gone for app shop."),
    ("#canaryConfigNameToId('', 'shop')", "Config name is a required field"),
    ("#fetchReference('ref://shop/gone')", "Nothing is stored under 'ref://shop/gone'"),
]


def test_a_stage_asks_and_keeps_what_it_is_told(orca: Orca, peer: Peer, wait_stage: WaitStage):
    texts = {f"v{n}": f"${{{text.replace('{url}', peer.url)}}}" for n, (text, _) in enumerate(FOUND)}
    ended = orca.wait_end(orca.start(wait_stage("1", **texts), spelEvaluator="v4"))
    context = stage_of(ended, "1")["context"]
    assert {key: context[key] for key in texts} == {f"v{n}": value for n, (_, value) in enumerate(FOUND)}
    assert "expressionEvaluationSummary" not in context
    assert ended["status"] == "SUCCEEDED"


def test_what_others_refuse_is_told_and_the_stage_goes_on(orca: Orca, peer: Peer, wait_stage: WaitStage):
    texts = {f"v{n}": f"${{{text.replace('{url}', peer.url)}}}" for n, (text, _) in enumerate(REFUSED)}
    ended = orca.wait_end(orca.start(wait_stage("1", **texts), spelEvaluator="v4"))
    context = stage_of(ended, "1")["context"]
    descriptions = [
        entry["description"] for entries in context["expressionEvaluationSummary"].values() for entry in entries
    ]
    for n, (_, said) in enumerate(REFUSED):
        [told] = [each for each in descriptions if each.startswith(f"Failed to evaluate [v{n}] ")]
        assert said in told
    assert ended["status"] == "SUCCEEDED"


def test_a_failure_that_may_pass_is_tried_again(orca: Orca, others: Others, peer: Peer, wait_stage: WaitStage):
    others.replies["/flaky"] = [(503, {}), (200, "well")]
    text = f"${{#fromUrl('{peer.url}/flaky')}}"
    ended = orca.wait_end(orca.start(wait_stage("1", text=text), spelEvaluator="v4"))
    assert stage_of(ended, "1")["context"]["text"] == "well"


def test_nobody_waits_for_a_slow_address_but_its_stage(orca: Orca, others: Others, peer: Peer, wait_stage: WaitStage):
    slow = wait_stage("slow", n=f"${{#jsonFromUrl('{peer.url}/slow').n}}")
    id = orca.start(slow, wait_stage("1"), wait_stage("2", "1"), wait_stage("last", "slow", "2"), spelEvaluator="v4")
    seen = orca.wait(id, lambda seen: stage_of(seen, "2")["status"] == "SUCCEEDED")
    assert stage_of(seen, "slow")["status"] == "NOT_STARTED"
    others.gate.set()
    ended = orca.wait_end(id)
    assert stage_of(ended, "slow")["context"]["n"] == 7
    assert (ended["status"], stage_of(ended, "last")["status"]) == ("SUCCEEDED", "SUCCEEDED")


def test_conditions_and_preconditions_ask_too(orca: Orca, peer: Peer, wait_stage: WaitStage):
    def when(expression: str) -> dict[str, Any]:
        return {"stageEnabled": {"type": "expression", "expression": expression}}

    check = {"type": "expression", "context": {"expression": f"#jsonFromUrl('{peer.url}/json').a[0] == 1"}}
    checked = wait_stage("3") | {"type": "checkPreconditions", "preconditions": [check]}
    first = wait_stage("1", **when(f"#fromUrl('{peer.url}/text') == 'plain text'"))
    second = wait_stage("2", **when(f"#fromUrl('{peer.url}/text') == 'other'"))
    ended = orca.wait_end(orca.start(first, second, checked, spelEvaluator="v4"))
    statuses = {ref: stage_of(ended, ref)["status"] for ref in ("1", "2", "3")}
    assert statuses == {"1": "SUCCEEDED", "2": "SKIPPED", "3": "SUCCEEDED"}


def test_variables_ask_one_after_the_other(orca: Orca, peer: Peer, wait_stage: WaitStage):
    stage = wait_stage("1") | {"type": "evaluateVariables"}
    stage["variables"] = [
        {"key": "url", "value": f"${{'{peer.url}' + '/json'}}"},
        {"key": "found", "value": "${#jsonFromUrl(url).a}"},
    ]
    ended = orca.wait_end(orca.start(stage, spelEvaluator="v4"))
    assert stage_of(ended, "1")["outputs"]["found"] == [1, 2]


def test_an_expression_can_be_tried_with_calls(orca: Orca, peer: Peer, wait_stage: WaitStage):
    id = orca.start(wait_stage("1"))
    orca.wait_end(id)
    tried = orca.get(f"/pipelines/{id}/evaluateExpression", expression=f"#jsonFromUrl('{peer.url}/json').a")
    assert tried == {"result": [1, 2], "detail": {}}
    failed = orca.get(f"/pipelines/{id}/evaluateExpression", expression=f"${{ 1 + #jsonFromUrl('{peer.url}/text') }}")
    [[problem]] = failed["detail"].values()
    assert (problem["level"], problem["column"], problem["failed"][4:16]) == ("ERROR", 4, "#jsonFromUrl")
    assert problem["pointed"].splitlines()[-1] == "      ^"


def test_a_worker_that_died_while_asking_is_relieved(
    new_orca_settings: Callable[..., OrcaSettings], peer: Peer, others: Others, wait_stage: WaitStage
):
    others.replies["/once"] = [(200, {"n": 1})]
    settings = new_orca_settings(
        userConfiguredUrlRestrictions=LOOSE, executions={"leaseSeconds": 0.5, "ringAgainSeconds": 0.2}
    )
    with running_orca(settings, worker=False) as orca:
        id = orca.start(wait_stage("1", n=f"${{#jsonFromUrl('{peer.url}/once').n}}"), spelEvaluator="v4")
        key = (stage_of(orca.execution(id), "1")["id"], "expressions", 1)
        driver = make_driver(settings, CeleryBell(settings.redis.url))
        driver.advance(id)
        dead = driver.claim(id, key)
        assert dead is not None
        assert driver.claim(id, key) is None, "it is taken"
        heir = IoTasks(driver, ServicesOfStages(settings))

        def go_on() -> dict[str, Any]:
            driver.advance(id)
            heir.run(id, *key)
            return orca.execution(id)

        ended = watch(go_on, lambda seen: seen["status"] == "SUCCEEDED", 60)
        late = driver.answered(id, key, dead[0], Answers(key[0]))
        driver.database.dispose()
    assert late is None
    assert stage_of(ended, "1")["context"]["n"] == 1
    assert len(peer.asked("GET", "/once")) == 1


# --- the core, without a worker


@pytest.fixture
def services() -> Iterator[Callable[[OrcaSettings], Services]]:
    """Give services of which only the client for users' addresses is there."""
    with httpx2.Client() as http:
        yield lambda settings: Driver(http=http, settings=settings).services()


ServicesFor = Callable[[OrcaSettings], Services]


def test_the_core_asks_for_a_stage_and_goes_on_with_the_answer(
    peer: Peer, settings: OrcaSettings, services: ServicesFor
):
    text = f"${{#jsonFromUrl('{peer.url}/json').a[0]}}"

    def made() -> Any:
        execution = pipeline(stage("1", "wait", waitTime=0, n=text), stage("2", "wait", waitTime=0))
        execution.stages[0].id = "first"
        return execution

    with asking_later():
        execution = made()
        out = advance(execution, NOW, CATALOGUE, PipelineExpressions())
    assert (out.asks, out.wake_at) == (["first"], None)
    assert [each.status.value for each in execution.stages] == ["NOT_STARTED", "SUCCEEDED"]
    assert execution.stages[0].start_time is None

    answers = Answers()
    asked = len(peer.requests)
    with asking("first", services(settings), answers):
        advance(made(), NOW, CATALOGUE, PipelineExpressions())
    assert answers.known[text].value == 1
    assert len(peer.requests) == asked + 1

    with knowing(answers):
        out = advance(execution, NOW, CATALOGUE, PipelineExpressions())
    assert (out.asks, execution.stages[0].context["n"], execution.status.value) == ([], 1, "SUCCEEDED")
    assert len(peer.requests) == asked + 1


def test_what_nobody_asked_about_fails_instead_of_asking_for_ever():
    execution = pipeline(stage("1", "wait", waitTime=0, n="${#fromUrl('http://example.com')}"))
    with knowing(Answers(execution.stages[0].id)):
        out = advance(execution, NOW, CATALOGUE, PipelineExpressions())
    assert (out.asks, execution.status.value) == ([], "SUCCEEDED")
    assert execution.stages[0].context["expressionEvaluationSummary"]


def test_a_cancelled_execution_asks_nobody():
    execution = pipeline(stage("1", "wait", waitTime=0, n="${#fromUrl('http://example.com')}"))
    with asking_later():
        advance(execution, NOW, CATALOGUE, PipelineExpressions())
        execution.canceled = True
        out = advance(execution, NOW, CATALOGUE, PipelineExpressions())
    assert (out.asks, execution.status.value) == ([], "CANCELED")


def test_the_defaults_keep_expressions_away_from_this_machine(peer: Peer, services: ServicesFor):
    execution = pipeline(stage("1", "wait"))
    with calling(services(OrcaSettings())), pytest.raises(SpelError, match=r"Host not allowed|Verbatim IP"):
        StageExpressions(execution, execution.stages[0]).value(f"#fromUrl('{peer.url}/text')")


def test_kayenta_has_to_be_enabled(services: ServicesFor):
    execution = pipeline(stage("1", "wait"))
    with calling(services(OrcaSettings())), pytest.raises(SpelError, match="needs Kayenta, which is not enabled"):
        StageExpressions(execution, execution.stages[0]).value("#canaryConfigNameToId('a', 'b')")


def test_an_address_that_answers_too_much_is_refused(
    peer: Peer, others: Others, settings: OrcaSettings, services: ServicesFor
):
    others.replies["/much"] = [(200, "x" * 1_000_001)]
    execution = pipeline(stage("1", "wait"))
    with calling(services(settings)), pytest.raises(SpelError, match="more than 1000000 bytes"):
        StageExpressions(execution, execution.stages[0]).value(f"#fromUrl('{peer.url}/much')")
