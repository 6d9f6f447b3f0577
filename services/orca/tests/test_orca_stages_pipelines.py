"""Stages around pipelines and templates, against a server that answers as front50, clouddriver and orca do."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from kork.http import SyncServiceClient
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.model import Execution, StageExecution
from orca.execution.status import Status
from orca.settings import OrcaSettings
from orca.stages.child_outcomes import Child, outcome
from orca.testing import Driver, pipeline, stage

Json = dict[str, Any]
TEMPLATED = {
    "schema": "v2",
    "type": "templatedPipeline",
    "id": "tmpl",
    "name": "templated",
    "application": "shop",
    "template": {"reference": "spinnaker://deploy"},
}
PLANNED = {
    "id": "tmpl",
    "name": "templated",
    "application": "shop",
    "stages": [],
    "expectedArtifacts": [{"id": "e", "matchArtifact": {"type": "docker/image"}}],
}
IMAGE = {"type": "docker/image", "name": "shop"}


class Platform:
    """Saved pipelines, executions that have any status wanted, and templates."""

    def __init__(self) -> None:
        self.configs: dict[str, Json] = {
            name: {"id": f"id-{name}", "name": name, "application": "shop", "stages": []} for name in ("a", "b", "c")
        }
        self.strategies: dict[str, Json] = {"s1": {"id": "s1", "name": "canary", "application": "shop", "stages": []}}
        self.statuses: dict[str, list[str]] = {}
        self.fates: dict[str, list[str]] = {}
        self.more: Json = {}
        self.started: list[Json] = []
        self.saved: list[Json] = []
        self.templates: dict[str, Json] = {}
        self.refused: set[str] = set()

    def reply(self, request: Request) -> Reply:
        match (request.method, request.path.strip("/").split("/")):
            case ("GET", ["pipelines", id, "get"]):
                found = next((each for each in self.configs.values() if each["id"] == id), None)
                return (200, found) if found else (404, {"message": "Pipeline not found"})
            case ("GET", ["strategies", id, "get"]):
                return (200, self.strategies[id]) if id in self.strategies else (404, {"message": "no"})
            case ("GET", ["pipelines", "shop" | "other"]):
                return 200, list(self.configs.values()) if request.path.endswith("shop") else []
            case ("GET", ["pipelines", id]):
                statuses = self.statuses.setdefault(id, ["SUCCEEDED"])
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                return 200, {"id": id, "name": f"n-{id}", "application": "shop", "status": status} | self.more
            case ("POST", ["v2", "pipelineTemplates", "plan"]):
                return (400, {"message": "Pipeline template is invalid: no"}) if self.refused else (200, PLANNED)
            case ("POST", ["orchestrate"]):
                if request.json["name"] in self.refused:
                    return 400, {"message": f"no {request.json['name']}"}
                self.started.append(request.json)
                id, fate = request.json["executionId"], self.fates.get(request.json["name"], ["SUCCEEDED"])
                self.statuses.setdefault(id, list(fate))
                return 200, {"ref": f"/pipelines/{id}"}
            case ("PUT", ["pipelines", _, "cancel"]):
                return 202, None
            case ("POST", ["pipelines"]):
                if request.json["name"] in self.refused:
                    return 400, {"message": f"{request.json['name']} is not right"}
                self.saved.append(request.json)
                return 200, request.json
            case ("PUT", ["artifacts", "fetch"]):
                return 200, json.dumps({"shop": [{"name": "A"}, {"name": "new"}]}).encode()
            case (method, ["v2", "pipelineTemplates", *id]):
                return self._template(method, id, request)
            case _:
                return 404, {"message": f"nothing at {request.path}"}

    def _template(self, method: str, id: list[str], request: Request) -> Reply:
        name = id[0] if id else request.json["id"]
        if method == "DELETE":
            return (200, None) if self.templates.pop(name, None) else (404, {"message": f"no {name}"})
        if method == "POST" and name in self.templates:
            return 400, {"message": f"A pipeline template with the id {name} already exists"}
        self.templates[name] = request.json | request.query
        return 200, self.templates[name]


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def peer(platform: Platform) -> Iterator[Peer]:
    with serve(platform.reply) as peer:
        yield peer


@pytest.fixture
def driver(peer: Peer) -> Iterator[Driver]:
    client = SyncServiceClient(peer.url, service="peer")
    yield Driver(front50=client, orca=client, clouddriver=client)
    client.close()


def of_shop(*stages: StageExecution) -> Execution:
    made = pipeline(*stages, authentication={"user": "alice"})
    made.application = "shop"
    return made


def run(driver: Driver, type: str, **context: Any) -> StageExecution:
    one = stage("1", type, **context)
    driver.run(of_shop(one))
    return one


def errors_of(one: StageExecution) -> str:
    return "\n".join(one.context["exception"]["details"]["errors"])


@pytest.mark.parametrize(
    ("statuses", "fail_fast", "expected"),
    [
        ([], False, "SUCCEEDED"),
        (["SUCCEEDED", "SUCCEEDED"], False, "SUCCEEDED"),
        (["SUCCEEDED", "RUNNING"], False, "RUNNING"),
        (["TERMINAL", "RUNNING"], False, "RUNNING"),
        (["TERMINAL", "RUNNING"], True, "TERMINAL"),
        (["STOPPED", "SUCCEEDED"], False, "TERMINAL"),
        (["CANCELED", "TERMINAL"], False, "TERMINAL"),
        (["CANCELED", "SUCCEEDED"], False, "CANCELED"),
        (["CANCELED", "RUNNING"], True, "RUNNING"),
        (["NOT_STARTED", "BUFFERED"], False, "RUNNING"),
    ],
)
def test_what_children_make_of_their_watcher(statuses: list[str], fail_fast: bool, expected: str):
    children = [Child(str(n), Status(status), {}) for n, status in enumerate(statuses)]
    assert outcome(children, fail_fast=fail_fast).value == expected


def test_many_executions_are_watched_until_all_have_ended(driver: Driver, platform: Platform):
    platform.statuses = {"E1": ["RUNNING", "SUCCEEDED"], "E2": ["SUCCEEDED"]}
    one = run(driver, "monitorPipeline", executionIds=["E1", "E2"])
    assert (one.status.value, [task.name for task in one.tasks]) == ("SUCCEEDED", ["monitorPipeline"])
    assert one.outputs["executionStatuses"] == {
        "E1": {"status": "SUCCEEDED", "application": "shop"},
        "E2": {"status": "SUCCEEDED", "application": "shop"},
    }


@pytest.mark.parametrize(
    ("behavior", "seen_of_second"), [("WaitForAllToComplete", "SUCCEEDED"), ("FailFast", "RUNNING")]
)
def test_a_failed_one_ends_the_wait_at_once_or_with_the_others(
    driver: Driver, platform: Platform, behavior: str, seen_of_second: str
):
    platform.statuses = {"E1": ["TERMINAL"], "E2": ["RUNNING", "RUNNING", "SUCCEEDED"]}
    platform.more = {"cancellationReason": "out of luck"}
    one = run(driver, "monitorPipeline", executionIds=["E1", "E2"], monitorBehavior=behavior)
    assert one.status is Status.TERMINAL
    statuses = one.outputs["executionStatuses"]
    assert statuses["E2"]["status"] == seen_of_second
    assert statuses["E1"]["exception"]["details"]["errors"] == ["n-E1: out of luck"]
    assert errors_of(one).endswith("At least one monitored pipeline failed, look for errors in failed pipelines")


def test_a_cancelled_one_cancels_the_watcher(driver: Driver, platform: Platform):
    platform.statuses = {"E1": ["CANCELED"], "E2": ["SUCCEEDED"]}
    one = run(driver, "monitorPipeline", executionIds=["E1", "E2"])
    assert one.status is Status.CANCELED
    assert "At least one monitored pipeline was cancelled" in errors_of(one)


def test_the_outputs_of_a_single_execution_are_taken_over(driver: Driver, platform: Platform):
    done = {"id": "S", "refId": "1", "type": "wait", "name": "w", "status": "SUCCEEDED", "outputs": {"x": 1}}
    platform.more = {"stages": [done]}
    one = run(driver, "monitorPipeline", executionIds=["E1"])
    assert (one.outputs["x"], one.outputs["executionStatuses"]["E1"]["status"]) == (1, "SUCCEEDED")
    two = run(driver, "monitorPipeline", executionIds=["E1", "E2"])
    assert "x" not in two.outputs


def test_the_operator_says_whether_outputs_of_children_are_taken_over(peer: Peer, platform: Platform):
    done = {"id": "S", "refId": "1", "type": "wait", "name": "w", "status": "SUCCEEDED", "outputs": {"x": 1}}
    platform.more = {"stages": [done]}
    settings = OrcaSettings.model_validate(
        {"embedded": True, "stages": {"pipeline": {"defaultSkipDownstreamOutput": True}}}
    )
    client = SyncServiceClient(peer.url, service="peer")
    driver = Driver(front50=client, orca=client, settings=settings)
    assert run(driver, "pipeline", pipeline="id-a", application="shop").outputs == {}
    assert run(driver, "pipeline", pipeline="id-a", application="shop", skipDownstreamOutput=False).outputs == {"x": 1}
    client.close()


def test_a_templated_child_is_planned_and_gets_the_artifacts_that_its_template_expects(
    driver: Driver, platform: Platform, peer: Peer
):
    platform.configs["t"] = TEMPLATED
    one = stage("1", "pipeline", pipeline="tmpl", application="shop", pipelineParameters={"tag": "7"})
    execution = of_shop(one)
    execution.trigger["artifacts"] = [IMAGE]
    driver.run(execution)
    assert one.status is Status.SUCCEEDED
    [plan] = peer.asked("POST", "plan")
    assert plan.json["template"] == TEMPLATED["template"]
    assert plan.json["trigger"]["parameters"] == {"tag": "7"}
    [started] = platform.started
    assert "template" not in started
    assert started["trigger"]["expectedArtifactIds"] == ["e"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (TEMPLATED, "Pipeline template is invalid: no"),
        (TEMPLATED | {"schema": "1"}, "Write it as a v2 template"),
    ],
)
def test_a_template_that_can_t_be_used_fails_the_stage_with_the_reason(
    driver: Driver, platform: Platform, config: Json, told: str
):
    platform.configs["t"] = config
    platform.refused = {"plan"}
    one = run(driver, "pipeline", pipeline="tmpl", application="shop")
    assert one.status is Status.TERMINAL
    assert told in errors_of(one)
    assert platform.started == []


def test_a_custom_strategy_is_found_among_the_strategies(driver: Driver, platform: Platform):
    parameters = {"strategy": True, "cluster": "c"}
    one = run(driver, "pipeline", pipelineId="s1", application="shop", pipelineParameters=parameters)
    assert (one.status, one.context["executionName"]) == (Status.SUCCEEDED, "canary")
    assert platform.started[0]["trigger"]["strategy"] is True
    gone = run(driver, "pipeline", pipelineId="nope", application="shop", pipelineParameters=parameters)
    assert "The referenced custom strategy nope" in errors_of(gone)


def bundle(**children: Json) -> list[Json]:
    return [{"bundle_web": children}]


def child(name: str, *after: str, **arguments: Any) -> Json:
    return {"child_pipeline": name, "depends_on": list(after), "arguments": arguments}


def test_pipelines_run_level_by_level(driver: Driver, platform: Platform):
    config = bundle(one=child("a", app="x"), two=child("b"), three=child("c", "one", "two"))
    one = run(driver, "runMultiplePipelines", yamlConfig=config)
    assert one.status is Status.SUCCEEDED, one.context
    assert [task.name for task in one.tasks] == [
        "parsePipelinesYamlTask",
        "runMultiplePipelines",
        "monitorMultiplePipelinesTask",
        "saveOutputsForDetailsTask",
    ]
    assert [each["name"] for each in platform.started] == ["a", "b", "c"]
    assert platform.started[0]["trigger"]["parameters"] == {"app": "x"}
    assert [each["trigger"]["executionIdentifier"] for each in platform.started] == ["one", "two", "three"]
    assert len({each["executionId"] for each in platform.started}) == 3
    results = one.outputs["executionsList"]
    assert [each["id"] for each in results] == [each["executionId"] for each in platform.started]
    assert {each["status"] for each in results} == {"SUCCEEDED"}


def test_what_a_child_deployed_last_is_told(driver: Driver, platform: Platform):
    def deploying(name: str, kind: str, end: int, **more: Any) -> Json:
        outputs = {
            "manifests": [{"kind": kind, "metadata": {"name": "shop-web"}}],
            "outputs.createdArtifacts": [{"name": f"{name}-v1", "location": "prod"}],
        }
        context = {"deploy.account.name": "k8s"}
        made = {"id": name, "refId": name, "type": "deployManifest", "name": f"Deploy {name}", "endTime": end}
        return made | {"status": "SUCCEEDED", "outputs": outputs, "context": context} | more

    stages = [
        deploying("x", "Deployment", 5),
        deploying("y", "StatefulSet", 9),
        deploying("z", "Service", 99),
        deploying("s", "Deployment", 99, status="SKIPPED"),
        deploying("w", "Deployment", 99) | {"name": "Roll"},
    ]
    trigger = {"executionIdentifier": "one", "parameters": {"app": "shop"}}
    platform.more = {"stages": stages, "trigger": trigger}
    [result] = run(driver, "runMultiplePipelines", yamlConfig=bundle(one=child("a"))).outputs["executionsList"]
    expected = {"account": "k8s", "manifestName": "StatefulSet y-v1", "location": "prod"}
    assert (result["artifactCreated"], result["executionIdentifier"]) == (expected, "one")


@pytest.mark.parametrize("ignore", [False, True])
def test_a_failed_level_stops_the_next_unless_told_otherwise(driver: Driver, platform: Platform, ignore: bool):
    platform.fates = {"a": ["RUNNING", "TERMINAL"]}
    config = bundle(one=child("a"), two=child("b", "one"))
    one = run(driver, "runMultiplePipelines", yamlConfig=config, ignoreUncompleted=ignore)
    assert [each["name"] for each in platform.started][1:] == (["b"] if ignore else [])
    assert one.status is (Status.SUCCEEDED if ignore else Status.TERMINAL)


def test_a_child_that_can_t_be_started_fails_the_stage_when_the_others_have_ended(driver: Driver, platform: Platform):
    platform.refused = {"b"}
    one = run(driver, "runMultiplePipelines", yamlConfig=bundle(one=child("a"), two=child("b")))
    assert one.status is Status.TERMINAL
    assert "two (b): no b" in errors_of(one)
    assert [each["name"] for each in platform.started] == ["a"]
    platform.refused = {"a", "b"}
    both = run(driver, "runMultiplePipelines", yamlConfig=bundle(one=child("a"), two=child("b")))
    assert "Child Pipelines were not executed" in errors_of(both)


def test_a_cancelled_stage_cancels_what_runs(driver: Driver, platform: Platform, peer: Peer):
    platform.fates = {name: ["RUNNING"] for name in "ab"}
    config = bundle(one=child("a"), two=child("b"), three=child("c", "one"))
    one = stage("1", "runMultiplePipelines", yamlConfig=config)
    execution = of_shop(one)
    driver.run(execution, until=lambda _: len(platform.started) == 2)
    execution.canceled = True
    driver.run(execution)
    assert one.status is Status.CANCELED
    cancelled = [request.path.split("/")[2] for request in peer.asked("PUT", "cancel")]
    assert sorted(cancelled) == sorted(each["executionId"] for each in platform.started)


@pytest.mark.parametrize(
    ("config", "more", "told"),
    [
        ([], {}, "yamlConfig"),
        ("x", {}, "yamlConfig"),
        ([{}], {}, "yamlConfig[0].bundle_web: must be an object"),
        (bundle(one={}), {}, "yamlConfig[0].bundle_web.one.child_pipeline"),
        (bundle(one=child("a", "two")), {}, "one depends on 'two', which is not among the pipelines"),
        (
            bundle(one=child("a", "two"), two=child("b", "one")),
            {},
            "wait for each other, or for one that does: one, two",
        ),
        (bundle(one=child("nope")), {}, "There is no pipeline 'nope' in the application shop"),
        (bundle(one=child("a"), two=child("a")), {"checkDuplicated": True}, "Detected two or more duplicated"),
    ],
)
def test_what_can_t_be_run_is_named(driver: Driver, config: Any, more: Json, told: str):
    one = run(driver, "runMultiplePipelines", yamlConfig=config, **more)
    assert one.status is Status.TERMINAL
    assert told in errors_of(one)


def inline(document: Any) -> Json:
    reference = base64.b64encode(json.dumps(document).encode()).decode()
    return {"type": "embedded/base64", "name": "pipelines.json", "reference": reference}


def test_pipelines_of_an_artifact_are_saved_one_by_one(driver: Driver, platform: Platform):
    document = {
        "shop": [{"name": "A", "stages": [{"comments": "${ trigger.user }"}]}, {"name": "new"}, {}],
        "other": [{"name": "x"}],
    }
    one = run(driver, "savePipelinesFromArtifact", pipelinesArtifact=inline(document))
    assert one.status is Status.SUCCEEDED, one.context
    assert [task.name for task in one.tasks] == [
        "getPipelinesFromArtifact",
        "preparePipelineToSaveTask",
        "savePipeline",
        "waitForPipelineSave",
        "checkPipelineResults",
        "checkForRemainingPipelines",
        "savePipelinesCompleteTask",
    ]
    assert [(each["application"], each["name"]) for each in platform.saved] == [
        ("shop", "A"),
        ("shop", "new"),
        ("other", "x"),
    ]
    assert platform.saved[0]["id"] == "id-a"
    assert platform.saved[0]["stages"] == [{"comments": "${ trigger.user }"}]
    assert len({each["id"] for each in platform.saved}) == 3
    assert one.context["pipelinesUpdated"] == [{"application": "shop", "name": "A", "id": "id-a"}]
    assert [each["name"] for each in one.context["pipelinesCreated"]] == ["new", "x"]
    assert one.context["pipelinesFailedToSave"] == []


def test_one_that_can_t_be_saved_fails_the_stage_after_the_others(driver: Driver, platform: Platform):
    platform.refused = {"A"}
    one = run(driver, "savePipelinesFromArtifact", pipelinesArtifact=inline({"shop": [{"name": "A"}, {"name": "B"}]}))
    assert one.status is Status.TERMINAL
    assert [each["name"] for each in platform.saved] == ["B"]
    assert errors_of(one) == "shop: A: A is not right"
    assert [each["name"] for each in one.context["pipelinesUpdated"]] == ["B"]


def test_a_bound_artifact_is_fetched(driver: Driver, platform: Platform):
    one = stage("1", "savePipelinesFromArtifact", pipelinesArtifactId="e")
    execution = of_shop(one)
    bound = {"type": "http/file", "reference": "http://example.com/p.json"}
    execution.trigger["resolvedExpectedArtifacts"] = [{"id": "e", "boundArtifact": bound}]
    driver.run(execution)
    assert [each["name"] for each in platform.saved] == ["A", "new"]


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"pipelinesArtifactId": "none"}, "No artifact could be bound to 'none'"),
        ({"pipelinesArtifact": inline([])}, "must hold an object of applications"),
        ({"pipelinesArtifact": inline({"shop": {}})}, "'shop' must be a list of pipelines"),
        ({"pipelinesArtifact": inline({})}, "There are no pipelines to save."),
        ({"pipelinesArtifact": {"type": "embedded/base64", "reference": "e30K{"}}, "is not base64"),
        ({"pipelinesArtifact": "x"}, "pipelinesArtifact"),
    ],
)
def test_an_artifact_without_pipelines_is_refused(driver: Driver, context: Json, told: str):
    one = run(driver, "savePipelinesFromArtifact", **context)
    assert one.status is Status.TERMINAL
    assert told in errors_of(one)


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


TEMPLATE = {
    "schema": "v2",
    "id": "deploy",
    "metadata": {"name": "Deploy it", "description": "d", "scopes": ["global"]},
    "variables": [{"name": "image"}],
}


def test_a_template_is_created_updated_and_deleted(driver: Driver, platform: Platform):
    one = run(driver, "createV2PipelineTemplate", pipelineTemplate=encoded(TEMPLATE), tag="stable")
    assert (one.status, [task.name for task in one.tasks]) == (Status.SUCCEEDED, ["createPipelineTemplate"])
    told = (one.context["notification.type"], one.context["pipelineTemplate.id"])
    assert told == ("createpipelinetemplate", "deploy:stable")
    assert platform.templates["deploy"] == TEMPLATE | {"tag": "stable"}
    again = run(driver, "createV2PipelineTemplate", pipelineTemplate=encoded(TEMPLATE))
    assert "already exists" in errors_of(again)
    changed = TEMPLATE | {"protect": True}
    updated = run(driver, "updateV2PipelineTemplate", id="deploy", pipelineTemplate=encoded(changed))
    assert (updated.status, platform.templates["deploy"]) == (Status.SUCCEEDED, changed)
    gone = run(driver, "deleteV2PipelineTemplate", pipelineTemplateId="deploy", tag="", digest=None)
    assert (gone.status, gone.context["pipeline.id"]) == (Status.SUCCEEDED, "deploy")
    assert run(driver, "deleteV2PipelineTemplate", pipelineTemplateId="deploy").status is Status.TERMINAL


@pytest.mark.parametrize(
    ("type", "context", "told"),
    [
        ("createV2PipelineTemplate", {}, "pipelineTemplate"),
        ("createV2PipelineTemplate", {"pipelineTemplate": "%"}, "pipelineTemplate: is not base64 of JSON"),
        ("createV2PipelineTemplate", {"pipelineTemplate": {}}, "metadata.name,metadata.description,metadata.scopes"),
        ("createV2PipelineTemplate", {"pipelineTemplate": TEMPLATE | {"id": "a.b"}}, "IDs cannot have dots"),
        ("createV2PipelineTemplate", {"pipelineTemplate": TEMPLATE | {"schema": "v7"}}, "Invalid schema version: v7"),
        ("createV2PipelineTemplate", {"pipelineTemplate": TEMPLATE | {"schema": "1"}}, "Write it as a v2 template"),
        (
            "createV2PipelineTemplate",
            {"pipelineTemplate": TEMPLATE | {"variables": [{"name": "a-b"}]}},
            "Illegal variable names: a-b",
        ),
        (
            "createV2PipelineTemplate",
            {"pipelineTemplate": TEMPLATE | {"metadata": TEMPLATE["metadata"] | {"name": "a/b"}}},
            "Illegal template name: a/b",
        ),
        ("updateV2PipelineTemplate", {"pipelineTemplate": TEMPLATE}, "id"),
        ("deleteV2PipelineTemplate", {}, "pipelineTemplateId"),
        ("createPipelineTemplate", {"pipelineTemplate": TEMPLATE}, "Write it as a v2 template"),
        ("updatePipelineTemplate", {}, "Write it as a v2 template"),
        ("deletePipelineTemplate", {}, "Write it as a v2 template"),
    ],
)
def test_a_template_that_is_not_right_is_refused_with_all_reasons(driver: Driver, type: str, context: Json, told: str):
    one = run(driver, type, **context)
    assert one.status is Status.TERMINAL
    assert told in errors_of(one)
