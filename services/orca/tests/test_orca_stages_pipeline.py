"""The pipeline stage against a server that answers as front50 and orca do."""

from collections.abc import Iterator
from typing import Any

import pytest
from kork.http import SyncServiceClient
from kork.ids import is_ulid
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.model import Execution, StageExecution
from orca.testing import Driver, pipeline, stage

CONFIG = {
    "id": "child-id",
    "name": "child",
    "application": "shop",
    "stages": [],
    "expectedArtifacts": [{"id": "e", "matchArtifact": {"type": "docker/image"}}],
}
IMAGE = {"type": "docker/image", "name": "shop"}


def child_stage(ref: str, status: str = "SUCCEEDED", after: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": f"S{ref}",
        "refId": ref,
        "type": "wait",
        "name": f"stage {ref}",
        "status": status,
        "context": {},
        "outputs": {},
        "requisiteStageRefIds": after or [],
        **more,
    }


class Platform:
    """One pipeline in front50, and its executions in orca."""

    def __init__(self) -> None:
        self.config: dict[str, Any] | None = CONFIG
        self.started: dict[str, dict[str, Any]] = {}
        self.statuses = ["RUNNING", "SUCCEEDED"]
        self.stages = [child_stage("1", outputs={"a": 1, "l": [1]}), child_stage("2", after=["1"], outputs={"l": [2]})]
        self.more: dict[str, Any] = {}
        self.lost_answers = 0
        self.refusal: Reply | None = None

    def reply(self, request: Request) -> Reply:
        match (request.method, request.path.strip("/").split("/")):
            case ("GET", ["pipelines", _, "get"]):
                return (200, self.config) if self.config else (404, {"message": "Pipeline not found"})
            case ("POST", ["orchestrate"]):
                return self.refusal or self._start(request)
            case ("GET", ["pipelines", id]):
                status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
                return 200, {"id": id, "name": "child", "status": status, "stages": self.stages, **self.more}
            case ("PUT", ["pipelines", id, "cancel"]):
                return (202, None) if id in self.started else (404, {"message": "No PIPELINE found"})
            case _:
                return 404, {"message": f"nothing at {request.path}"}

    def _start(self, request: Request) -> Reply:
        self.started[request.json["executionId"]] = request.json
        if self.lost_answers:
            self.lost_answers -= 1
            return 503, {"message": "going down"}
        return 200, {"ref": f"/pipelines/{request.json['executionId']}"}


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def peer(platform: Platform) -> Iterator[Peer]:
    with serve(platform.reply) as peer:
        yield peer


@pytest.fixture
def driver(peer: Peer) -> Iterator[Driver]:
    front50, orca = (SyncServiceClient(peer.url, service=name) for name in ("front50", "orca"))
    yield Driver(front50=front50, orca=orca)
    front50.close()
    orca.close()


def starting(**more: Any) -> StageExecution:
    return stage("1", "pipeline", application="shop", pipeline="child-id", **more)


def execution_of(*stages: StageExecution) -> Execution:
    return pipeline(*stages, pipeline_config_id="parent-id", authentication={"user": "alice"})


def errors_of(stage: StageExecution) -> list[str]:
    return stage.context["exception"]["details"]["errors"]


def test_a_child_is_started_watched_and_its_outputs_taken_over(driver: Driver, platform: Platform):
    first = starting(pipelineParameters={"tag": "${ trigger.parameters.tag }"})
    execution = execution_of(first, stage("2", "evaluateVariables", ["1"], variables=[{"key": "x", "value": "${ a }"}]))
    execution.trigger |= {"parameters": {"tag": "7"}, "artifacts": [IMAGE]}
    driver.run(execution)
    assert execution.status.value == "SUCCEEDED", first.context.get("exception")
    [(id, sent)] = platform.started.items()
    assert is_ulid(id)
    trigger = sent["trigger"]
    assert (trigger["type"], trigger["user"], trigger["parameters"]) == ("pipeline", "alice", {"tag": "7"})
    assert (trigger["parentPipelineId"], trigger["parentPipelineStageId"]) == (execution.id, first.id)
    assert (trigger["expectedArtifactIds"], sent["receivedArtifacts"]) == (["e"], [IMAGE])
    assert (sent["rootId"], sent["id"], sent["name"]) == (execution.id, "child-id", "child")
    told = {key: first.context[key] for key in ("executionId", "executionName", "status")}
    assert told == {"executionId": id, "executionName": "child", "status": "SUCCEEDED"}
    assert [(each.name, each.status.value) for each in first.tasks] == [
        ("startPipeline", "SUCCEEDED"),
        ("monitorPipeline", "SUCCEEDED"),
    ]
    assert first.outputs == {"a": 1, "l": [1, 2]}
    assert execution.stages[1].outputs == {"x": 1}


def test_outputs_of_the_child_stay_away_when_the_stage_says_so(driver: Driver):
    first = starting(skipDownstreamOutput=True)
    driver.run(execution_of(first))
    assert first.outputs == {}


def test_nobody_waits_when_the_stage_says_so(driver: Driver, peer: Peer):
    first = starting(waitForCompletion=False)
    driver.run(execution_of(first))
    assert ([each.name for each in first.tasks], first.status.value) == (["startPipeline"], "SUCCEEDED")
    assert peer.asked("GET", first.context["executionId"]) == []


def test_a_lost_answer_starts_no_second_child(driver: Driver, platform: Platform, peer: Peer):
    platform.lost_answers = 2
    first = starting()
    driver.run(execution_of(first))
    assert len(peer.asked("POST", "orchestrate")) == 3
    assert list(platform.started) == [first.context["executionId"]]


def test_a_failed_child_fails_the_stage_with_the_childs_errors(driver: Driver, platform: Platform):
    platform.statuses = ["RUNNING", "TERMINAL"]
    exception = {"details": {"error": "Unexpected Task Failure", "errors": ["no such namespace"]}}
    operation = [{"status": {"failed": True}, "exception": {"message": "quota exceeded"}}]
    platform.stages = [
        child_stage("0"),
        child_stage("1", "TERMINAL", context={"exception": exception}),
        child_stage("2", "TERMINAL", context={"kato.tasks": operation}),
    ]
    first = starting()
    assert driver.run(execution_of(first)).status.value == "TERMINAL"
    assert errors_of(first) == [
        "Exception in child pipeline stage (child: stage 1): no such namespace",
        "Exception in child pipeline stage (child: stage 2): quota exceeded",
        "At least one monitored pipeline failed, look for errors in failed pipelines",
    ]
    source = {"executionId": first.context["executionId"], "stageId": "S1", "stageName": "stage 1", "stageIndex": 1}
    assert first.context["exception"]["source"] == source
    assert first.context["status"] == "TERMINAL"


def test_a_cancelled_child_cancels_the_stage(driver: Driver, platform: Platform):
    platform.statuses = ["CANCELED"]
    platform.more = {"cancellationReason": "too late"}
    first = starting()
    assert driver.run(execution_of(first)).status.value == "CANCELED"
    assert errors_of(first) == ["child: too late", "At least one monitored pipeline was cancelled"]


def test_a_cancelled_stage_cancels_its_child(driver: Driver, platform: Platform, peer: Peer):
    platform.statuses = ["RUNNING"]
    first = starting()
    execution = execution_of(first)
    driver.run(execution, until=lambda _: bool(first.context.get("status")))
    execution.canceled = True
    driver.run(execution)
    assert first.status.value == "CANCELED"
    [cancel] = peer.asked("PUT")
    assert cancel.path == f"/pipelines/{first.context['executionId']}/cancel"


def test_a_stage_that_times_out_cancels_its_child(driver: Driver, platform: Platform, peer: Peer):
    platform.statuses = ["RUNNING"]
    first = starting(stageTimeoutMs=60_000)
    assert driver.run(execution_of(first)).status.value == "TERMINAL"
    assert len(peer.asked("PUT")) == 1


def test_a_child_that_ended_is_not_cancelled(driver: Driver, platform: Platform, peer: Peer):
    platform.statuses = ["TERMINAL"]
    driver.run(execution_of(starting()))
    assert peer.asked("PUT") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": None}, "The referenced pipeline child-id (application: shop) cannot be located."),
        ({"config": CONFIG | {"disabled": True}}, "Pipeline 'child' in application 'shop' is disabled"),
        ({"refusal": (400, {"message": "Unmatched expected artifact 'x'"})}, "Unmatched expected artifact 'x'"),
        ({"statuses": ["ODD"]}, "unknown status: 'ODD'"),
    ],
)
def test_what_keeps_a_child_from_running_is_told(driver: Driver, platform: Platform, change: Any, told: str):
    for key, value in change.items():
        setattr(platform, key, value)
    first = starting()
    assert driver.run(execution_of(first)).status.value == "TERMINAL"
    assert any(told in error for error in errors_of(first))


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({"pipeline": None}, "pipeline"),
        ({"pipeline": 7}, "pipeline"),
        ({"pipelineParameters": []}, "pipelineParameters"),
        ({"waitForCompletion": "perhaps"}, "waitForCompletion"),
        ({"skipDownstreamOutput": {}}, "skipDownstreamOutput"),
        ({"expectedArtifacts": "x"}, "expectedArtifacts"),
        ({"executionId": 3}, "executionId"),
    ],
)
def test_a_wrong_field_is_named(driver: Driver, context: dict[str, Any], named: str):
    given = {"application": "shop", "pipeline": "child-id", **context}
    first = stage("1", "pipeline", **given)
    assert driver.run(execution_of(first)).status.value == "TERMINAL"
    assert any(error.startswith(named) for error in errors_of(first))


def test_a_restarted_stage_forgets_its_child_unless_the_child_was_restarted(driver: Driver):
    definition = driver.catalogue.find("pipeline")
    context = {"pipeline": "p", "executionId": "E", "executionName": "n", "status": "TERMINAL"}
    assert definition.prepare_restart(context) == {"pipeline": "p"}
    kept = definition.prepare_restart(context | {"_skipPipelineRestart": True})
    assert kept == {"pipeline": "p", "executionId": "E", "executionName": "n"}


def test_only_a_skippable_stage_may_be_skipped(driver: Driver):
    first = starting(skippable=True, waitForCompletion=False)
    driver.run(execution_of(first))
    assert first.context["canManuallySkip"] is True
