"""Plans: what is known before the run, told by the pure planner and by the API; and that nothing comes of them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kork.ids import new_ulid
from kork.testing.peers import Peer, Reply, Request, serve
from kork.testing.waiting import watch
from orca.execution.model import Execution, StageExecution
from orca.plan.outcome import problems_of
from orca.plan.stages import PlannedStage, StagePlanner
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.testing import pipeline, stage
from orca.testing.running import Orca, running_orca

NOW = 1_795_487_438_000
JsonMap = dict[str, Any]


def judged(*stages: StageExecution, **fields: Any) -> dict[str, PlannedStage]:
    execution = pipeline(*stages, **fields)
    return {each.stage.ref_id: each for each in planner_of(execution).plan()}


def planner_of(execution: Execution) -> StagePlanner:
    return StagePlanner(execution, StageCatalogue.load(), NOW, ZoneInfo("UTC"), new_ulid)


def text_of(planned: PlannedStage) -> JsonMap:
    [text] = planned.evaluated.texts
    return text.to_json()


def variables(ref: str, after: list[str] | None = None, **values: Any) -> StageExecution:
    listed = [{"key": key, "value": value} for key, value in values.items()]
    return stage(ref, "evaluateVariables", after or [], variables=listed)


def wait(ref: str, after: list[str] | None = None, **context: Any) -> StageExecution:
    return stage(ref, "wait", after or [], **{"waitTime": 1, **context})


def unknown(on: str) -> JsonMap:
    return {"outcome": "unknown", "dependsOn": on}


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("${trigger['type']}", {"outcome": "value", "value": "manual"}),
        ("${parameters.region}", {"outcome": "value", "value": "eu"}),
        ("${size * 2}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${#stageByRefId('1').name}", {"outcome": "value", "value": "evaluateVariables 1"}),
        ("${#stage('wait 2')['context']['waitTime']}", {"outcome": "value", "value": 1}),
        ("${#stage('wait 2').status}", unknown("the status of stage 'wait 2' (2)")),
        ("${#stage('wait 2')['context']['x']}", unknown("the context of stage 'wait 2' (2)")),
        ("${#stage('pipeline 3')['outputs']['x']}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${#stage('pipeline 3').outputs.containsKey('x')}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${buildNumber}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("a ${buildNumber} b", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${#stage(#root.execution, 'wait 2').name}", {"outcome": "value", "value": "wait 2"}),
        ("${deployedServerGroups[0].region}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${scmInfo.branch}", unknown("the outputs of stage 'pipeline 3' (3)")),
        ("${execution.startTime}", unknown("the execution's startTime")),
        ("${execution.name}", {"outcome": "value", "value": "p"}),
        ("${execution.stages[1].status}", unknown("the status of stage 'wait 2' (2)")),
        ("${#currentStage().context.comments}", {"outcome": "value", "value": "${#currentStage().context.comments}"}),
    ],
)
def test_an_expression_has_its_value_or_says_what_it_depends_on(expression: str, outcome: JsonMap):
    stages = [
        variables("1", size=3),
        wait("2", ["1"]),
        stage("3", "pipeline", ["2"], application="app", pipeline="other"),
        wait("4", ["3"], comments=expression),
    ]
    execution = pipeline(*stages)
    execution.trigger |= {"parameters": {"region": "eu"}}
    planned = {each.stage.ref_id: each for each in planner_of(execution).plan()}
    told = text_of(planned["4"])
    assert told == {"path": "comments", "expression": expression, **outcome}
    assert planned["4"].outcome == "runs"


def test_a_wrong_expression_is_pointed_at():
    told = text_of(judged(wait("1", comments="${#nothing('x')} and ${1 + 1}"))["1"])
    assert told["outcome"] == "failed"
    assert "nothing" in told["message"]
    line, caret = told["pointed"].splitlines()[1:]
    assert line.strip().startswith("#nothing")
    assert caret.strip() == "^"


def test_what_is_nowhere_is_a_fault_when_no_stage_can_bring_it():
    told = text_of(judged(wait("1", comments="${nowhere}"))["1"])
    assert (told["outcome"], told["message"]) == ("failed", "nowhere is null: there is no such value")


def test_variables_are_known_ahead_as_far_as_they_go():
    planned = judged(
        stage("1", "pipeline", application="app", pipeline="other"),
        variables("2", size="${6 * 7}"),
        variables("3", ["1", "2"], answer="${size}", later="${build}"),
        wait("4", ["2"], comments="${size}"),
        wait("5", ["3"], comments="${answer}"),
    )
    assert text_of(planned["4"])["value"] == 42
    assert text_of(planned["5"])["outcome"] == "unknown"
    outcomes = {text.path: text.outcome for text in planned["3"].evaluated.texts}
    assert outcomes == {"variables[0].value": "unknown", "variables[1].value": "unknown"}


def test_a_variable_sees_those_before_it():
    planned = judged(
        stage("0", "pipeline", application="app", pipeline="other"),
        variables("1", ["0"], a="${2 + 1}", b="${a * 2}", c="${later}", d="${c} d"),
        wait("2", ["1"], comments="${b}"),
        spel_evaluator="v4",
    )
    outcomes = [(text.outcome, text.value, text.depends_on) for text in planned["1"].evaluated.texts]
    unsettled = ("unknown", None, "the outputs of stage 'pipeline 0' (0)")
    assert outcomes == [("value", 3, ""), ("value", 6, ""), unsettled, unsettled]


@pytest.mark.parametrize(
    ("expression", "outcome", "reason"),
    [
        ("parameters.go == 'yes'", "runs", None),
        ("parameters.go == 'no'", "skips", "does not hold: it gives 'false'"),
        ("parameters.go", "skips", "does not hold: it gives 'yes'"),
        ("#nothing()", "skips", "does not hold: EL1006E"),
        ("#stage('webhook 1').status == 'SUCCEEDED'", "unknown", "whether it runs depends on the status of stage"),
        ("", "runs", None),
    ],
)
def test_a_stage_s_condition_decides_whether_it_runs(expression: str, outcome: str, reason: str | None):
    condition = {"type": "expression", "expression": expression}
    execution = pipeline(
        stage("1", "webhook", url="https://example.com"), wait("2", ["1"], stageEnabled=condition), wait("3", ["2"])
    )
    execution.trigger |= {"parameters": {"go": "yes"}}
    planned = {each.stage.ref_id: each for each in planner_of(execution).plan()}
    assert planned["2"].outcome == outcome
    assert (reason or "") in "; ".join(planned["2"].reasons)
    assert planned["3"].outcome == "runs"


def test_a_stage_that_brings_nothing_of_a_name_is_not_waited_for():
    planned = judged(
        variables("1", size=3),
        stage("2", "webhook", ["1"], url="https://example.com"),
        wait("3", ["2"], comments="${size}"),
        wait("4", ["2"], comments="${artifacts[0].name}"),
    )
    assert text_of(planned["3"])["value"] == 3
    assert text_of(planned["4"])["dependsOn"] == "the outputs of stage 'webhook 2' (2)"


def test_a_skipped_stage_leaves_no_outputs_to_wait_for():
    never = {"type": "expression", "expression": "false"}
    planned = judged(
        stage("1", "webhook", url="https://example.com", stageEnabled=never),
        wait("2", ["1"], comments="${#stage('webhook 1').status} ${build ?: 'none'}"),
    )
    assert text_of(planned["2"])["value"] == "SKIPPED none"


def test_a_stage_whose_time_is_over_is_skipped():
    late = wait("1")
    late.start_time_expiry = NOW - 1
    assert judged(late)["1"].reasons == ["its startTimeExpiry has passed"]


def test_a_window_tells_when_it_opens():
    hour = (NOW // 3_600_000 + 2) % 24
    window = {"whitelist": [{"startHour": hour, "startMin": 0, "endHour": hour, "endMin": 30}]}
    planned = judged(wait("1", restrictExecutionDuringTimeWindow=True, restrictedExecutionWindow=window))["1"]
    assert planned.opens_at is not None
    assert NOW < planned.opens_at <= NOW + 2 * 3_600_000
    assert [each.type for each in planned.before] == ["restrictExecutionDuringTimeWindow"]
    assert planned.tasks == ["wait"]


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({"type": "nonsense"}, "this installation has no such stage type"),
        ({"type": "wait", "waitTime": "long"}, "waitTime"),
        ({"type": "webhook"}, "url: the address to call is missing"),
        ({"type": "wait", "restrictExecutionDuringTimeWindow": True, "restrictedExecutionWindow": {}}, "no hours"),
    ],
)
def test_what_is_configured_wrong_fails_and_stops_what_follows(context: JsonMap, named: str):
    kind = context.pop("type")
    planned = judged(stage("1", kind, **context), wait("2", ["1"]), wait("3"))
    assert planned["1"].outcome == "fails"
    assert named in "; ".join(planned["1"].faults)
    assert planned["2"].outcome == "not reached"
    assert planned["3"].outcome == "runs"


def test_a_stage_that_may_fail_does_not_stop_what_follows():
    planned = judged(wait("1", waitTime="long", continuePipeline=True), wait("2", ["1"]))
    assert [planned[ref].outcome for ref in "12"] == ["fails", "runs"]


def test_a_field_that_is_not_known_yet_is_no_fault():
    planned = judged(
        stage("1", "pipeline", application="app", pipeline="other"), wait("2", ["1"], waitTime="${seconds}")
    )["2"]
    assert (planned.outcome, planned.faults) == ("runs", [])
    assert "its tasks are known when it starts" in planned.reasons[0]


def test_failed_expressions_fail_the_stage_when_it_says_so():
    planned = judged(wait("1", comments="${#nothing()}", failOnFailedExpressions=True))["1"]
    assert planned.outcome == "fails"


@pytest.mark.parametrize(
    ("condition", "outcome", "stage_outcome"),
    [
        ({"type": "expression", "context": {"expression": "1 < 2"}}, "holds", "runs"),
        ({"type": "expression", "context": {"expression": "2 < 1"}}, "fails", "fails"),
        ({"type": "expression", "failPipeline": False, "context": {"expression": "false"}}, "fails", "runs"),
        ({"type": "expression", "context": {"expression": "#stage('webhook 1').outputs.ok"}}, "unknown", "runs"),
        ({"type": "stageStatus", "context": {"stageName": "nobody", "stageStatus": "SUCCEEDED"}}, "fails", "fails"),
        ({"type": "stageStatus", "context": {"stageName": "webhook 1", "stageStatus": "SUCCEEDED"}}, "unknown", "runs"),
    ],
)
def test_preconditions_are_checked_as_far_as_they_are_known(condition: JsonMap, outcome: str, stage_outcome: str):
    planned = judged(
        stage("1", "webhook", url="https://example.com"),
        stage("2", "checkPreconditions", ["1"], preconditions=[condition]),
    )["2"]
    assert [each["outcome"] for each in planned.preconditions] == [outcome]
    assert planned.outcome == stage_outcome
    assert [each.ref_id for each in planned.before] == ["2<1"]


def test_a_dry_run_runs_stubs():
    planned = judged(stage("1", "webhook", url="https://example.com"))
    assert planned["1"].tasks == ["createWebhook"]
    execution = pipeline(stage("1", "webhook", url="https://example.com"))
    execution.trigger |= {"dryRun": True}
    [dry] = planner_of(execution).plan()
    assert dry.tasks == ["dryRun"]


_WORDS = st.sampled_from(["", "1", "wait", "${1 + 1}", "${nowhere.at.all}", "${#stage('x').status}", "true", "$.a"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)
_FIELDS = """
url account manifests source waitTime preconditions pipeline application variables stageEnabled alias
restrictExecutionDuringTimeWindow restrictedExecutionWindow failOnFailedExpressions expectedArtifacts notifications
parallelStages target kind mode criteria cluster location manifestName options patchBody trafficManagement parameters
stages retries customHeaders
"""
_KEYS = st.sampled_from(_FIELDS.split())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(StageCatalogue.load().types)), st.dictionaries(_KEYS, _JSON, max_size=5), st.booleans())
def test_whatever_is_written_in_a_stage_has_a_verdict(kind: str, context: JsonMap, dry: bool):
    execution = pipeline(stage("1", "wait", waitTime=0), stage("2", kind, ["1"], **context), stage("3", "wait", ["2"]))
    execution.trigger |= {"dryRun": dry}
    planned = planner_of(execution).plan()
    assert [each.stage.ref_id for each in planned] == ["1", "2", "3"]
    assert orjson.dumps([each.to_json() for each in planned])
    assert all(problems_of(each) for each in planned if each.outcome == "fails")


# --- the API

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"image": "${image}"}}


TEMPLATE = {
    "schema": "v2",
    "id": "slow",
    "metadata": {"name": "Slow", "description": "waits", "owner": "a@example.com"},
    "variables": [{"name": "seconds", "type": "int", "defaultValue": 30}],
    "pipeline": {
        "stages": [
            {
                "type": "wait",
                "refId": "1",
                "name": "Wait",
                "waitTime": "${ templateVariables.seconds }",
                "comments": "${parameters.why}",
            }
        ]
    },
}


class Clouddriver:
    """Answers plans with what the test wants, and artifacts with manifests; as front50 it has most pipelines."""

    def __init__(self) -> None:
        self.verdicts: list[JsonMap] = [{"name": "configMap c", "action": "create", "diff": "+a\n"}]
        self.status = 200
        self.go_on = threading.Event()
        self.go_on.set()

    def reply(self, request: Request) -> Reply:
        if request.path == "/artifacts/fetch" and request.json["type"] == "front50/pipelineTemplate":
            return 200, TEMPLATE
        if request.path == "/artifacts/fetch":
            return 200, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fetched}\n"
        if request.path.startswith("/pipelines/"):
            return (404, {"message": "not found"}) if "gone" in request.path else (200, {"id": "build"})
        self.go_on.wait(60)
        if self.status != 200:
            return self.status, {"message": "Access denied to account prod"}
        return 200, {"account": "prod", "manifests": self.verdicts, "errors": []}


@pytest.fixture(scope="module")
def clouddriver() -> Clouddriver:
    return Clouddriver()


@pytest.fixture(scope="module")
def peer(clouddriver: Clouddriver) -> Iterator[Peer]:
    with serve(clouddriver.reply) as peer:
        yield peer


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings], peer: Peer) -> Iterator[Orca]:
    from gennaker.embedded.process import free_port

    services = {"orca": {"port": free_port()}, "clouddriver": {"baseUrl": peer.url}, "front50": {"baseUrl": peer.url}}
    with running_orca(new_orca_settings(services=services)) as running:
        yield running


@pytest.fixture(autouse=True)
def as_usual(clouddriver: Clouddriver, peer: Peer) -> None:
    clouddriver.__init__()
    peer.requests.clear()


def body_of(*stages: JsonMap, **more: Any) -> JsonMap:
    trigger = {"type": "manual"} | more.pop("trigger", {})
    return {"application": "shop", "name": "p", "stages": list(stages), "trigger": trigger} | more


def deploy(**more: Any) -> JsonMap:
    return {"type": "deployManifest", "name": "deploy", "refId": "1", "account": "prod", "manifests": [MANIFEST]} | more


def test_a_plan_tells_parameters_stages_and_the_deploy(orca: Orca, peer: Peer):
    declared = [{"name": "image", "default": "shop:1"}, {"name": "reason", "required": True}]
    body = body_of(deploy(), parameterConfig=declared, trigger={"parameters": {"reason": "why not"}})
    planned = orca.post(
        "/pipelines/plan",
        body | {"stages": [deploy(manifests=[MANIFEST | {"data": {"image": "${parameters.image}"}}])]},
    )
    assert planned["start"] == {"outcome": "starts", "reasons": []}
    assert planned["parameters"] == {"image": "shop:1", "reason": "why not"}
    [planned_stage] = planned["stages"]
    assert planned_stage["tasks"][:3] == ["resolveDeploySourceManifest", "deployManifest", "monitorDeploy"]
    assert planned_stage["expressions"] == [
        {
            "path": "manifests[0].data.image",
            "expression": "${parameters.image}",
            "outcome": "value",
            "value": "shop:1",
        }
    ]
    assert planned_stage["deploy"]["manifests"][0]["action"] == "create"
    assert (planned["problems"], planned["summary"]["runs"]) == ([], 1)
    [asked] = peer.requests
    assert asked.path == "/kubernetes/manifests/plan"
    sent = asked.json
    assert sent["manifests"][0]["data"] == {"image": "shop:1"}
    assert (sent["account"], sent["moniker"]) == ("prod", {"app": "shop"})


def test_a_plan_stores_nothing_and_tells_nobody(orca: Orca):
    application, config_id, correlation = (f"app{new_ulid().lower()}" for _ in range(3))
    body = body_of(
        deploy(),
        application=application,
        id=config_id,
        limitConcurrent=True,
        keepWaitingPipelines=True,
        trigger={"correlationId": correlation},
    )
    for _ in range(2):
        assert orca.post("/pipelines/plan", body)["start"]["outcome"] == "starts"
    traces: dict[str, LiteralString] = {
        "execution": "SELECT count(*) FROM orca.execution WHERE application = %s OR pipeline_config_id = %s",
        "waiting": "SELECT count(*) FROM orca.waiting WHERE execution_id = %s OR pipeline_config_id = %s",
        "correlation": "SELECT count(*) FROM orca.correlation WHERE %s <> '' AND id = %s",
        "outbox": "SELECT count(*) FROM orca.outbox WHERE %s <> '' AND strpos(payload::text, %s) > 0",
    }
    second = {"correlation": correlation}
    with psycopg.connect(orca.settings.database.url) as connection:
        found = {
            name: connection.execute(query, [application, second.get(name, config_id)]).fetchone()
            for name, query in traces.items()
        }
    assert found == dict.fromkeys(traces, (0,))


@pytest.mark.parametrize(
    ("stages", "unknown"),
    [
        (
            [
                {"type": "pipeline", "name": "build", "refId": "0", "application": "shop", "pipeline": "build"},
                deploy(requisiteStageRefIds=["0"]),
            ],
            "manifests[0].data.image depends on the outputs of stage 'build' (0)",
        ),
        (
            [
                {
                    "type": "webhook",
                    "name": "build",
                    "refId": "0",
                    "url": "https://example.com",
                    "expectedArtifacts": [{"id": "built", "matchArtifact": {"type": "docker/image"}}],
                },
                deploy(requisiteStageRefIds=["0"], manifests=[{"kind": "x"}], requiredArtifactIds=["built"]),
            ],
            "an artifact that it uses is made by stage 'build' (0)",
        ),
    ],
)
def test_a_deploy_of_what_is_not_known_yet_is_not_tried(orca: Orca, peer: Peer, stages: list[JsonMap], unknown: str):
    planned = orca.post("/pipelines/plan", body_of(*stages))
    assert planned["stages"][1]["deploy"] == {"unknown": unknown}
    assert peer.asked("POST") == []
    assert planned["problems"] == []


def test_a_manifest_that_is_an_artifact_is_fetched(orca: Orca, peer: Peer):
    artifact = {"type": "http/file", "reference": "https://example.com/m.yml"}
    expected = {
        "id": "m",
        "matchArtifact": {"type": "http/file"},
        "useDefaultArtifact": True,
        "defaultArtifact": artifact,
    }
    body = body_of(deploy(source="artifact", manifestArtifactId="m"), expectedArtifacts=[expected])
    planned = orca.post("/pipelines/plan", body)
    assert [request.path for request in peer.requests] == ["/artifacts/fetch", "/kubernetes/manifests/plan"]
    assert peer.requests[1].json["manifests"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fetched"}}
    ]
    assert planned["artifacts"] == [
        {"id": "m", "outcome": "default", "matchArtifact": {"type": "http/file"}, "artifact": artifact}
    ]


def test_a_received_artifact_binds_what_it_matches(orca: Orca):
    image = {"type": "docker/image", "name": "shop", "reference": "shop:1"}
    expected = {"id": "image", "matchArtifact": {"type": "docker/image", "name": "shop"}}
    other = {"id": "other", "matchArtifact": {"type": "git/repo"}}
    body = body_of({"type": "wait", "refId": "1"}, expectedArtifacts=[expected, other], trigger={"artifacts": [image]})
    planned = orca.post("/pipelines/plan", body)
    assert [(each["id"], each["outcome"], each.get("artifact")) for each in planned["artifacts"]] == [
        ("image", "received", image),
        ("other", "not asked for", None),
    ]
    assert planned["start"]["outcome"] == "starts"


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        ({"kind": "Namespace", "metadata": {"name": "new"}}, {"reason": "NotFound", "namespace": "new"}),
        (
            {"kind": "CustomResourceDefinition", "spec": {"names": {"kind": "Shop"}}},
            {"reason": "NoSuchKind", "kind": "Shop"},
        ),
    ],
)
def test_what_an_earlier_stage_makes_is_waited_for(
    orca: Orca, clouddriver: Clouddriver, made: JsonMap, refusal: JsonMap
):
    clouddriver.verdicts = [{"name": "shop a", "action": "refused", "message": "not there"} | refusal]
    first = deploy(refId="0", name="prepare", manifests=[made])
    planned = orca.post(
        "/pipelines/plan", body_of(first, deploy(requisiteStageRefIds=["0"], manifests=[{"kind": "x"}]))
    )
    before, after = (each["deploy"]["manifests"][0] for each in planned["stages"])
    assert (before["action"], after["action"]) == ("refused", "unknown")
    assert "once stage 'prepare' (0) has made the" in after["message"]
    assert [each["stage"] for each in planned["problems"]] == ["0"]


def test_a_use_of_a_template_is_planned_as_the_pipeline_that_it_becomes(orca: Orca):
    used = {
        "schema": "v2",
        "type": "templatedPipeline",
        "application": "shop",
        "name": "p",
        "template": {"artifactAccount": "front50ArtifactCredentials", "reference": "spinnaker://slow"}
        | {"type": "front50/pipelineTemplate"},
        "variables": {"seconds": 5},
        "trigger": {"type": "manual", "parameters": {"why": "to see"}},
    }
    planned = orca.post("/pipelines/plan", used)
    [wait_stage] = planned["stages"]
    assert (wait_stage["name"], wait_stage["outcome"], planned["problems"]) == ("Wait", "runs", [])
    assert {each["path"]: each["value"] for each in wait_stage["expressions"]} == {"comments": "to see", "waitTime": 5}


def test_a_child_pipeline_that_is_gone_fails_its_stage(orca: Orca):
    child = {"type": "pipeline", "name": "child", "refId": "1", "application": "shop", "pipeline": "gone"}
    then = {"type": "wait", "refId": "2", "requisiteStageRefIds": ["1"], "waitTime": 1}
    planned = orca.post("/pipelines/plan", body_of(child, then))
    assert [each["outcome"] for each in planned["stages"]] == ["fails", "not reached"]
    assert planned["problems"] == [{"stage": "1", "message": "pipeline: there is no pipeline 'gone'."}]


def test_refusals_are_problems(orca: Orca, clouddriver: Clouddriver):
    clouddriver.verdicts = [{"name": "configMap c", "action": "refused", "message": "forbidden"}]
    planned = orca.post("/pipelines/plan", body_of(deploy(manifests=[{"kind": "ConfigMap"}])))
    assert planned["problems"] == [{"stage": "1", "message": "configMap c: forbidden"}]
    clouddriver.status = 403
    planned = orca.post("/pipelines/plan", body_of(deploy(manifests=[{"kind": "ConfigMap"}])))
    assert "Access denied to account prod" in planned["problems"][0]["message"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"disabled": True}, "The pipeline is disabled."),
        ({"parameterConfig": [{"name": "tag", "required": True}]}, "The required parameter 'tag' has no value."),
        ({"startTimeExpiry": 1}, "startTimeExpiry has passed"),
        (
            {
                "expectedArtifacts": [{"id": "a", "displayName": "image", "matchArtifact": {"type": "docker/image"}}],
                "trigger": {"expectedArtifactIds": ["a"]},
            },
            "Unmatched expected artifact 'image'",
        ),
    ],
)
def test_what_would_not_start_says_why(orca: Orca, peer: Peer, more: JsonMap, reason: str):
    planned = orca.post("/pipelines/plan", body_of(deploy(manifests=[{"kind": "ConfigMap"}]), **more))
    assert planned["start"]["outcome"] == "refused"
    assert reason in planned["problems"][0]["message"]
    assert peer.requests == []


def test_a_full_pipeline_waits_its_turn(orca: Orca):
    body = body_of({"type": "wait", "refId": "1", "waitTime": 600}, id=new_ulid(), limitConcurrent=True)
    assert orca.post("/pipelines/plan", body)["start"]["outcome"] == "starts"
    running = orca.post("/orchestrate", body)["ref"].rsplit("/", 1)[-1]
    orca.wait(running, lambda seen: seen["status"] == "RUNNING")
    assert orca.post("/pipelines/plan", body)["start"] == {
        "outcome": "waits",
        "reasons": ["1 of its executions run, 0 wait; it would be cancelled if a newer one came"],
    }


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (body_of({"refId": "1", "name": "nameless"}), "type missing"),
        (body_of({"type": "wait", "refId": "1", "requisiteStageRefIds": ["2"]}), "2"),
        ({"stages": 7}, "stages"),
        (body_of(expectedArtifacts=[7]), "expectedArtifacts[0]"),
    ],
)
def test_what_is_no_pipeline_is_refused(orca: Orca, body: JsonMap, named: str):
    assert named in orca.post("/pipelines/plan", body, status=400)["message"]


def test_plans_that_wait_for_clouddriver_leave_threads_for_all_else(orca: Orca, peer: Peer, clouddriver: Clouddriver):
    clouddriver.go_on.clear()
    with ThreadPoolExecutor(60) as callers:
        plans = [callers.submit(orca.post, "/pipelines/plan", body_of(deploy())) for _ in range(60)]
        try:
            watch(lambda: len(peer.requests), lambda asked: asked > 0)
            for _ in range(60):
                orca.get("/pipelines/nothing", 404)
        finally:
            clouddriver.go_on.set()
    assert all(plan.result()["stages"][0]["deploy"]["manifests"][0]["action"] == "create" for plan in plans)


def test_names_are_evaluated_as_in_the_old_way(orca: Orca):
    stages = [{"type": "wait", "refId": "1", "waitTime": 1, "name": "to ${parameters.where}"}]
    body = body_of(*stages, trigger={"parameters": {"where": "prod"}})
    assert orca.post("/pipelines/plan", body)["stages"][0]["name"] == "to prod"
    assert orca.post("/pipelines/plan", body | {"spelEvaluator": "v4"})["stages"][0]["name"] == stages[0]["name"]
