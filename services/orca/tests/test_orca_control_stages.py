"""The control stages that wait, check and judge, run through the engine's core."""

from base64 import b64decode
from typing import Any

import pytest
from kork.errors import UpstreamError
from kork.identity import Identity
from orca.execution.advance import advance
from orca.execution.model import Execution
from orca.execution.operations import change_stage
from orca.expressions import PipelineExpressions
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.installed import catalogue_for
from orca.testing import Driver, NoExpressions, pipeline, scripted_catalogue, stage

CATALOGUE = StageCatalogue.load()
NOW = 1_795_487_438_000
HOUR = 3_600_000


class Recorder:
    """A service of which this test has the answers; remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str, **_: Any) -> Any:
        self.asked.append((path, None))
        return self._next()

    def post(self, path: str, *, json: Any = None, **_: Any) -> Any:
        self.asked.append((path, json))
        return self._next()

    def _next(self) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def gone() -> UpstreamError:
    return UpstreamError("gone", status=404, method="GET", url="http://there")


def one(execution: Execution, ref: str = "1"):
    found = execution.stage_by_ref(ref)
    assert found is not None
    return found


def configured(**tasks: Any) -> StageCatalogue:
    return catalogue_for(OrcaSettings.model_validate({"tasks": tasks}))


def test_a_stage_waits_until_its_moment():
    execution = pipeline(stage("1", "waitUntil", epochMillis=NOW + HOUR))
    driver = Driver(CATALOGUE, now=NOW)
    driver.run(execution)
    assert (driver.now, one(execution).end_time, one(execution).context["startTime"]) == (NOW + HOUR, NOW + HOUR, NOW)
    assert execution.status.value == "SUCCEEDED"


@pytest.mark.parametrize("moment", [None, NOW - HOUR])
def test_a_moment_that_is_none_or_over_is_not_waited_for(moment: int | None):
    execution = pipeline(stage("1", "waitUntil", epochMillis=moment))
    driver = Driver(CATALOGUE, now=NOW)
    driver.run(execution)
    assert execution.status.value == "SUCCEEDED"
    assert driver.now <= NOW + 1


def test_a_condition_holds_a_stage_until_somebody_goes_on():
    conditions = {"enabled": True, "activeConditions": ["freeze"], "clusters": ["shop-main"]}
    catalogue = configured(evaluateCondition=conditions)
    execution = pipeline(stage("1", "waitForCondition", cluster="shop-main"), stage("2", "waitForCondition"))
    assert advance(execution, NOW, catalogue, NoExpressions()).wake_at == NOW + 300_000
    assert one(execution).context["status"] == "WAITING"
    assert one(execution).outputs["conditions"][0]["name"] == "freeze"
    assert (one(execution, "2").status.value, one(execution, "2").context["status"]) == ("SUCCEEDED", "SKIPPED")
    change_stage(execution, one(execution).id, {"status": "SKIPPED"}, Identity("alice"), NOW + 1, catalogue)
    advance(execution, NOW + 1, catalogue, NoExpressions())
    assert execution.status.value == "SUCCEEDED"


@pytest.mark.parametrize(
    ("answers", "kind", "status", "context"),
    [
        ([{"status": "RUNNING"}, {"status": "SUCCEEDED"}], "pipeline", "SUCCEEDED", {}),
        (
            [{"status": "TERMINAL"}],
            "ORCHESTRATION",
            "CANCELED",
            {"reason": "Depended-on execution completed with status TERMINAL"},
        ),
        ([gone()], "PIPELINE", "TERMINAL", {"error": "Execution (PIPELINE) E1 not found."}),
    ],
)
def test_a_stage_depends_on_another_execution(answers: Any, kind: str, status: str, context: dict[str, str]):
    orca = Recorder(*answers)
    execution = pipeline(stage("1", "dependsOnExecution", executionType=kind, executionId="E1"))
    Driver(CATALOGUE, orca=orca).run(execution)
    assert (execution.status.value, one(execution).status.value) == (status, status)
    assert orca.asked[0][0] == ("/tasks/E1" if kind == "ORCHESTRATION" else "/pipelines/E1")
    assert len(orca.asked) == len(answers)
    assert context.items() <= one(execution).context.items()


def test_texts_become_artifacts_and_expected_artifacts_are_bound():
    expected = [{"id": "x", "matchArtifact": {"type": "embedded/base64", "name": "a"}}]
    contents = [{"name": "a", "contents": "n=${ 1 + 1 }"}, {"name": "empty", "contents": ""}, {"contents": {"k": 1}}]
    execution = pipeline(stage("1", "evaluateArtifacts", artifactContents=contents, expectedArtifacts=expected))
    Driver(CATALOGUE).run(execution)
    found = one(execution)
    assert [task.name for task in found.tasks] == ["evaluateArtifacts", "bindArtifacts"]
    assert execution.status.value == "SUCCEEDED"
    [bound] = found.outputs["artifacts"]
    assert (bound["artifactAccount"], b64decode(bound["reference"])) == ("embedded-artifact", b"n=2")
    assert found.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"]["name"] == "a"


def test_a_group_holds_nothing():
    execution = pipeline(stage("1", "group"), stage("2", "wait", ["1"]))
    Driver(CATALOGUE).run(execution)
    assert (one(execution).status.value, execution.status.value) == ("SKIPPED", "SUCCEEDED")


# --- sizes of clusters

GROUPS = [
    {"name": "shop-main-v001", "region": "prod", "disabled": True},
    {"name": "shop-main-v002", "region": "prod", "disabled": False},
    {"name": "shop-main-v003", "region": "test", "disabled": False},
]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"expected": 2}, "SUCCEEDED"),
        ({"expected": 1}, "TERMINAL"),
        ({"expected": 1, "onlyEnabledServerGroups": True}, "SUCCEEDED"),
        ({"expected": 1, "comparison": ">"}, "SUCCEEDED"),
        ({"expected": 2, "comparison": "<="}, "SUCCEEDED"),
        ({"expected": 2, "comparison": "<"}, "TERMINAL"),
        ({"expected": 3, "comparison": ">="}, "TERMINAL"),
        ({"expected": 1, "regions": ["test"]}, "SUCCEEDED"),
        ({"expected": 0, "regions": ["nowhere"]}, "SUCCEEDED"),
    ],
)
def test_a_cluster_has_to_have_the_expected_size(condition: dict[str, Any], status: str):
    given = {"cluster": "shop-main", "credentials": "k8s", "regions": ["prod"]} | condition
    checked = stage("1", "checkPreconditions", cloudProvider="kubernetes")
    checked.context["preconditions"] = [{"type": "clusterSize", "context": given}]
    clouddriver = Recorder({"serverGroups": GROUPS})
    execution = pipeline(checked)
    Driver(CATALOGUE, clouddriver=clouddriver).run(execution)
    assert execution.status.value == status
    assert clouddriver.asked == [("/applications/shop/clusters/k8s/shop-main/kubernetes", None)]
    if status == "TERMINAL":
        assert "server groups in prod but found 2" in str(one(execution, "1<1").context["exception"])


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({}, "Missing cluster"),
        ({"cluster": "shop-main"}, "Missing regions"),
        ({"cluster": "shop-main", "regions": ["a"], "comparison": "~"}, "Unsupported comparison ~"),
        ({"cluster": "shop-main", "regions": "a"}, "context.regions"),
        ({"cluster": "shop-main", "regions": ["a"], "expected": -1}, "Invalid value for expected -1"),
    ],
)
def test_a_size_that_cannot_be_checked_says_why(condition: dict[str, Any], named: str):
    execution = pipeline(
        stage("1", "checkPreconditions", preconditions=[{"type": "clusterSize", "context": condition}])
    )
    Driver(CATALOGUE).run(execution)
    assert named in str(one(execution, "1<1").context["exception"])


def test_a_cluster_that_does_not_exist_has_no_server_groups():
    condition = {"cluster": "shop-main", "regions": ["prod"], "expected": 0, "credentials": "k8s"}
    execution = pipeline(
        stage("1", "checkPreconditions", preconditions=[{"type": "clusterSize", "context": condition}])
    )
    Driver(CATALOGUE, clouddriver=Recorder(gone())).run(execution)
    assert execution.status.value == "SUCCEEDED"


# --- judgments


def judge(execution: Execution, user: Identity, verdict: str, now: int = NOW + 1) -> None:
    change_stage(execution, one(execution).id, {"judgmentStatus": verdict}, user, now, CATALOGUE)
    advance(execution, now, CATALOGUE, PipelineExpressions())


@pytest.mark.parametrize("field", ["selectedStageRoles", "requiredJudgmentRoles"])
@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        (Identity("bob", roles=("dev",)), False),
        (Identity(), False),
        (Identity("carol", roles=("Ops",)), True),
        (Identity("root", admin=True), True),
    ],
)
def test_only_who_has_the_role_may_judge(field: str, user: Identity, allowed: bool):
    execution = pipeline(stage("1", "manualJudgment", **{field: ["ops"]}))
    advance(execution, NOW, CATALOGUE, PipelineExpressions())
    judge(execution, user, "continue")
    context = one(execution).context
    if allowed:
        assert execution.status.value == "SUCCEEDED"
        return
    assert (execution.status.value, context["judgmentStatus"]) == ("RUNNING", "")
    assert context["judgmentRefused"] == f"'{user.user}' may not judge: one of the roles ops is needed."
    judge(execution, Identity("carol", roles=("ops",)), "stop", NOW + 2)
    assert (execution.status.value, context.get("judgmentRefused")) == ("TERMINAL", None)


def notified(*notifications: dict[str, Any], **more: Any) -> Execution:
    return pipeline(stage("1", "manualJudgment", notifications=list(notifications), instructions="look", **more))


def test_a_judgment_is_announced_once_and_again_as_often_as_asked():
    once = {"type": "email", "address": "a@example.com", "message": {"manualJudgment": {"text": "please"}}}
    often = {"type": "slack", "address": "#ops", "notifyEveryMs": HOUR}
    other = {"type": "email", "address": "b@example.com", "when": ["manualJudgmentStop"]}
    echo = Recorder({})
    execution = notified(once, often, other)
    driver = Driver(CATALOGUE, echo=echo, now=NOW)
    out = driver.advance(execution)
    assert [body["to"] for _, body in echo.asked] == [["a@example.com"], ["#ops"]]
    path, body = echo.asked[0]
    assert (path, body["notificationType"], body["templateGroup"]) == ("/notifications", "EMAIL", "manualJudgment")
    assert body["additionalContext"]["instructions"] == "look"
    assert body["additionalContext"]["message"] == "please"
    assert out.wake_at == NOW + HOUR
    driver.now = NOW + HOUR
    driver.advance(execution)
    assert [body["to"] for _, body in echo.asked[2:]] == [["#ops"]]
    sent = one(execution).context["notifications"][1]["lastNotifiedByNotificationState"]
    assert sent == {"manualJudgment": NOW + HOUR}


@pytest.mark.parametrize(("flag", "states"), [(True, ["manualJudgmentStop"]), (False, [])])
def test_a_verdict_is_announced_where_notifications_are_on(flag: bool, states: list[str]):
    echo = Recorder({})
    execution = notified({"type": "email", "address": "a"}, sendNotifications=flag)
    driver = Driver(CATALOGUE, echo=echo, now=NOW)
    driver.advance(execution)
    echo.asked.clear()
    change_stage(execution, one(execution).id, {"judgmentStatus": "stop"}, Identity("alice"), NOW, CATALOGUE)
    driver.advance(execution)
    assert [body["templateGroup"] for _, body in echo.asked] == states
    assert execution.status.value == "TERMINAL"


def test_what_echo_announces_is_only_repeated():
    listed = {"type": "email", "address": "a", "when": ["manualJudgment"], "notifyEveryMs": HOUR}
    echo = Recorder({})
    execution = notified(listed, sendNotifications=True)
    driver = Driver(CATALOGUE, echo=echo, now=NOW)
    assert driver.advance(execution).wake_at == NOW + HOUR
    assert echo.asked == []
    driver.now = NOW + HOUR
    assert driver.advance(execution).wake_at == NOW + 2 * HOUR
    assert [body["templateGroup"] for _, body in echo.asked] == ["manualJudgment"]


def test_a_judgment_goes_on_though_nobody_can_be_told():
    away = UpstreamError("away", status=503, method="POST", url="http://echo", network=True)
    execution = notified({"type": "email", "address": "a"})
    Driver(CATALOGUE, echo=Recorder(away), now=NOW).advance(execution)
    judge(execution, Identity("alice"), "continue")
    assert execution.status.value == "SUCCEEDED"


# --- what operators say about tasks


@pytest.mark.parametrize(
    ("tasks", "context", "pause"),
    [
        ({}, {}, 100),
        ({"global": {"backOffPeriod": 5000}}, {}, 5000),
        ({"kubernetes": {"backOffPeriod": 7000}}, {"cloudProvider": "kubernetes"}, 7000),
        ({"kubernetes": {"backOffPeriod": 7000}}, {}, 100),
        ({"kubernetes": {"prod": {"backOffPeriod": 9000}}}, {"cloudProvider": "kubernetes", "account": "prod"}, 9000),
        ({"kubernetes": {"prod": {"backOffPeriod": 9000}}}, {"cloudProvider": "kubernetes", "account": "test"}, 100),
        ({"global": {"backOffPeriod": "50"}}, {"backoffPeriodMs": 800}, 800),
    ],
)
def test_polls_pause_as_long_as_settings_say(tasks: Any, context: dict[str, Any], pause: int):
    policy = OrcaSettings.model_validate({"tasks": tasks}).tasks.policy()
    catalogue = scripted_catalogue().with_types(policy=policy)
    execution = pipeline(stage("1", io=True, script=["RUNNING"], **context))
    driver = Driver(catalogue, now=NOW)
    assert driver.advance(execution).wake_at == NOW + pause


def test_a_task_that_is_switched_off_is_skipped():
    policy = OrcaSettings.model_validate({"tasks": {"scriptedTask": {"enabled": False}}}).tasks.policy()
    catalogue = scripted_catalogue().with_types(policy=policy)
    execution = pipeline(stage("1", script=["TERMINAL"], tasks=2), stage("2", after=["1"], io=True))
    Driver(catalogue).run(execution)
    assert [task.status.value for task in one(execution).tasks] == ["SKIPPED", "SKIPPED"]
    assert execution.status.value == "SUCCEEDED"


@pytest.mark.parametrize(
    "tasks",
    [
        {"waitTask": {"enabeld": False}},
        {"global": {"backOffPeriod": "soon"}},
        {"kubernetes": {"prod": {"pause": 5}}},
        {"waitTask": False},
        {"waitTask": {"enabled": "perhaps"}},
    ],
)
def test_a_wrong_setting_of_tasks_is_named(tasks: Any):
    [name] = tasks
    with pytest.raises(ValueError, match=f"tasks.{name}"):
        OrcaSettings.model_validate({"tasks": tasks})
