"""The manifest stages against a server that speaks clouddriver's protocol."""

import base64
import hashlib
from typing import Any

import pytest
from kork.testing.peers import Peer
from orca.execution.model import Execution, StageExecution
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.testing import Driver, pipeline, stage
from orca.testing.clouddriver import DEPLOYMENT, FAILED, IMAGE, RESULT, STABLE, WAITING, Clouddriver
from pydantic import ValidationError


def deploy(**more: Any) -> StageExecution:
    given = {"account": "k8s", "cloudProvider": "kubernetes", "source": "text", "manifests": [DEPLOYMENT]}
    return stage("1", "deployManifest", **(given | {"moniker": {"app": "shop"}} | more))


def errors_of(stage: StageExecution) -> str:
    return str(stage.context["exception"]["details"])


def task_statuses(stage: StageExecution) -> list[tuple[str, str]]:
    return [(each.name, each.status.value) for each in stage.tasks]


def run(driver: Driver, *stages: StageExecution) -> Execution:
    return driver.run(pipeline(*stages))


def test_manifests_are_deployed_and_their_outcome_published(driver: Driver, clouddriver: Clouddriver):
    clouddriver.polls_until_done = 2
    clouddriver.statuses = [WAITING, 503, WAITING, STABLE]
    deployed = deploy()
    execution = run(driver, deployed, stage("2", "wait", ["1"], comments="${ #stage('deployManifest 1').status }"))
    assert execution.status.value == "SUCCEEDED", deployed.context.get("exception")
    assert task_statuses(deployed) == [
        (name, "SUCCEEDED")
        for name in (
            "resolveDeploySourceManifest",
            "deployManifest",
            "monitorDeploy",
            "promoteOutputs",
            "waitForManifestToStabilize",
            "cleanupArtifacts",
            "monitorCleanup",
            "promoteOutputs",
            "bindProducedArtifacts",
        )
    ]
    [sent] = clouddriver.sent("deployManifest")
    assert (sent["manifests"], sent["source"], sent["enableTraffic"]) == ([DEPLOYMENT], "text", True)
    assert (sent["moniker"], sent["account"], sent["optionalArtifacts"]) == ({"app": "shop"}, "k8s", [])
    outputs = deployed.outputs
    assert outputs["outputs.manifestNamesByNamespace"] == RESULT["manifestNamesByNamespace"]
    assert (outputs["outputs.manifests"], outputs["outputs.boundArtifacts"]) == ([DEPLOYMENT], [IMAGE])
    assert outputs["artifacts"] == outputs["outputs.createdArtifacts"] == RESULT["createdArtifacts"]
    context = deployed.context
    assert context["stableManifests"] == [{"manifestName": "deployment shop", "location": "staging"}]
    assert context["messages"][0] == (
        "'deployment shop' in 'staging' for account k8s: waiting for manifest to stabilize"
        " (Waiting for all replicas to be updated)"
    )
    assert (context["deploy.account.name"], context["kato.task.lastStatus"]) == ("k8s", "SUCCEEDED")
    [watched] = context["kato.tasks"]
    assert (watched["id"], watched["resultObjects"]) == ("task-1", [RESULT])


def test_events_are_kept_once_when_the_stage_asks_for_them(driver: Driver, clouddriver: Clouddriver, peer: Peer):
    pulled = {"kind": "Event", "reason": "Pulled"}
    clouddriver.known = {
        "deployment shop": {"status": STABLE, "events": [pulled, pulled], "warnings": [{"reason": "old"}]}
    }
    deployed = deploy(includeEvents=True)
    assert run(driver, deployed).status.value == "SUCCEEDED"
    assert (deployed.context["events"], deployed.context["warnings"]) == ([pulled], [{"reason": "old"}])
    assert {each.query["includeEvents"] for each in peer.asked("GET", "/manifests/")} == {"true"}


def test_what_an_operator_keeps_back_is_not_published(driver: Driver):
    hidden = {
        "clouddriver": {
            "promote-manifest-kato-outputs-task": {"exclude-keys-from-outputs": ["outputs.manifests"]},
            "resolveDeploySourceManifestTask": {"excludeKeysFromOutputs": ["manifests", "optionalArtifacts"]},
        },
        "core": {"bindProducedArtifactsTask": {"excludeKeysFromOutputs": ["artifacts"]}},
    }
    settings = OrcaSettings.model_validate({"tasks": hidden})
    driver.catalogue = StageCatalogue.load().with_types(policy=settings.tasks.policy())
    deployed = deploy(expectedArtifacts=[{"id": "e", "matchArtifact": {"type": "kubernetes/deployment"}}])
    assert run(driver, deployed).status.value == "SUCCEEDED"
    assert {
        "outputs.manifestNamesByNamespace",
        "requiredArtifacts",
        "resolvedExpectedArtifacts",
    } <= deployed.outputs.keys()
    assert not {"outputs.manifests", "manifests", "optionalArtifacts"} & deployed.outputs.keys()
    assert (deployed.context["outputs.manifests"], deployed.context["manifests"]) == ([DEPLOYMENT], [DEPLOYMENT])


@pytest.mark.parametrize(
    "wrong",
    [{"clouddriver": {"promoteTask": {"exclude": []}}}, {"core": {"bindTask": {"excludeKeysFromOutputs": "x"}}}],
)
def test_what_is_kept_back_must_be_a_list_of_keys(wrong: dict[str, Any]):
    with pytest.raises(ValidationError, match="must hold 'excludeKeysFromOutputs', a list of keys"):
        OrcaSettings.model_validate({"tasks": wrong})


@pytest.mark.parametrize("key", ["credentials", "account.name"])
def test_the_account_has_other_names(driver: Driver, clouddriver: Clouddriver, key: str):
    deployed = deploy(**{key: "k8s"})
    del deployed.context["account"]
    assert run(driver, deployed).status.value == "SUCCEEDED", deployed.context.get("exception")
    assert clouddriver.sent("deployManifest")[0]["account"] == "k8s"
    assert [task.implementing_class.rsplit(".", 1)[-1] for task in deployed.tasks][2] == "MonitorDeployManifestTask"


def test_a_failed_rollout_fails_the_stage_with_the_reason(driver: Driver, clouddriver: Clouddriver):
    clouddriver.statuses = [WAITING, FAILED]
    deployed = deploy()
    assert run(driver, deployed).status.value == "TERMINAL"
    message = "'deployment shop' in 'staging' for account k8s: Deployment exceeded its progress deadline"
    assert deployed.context["exception"]["details"]["errors"] == [message]
    assert deployed.context["failedManifests"] == [{"manifestName": "deployment shop", "location": "staging"}]
    assert deployed.context["messages"][-1] == message
    assert "outputs.manifests" in deployed.outputs


def test_traffic_goes_to_services_when_the_stage_says_so(driver: Driver, clouddriver: Clouddriver):
    options = {"enableTraffic": True, "services": ["service shop"], "strategy": "none"}
    run(driver, deploy(moniker=None, trafficManagement={"enabled": True, "options": options}))
    [sent] = clouddriver.sent("deployManifest")
    assert (sent["services"], sent["enableTraffic"], sent["strategy"]) == (["service shop"], True, "NONE")
    assert sent["moniker"] == {"app": "app"}


def test_other_objects_settle_before_a_failed_one_fails_the_stage(driver: Driver, clouddriver: Clouddriver):
    both = {"staging": ["deployment shop", "deployment cart"]}
    clouddriver.results["deployManifest"] = [RESULT | {"manifestNamesByNamespace": both}]
    clouddriver.statuses = [FAILED, WAITING, STABLE]
    deployed = deploy()
    run(driver, deployed)
    assert len(deployed.context["exception"]["details"]["errors"]) == 1
    assert deployed.context["stableManifests"] == [{"manifestName": "deployment cart", "location": "staging"}]


def test_a_rollout_that_never_settles_times_out(driver: Driver, clouddriver: Clouddriver):
    clouddriver.statuses = [WAITING]
    deployed = deploy(stableManifestTimeoutMinutes=2)
    started = driver.now
    run(driver, deployed)
    assert deployed.context["exception"]["exceptionType"] == "TimeoutException"
    assert "WaitForManifestStableTask" in errors_of(deployed)
    assert 120_000 <= driver.now - started < 140_000
    assert len(deployed.context["messages"]) == 1


def test_a_failed_operation_fails_the_stage_and_shows_its_history(driver: Driver, clouddriver: Clouddriver):
    clouddriver.failure = {"type": "EXCEPTION", "operation": "deployManifest", "message": "namespace is terminating"}
    deployed = deploy()
    assert run(driver, deployed).status.value == "TERMINAL"
    [watched] = deployed.context["kato.tasks"]
    assert watched["exception"]["message"] == "namespace is terminating"
    assert deployed.context["kato.task.lastStatus"] == "TERMINAL"
    statuses = [status for _, status in task_statuses(deployed)]
    assert statuses[:4] == ["SUCCEEDED", "SUCCEEDED", "TERMINAL", "NOT_STARTED"]


def test_an_operation_that_clouddriver_refuses_fails_with_its_words(driver: Driver, clouddriver: Clouddriver):
    clouddriver.refusals = [(400, {"message": "Bad", "errors": ["account 'k8s' does not exist"]})]
    deployed = deploy()
    assert run(driver, deployed).status.value == "TERMINAL"
    assert deployed.context["exception"]["details"]["errors"] == ["account 'k8s' does not exist"]


def test_an_operation_is_asked_for_again_under_the_same_key_when_the_answer_is_lost(
    driver: Driver, clouddriver: Clouddriver, peer: Peer
):
    clouddriver.refusals = [(503, {"message": "away"}), (502, {"message": "away"})]
    deployed = deploy()
    assert run(driver, deployed).status.value == "SUCCEEDED"
    keys = {request.query["clientRequestId"] for request in peer.asked("POST", "/ops")}
    assert len(peer.asked("POST", "/ops")) == 3
    assert len(keys) == 1
    assert len(keys.pop()) == len(hashlib.sha256().hexdigest())


def test_a_restarted_stage_is_a_new_operation(driver: Driver, clouddriver: Clouddriver):
    first, second = deploy(), deploy()
    run(driver, first)
    driver.now += 1
    second.id = first.id
    run(driver, second)
    assert len(clouddriver.sent("deployManifest")) == 2


def test_a_task_that_is_not_there_yet_is_waited_for(driver: Driver, clouddriver: Clouddriver):
    clouddriver.missing_polls = 30
    deployed = deploy()
    assert run(driver, deployed).status.value == "SUCCEEDED"
    clouddriver.missing_polls = 31
    assert run(driver, deploy()).status.value == "TERMINAL"


def test_what_runs_is_not_repeated_after_a_cancel(driver: Driver, clouddriver: Clouddriver):
    clouddriver.polls_until_done = 10_000
    deployed = deploy()
    execution = pipeline(deployed)
    driver.run(execution, until=lambda _: any(op["polls"] for op in clouddriver.operations.values()))
    execution.canceled = True
    driver.run(execution)
    assert (execution.status.value, deployed.status.value) == ("CANCELED", "CANCELED")
    assert deployed.outputs.keys() == {"manifests", "requiredArtifacts", "optionalArtifacts"}
    assert len(clouddriver.operations) == 1


def test_versions_are_cleaned_up_when_a_manifest_limits_them(driver: Driver, clouddriver: Clouddriver):
    limited = DEPLOYMENT | {"metadata": {"annotations": {"strategy.spinnaker.io/max-version-history": "2"}}}
    clouddriver.results["deployManifest"] = [RESULT | {"manifests": [limited]}]
    deployed = deploy()
    assert run(driver, deployed).status.value == "SUCCEEDED"
    assert clouddriver.sent("cleanupArtifacts") == [{"manifests": [limited], "account": "k8s"}]
    assert len(deployed.context["kato.tasks"]) == 2


YAML_TEXT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: "c-${ parameters.tag }", annotations: {day: 2024-01-02, on: yes}}
data: {mode: "${ nowhere.else }"}
spec: {defaultMode: 0644}
---
- {kind: Service}
---
"""


def embedded(text: str) -> dict[str, Any]:
    return {"type": "embedded/base64", "name": "m", "reference": base64.b64encode(text.encode()).decode()}


def test_manifests_come_from_an_artifact_with_their_expressions_evaluated(driver: Driver, clouddriver: Clouddriver):
    deployed = deploy(source="artifact", manifests=None, manifestArtifact=embedded(YAML_TEXT))
    execution = pipeline(deployed)
    execution.trigger["parameters"] = {"tag": "7"}
    driver.run(execution)
    [sent] = clouddriver.sent("deployManifest")
    first, second = sent["manifests"]
    assert first["metadata"] == {"name": "c-7", "annotations": {"day": "2024-01-02", "true": True}}
    assert first["spec"]["defaultMode"] == 0o644
    assert first["data"]["mode"] == "${ nowhere.else }"
    assert second == {"kind": "Service"}
    assert "nowhere.else" in str(deployed.context["expressionEvaluationSummary"])


def test_expressions_of_an_artifact_stay_when_the_stage_says_so(driver: Driver, clouddriver: Clouddriver):
    text = embedded("{kind: X, a: '${ 1 + 1 }'}")
    run(driver, deploy(source="artifact", manifestArtifact=text, skipExpressionEvaluation=True))
    assert clouddriver.sent("deployManifest")[0]["manifests"] == [{"kind": "X", "a": "${ 1 + 1 }"}]


def test_failed_expressions_of_an_artifact_fail_the_stage_when_it_says_so(driver: Driver):
    failing = deploy(source="artifact", manifestArtifact=embedded("a: '${ b.c.d }'"), failOnFailedExpressions=True)
    assert run(driver, failing).status.value == "TERMINAL"
    assert "Expressions in the manifest could not be evaluated" in errors_of(failing)


def test_a_manifest_artifact_is_fetched_by_its_id_through_clouddriver(
    driver: Driver, clouddriver: Clouddriver, peer: Peer
):
    clouddriver.artifact = b"kind: Namespace"
    file = {"type": "github/file", "reference": "https://git.example.com/x"}
    deployed = deploy(source="artifact", manifestArtifactId="m", manifestArtifactAccount="git")
    execution = pipeline(deployed)
    execution.trigger["resolvedExpectedArtifacts"] = [{"id": "m", "boundArtifact": file}]
    driver.run(execution)
    [fetched] = peer.asked("PUT", "/artifacts/fetch")
    assert fetched.json == file | {"artifactAccount": "git"}
    assert clouddriver.sent("deployManifest")[0]["manifests"] == [{"kind": "Namespace"}]


def test_required_and_optional_artifacts_go_with_the_operation(driver: Driver, clouddriver: Clouddriver):
    deployed = deploy(
        requiredArtifactIds=["image"], requiredArtifacts=[{"artifact": {"type": "docker/image", "name": "other"}}]
    )
    execution = pipeline(deployed)
    execution.trigger |= {
        "artifacts": [IMAGE],
        "resolvedExpectedArtifacts": [{"id": "image", "boundArtifact": IMAGE}],
    }
    driver.run(execution)
    [sent] = clouddriver.sent("deployManifest")
    assert sent["requiredArtifacts"] == [IMAGE, {"type": "docker/image", "name": "other"}]
    assert sent["optionalArtifacts"] == [IMAGE]


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"requiredArtifactIds": ["gone"]}, "No artifact with id gone could be found in the pipeline context."),
        ({"manifests": []}, "has no manifest to deploy"),
        ({"manifests": ["text"]}, "must hold Kubernetes objects, not 'text'"),
        ({"source": "artifact"}, "neither 'manifestArtifactId' nor 'manifestArtifact'"),
        ({"source": "artifact", "manifestArtifactId": "x"}, "No artifact could be bound to 'x'"),
        ({"source": "artifact", "manifestArtifact": embedded("a: [")}, "is not YAML"),
        ({"source": "artifact", "manifestArtifact": embedded("")}, "the artifact is empty"),
        ({"source": "artifact", "manifestArtifact": {"type": "embedded/base64", "reference": "%"}}, "is not base64"),
        ({"expectedArtifacts": [{"id": "e", "matchArtifact": {"type": "s3/object"}}]}, "Unmatched expected artifact"),
        (
            {"trafficManagement": {"enabled": True, "options": {"strategy": "canary"}}},
            "trafficManagement.options.strategy: there is no strategy 'canary'",
        ),
        ({"account": 5}, "account"),
        ({"account": ""}, "account"),
        ({"source": "thin air"}, "source"),
        ({"manifests": 7}, "manifests"),
        ({"requiredArtifactIds": "x"}, "requiredArtifactIds"),
        ({"requiredArtifacts": [5]}, "requiredArtifacts.0"),
        ({"moniker": []}, "moniker"),
        ({"stableManifestTimeoutMinutes": "soon"}, "stableManifestTimeoutMinutes"),
        ({"manifestArtifact": []}, "manifestArtifact"),
        ({"trafficManagement": 1}, "trafficManagement"),
    ],
)
def test_what_is_wrong_with_a_stage_is_named(driver: Driver, context: dict[str, Any], told: str):
    wrong = deploy(**context)
    assert run(driver, wrong).status.value == "TERMINAL"
    assert told in errors_of(wrong)


def test_aliases_can_not_blow_a_manifest_up(driver: Driver):
    links = zip("abcdefg", "bcdefgh", strict=True)
    lines = [f"{name}: &{name} [{','.join(['*' + before] * 10)}]" for before, name in links]
    bomb = "\n".join(["a: &a [1,1,1,1,1,1,1,1,1,1]", *lines])
    failing = deploy(source="artifact", manifestArtifact=embedded(bomb))
    assert run(driver, failing).status.value == "TERMINAL"
    assert "has more than" in errors_of(failing)


def test_produced_artifacts_are_bound_for_later_stages(driver: Driver):
    deployed = deploy(expectedArtifacts=[{"id": "e", "matchArtifact": {"type": "kubernetes/deployment"}}])
    assert run(driver, deployed).status.value == "SUCCEEDED", deployed.context.get("exception")
    [resolved] = deployed.outputs["resolvedExpectedArtifacts"]
    assert resolved["boundArtifact"] == RESULT["createdArtifacts"][0]


TARGETED = [
    ("scaleManifest", {"replicas": 3}, ["resolveTargetManifest", "scaleManifest", "monitorScale"], True),
    ("undoRolloutManifest", {"numRevisionsBack": 1}, ["undoRolloutManifest", "monitorUndoRollout"], True),
    ("rollingRestartManifest", {}, ["rollingRestartManifest", "monitorRollingRestart"], False),
    ("pauseRolloutManifest", {}, ["pauseRolloutManifest", "monitorPauseRollout"], False),
    ("resumeRolloutManifest", {}, ["resumeRolloutManifest", "monitorResumeRollout"], True),
    ("deleteManifest", {}, ["resolveTargetManifest", "deleteManifest", "monitorDelete", "promoteOutputs"], False),
]


@pytest.mark.parametrize(("type", "more", "tasks", "waits"), TARGETED)
def test_a_stage_acts_on_its_target(
    driver: Driver, clouddriver: Clouddriver, type: str, more: Any, tasks: list[str], waits: bool
):
    clouddriver.results["deleteManifest"] = [{"manifestNamesByNamespace": {"staging": ["deployment shop"]}}]
    acting = stage("1", type, account="k8s", location="staging", manifestName="deployment shop", **more)
    assert run(driver, acting).status.value == "SUCCEEDED", acting.context.get("exception")
    assert [each.name for each in acting.tasks] == tasks + (["waitForManifestToStabilize"] if waits else [])
    [sent] = clouddriver.sent(type)
    assert sent.items() >= {"manifestName": "deployment shop", "location": "staging", **more}.items()
    assert acting.context["outputs.manifestNamesByNamespace"] == {"staging": ["deployment shop"]}


def test_a_target_is_found_by_criteria(driver: Driver, clouddriver: Clouddriver, peer: Peer):
    clouddriver.target = {"kind": "replicaSet", "namespace": "staging", "name": "shop-v002"}
    scaled = stage(
        "1",
        "scaleManifest",
        account="k8s",
        location="staging",
        kind="replicaSet",
        cluster="replicaSet shop",
        criteria="newest",
        replicas="2",
    )
    run(driver, scaled)
    assert clouddriver.sent("scaleManifest")[0]["manifestName"] == "replicaSet shop-v002"
    assert peer.asked("GET", "dynamic")[0].raw_path == (
        "/manifests/k8s/staging/replicaSet/cluster/app/replicaSet%20shop/dynamic/newest"
    )


@pytest.mark.parametrize(
    ("type", "context", "told"),
    [
        ("scaleManifest", {}, "replicas"),
        ("scaleManifest", {"replicas": -1}, "replicas"),
        ("scaleManifest", {"replicas": "many"}, "replicas"),
        ("scaleManifest", {"replicas": 1, "manifestName": "shop"}, "is not '<kind> <name>'"),
        ("scaleManifest", {"replicas": 1, "manifestName": None}, "manifestName"),
        ("scaleManifest", {"replicas": 1, "manifestName": 8}, "manifestName"),
        ("scaleManifest", {"replicas": 1, "criteria": "newest"}, "needs 'kind' and 'cluster'"),
        (
            "scaleManifest",
            {"replicas": 1, "criteria": "newest", "kind": "replicaSet", "cluster": "replicaSet x"},
            "there is no newest replicaSet of cluster 'replicaSet x'",
        ),
        ("undoRolloutManifest", {"numRevisionsBack": []}, "numRevisionsBack"),
        ("undoRolloutManifest", {"manifestName": None}, "manifestName"),
        ("deleteManifest", {"manifestName": None, "kinds": ["pod"]}, "deleting every object of a kind is refused"),
        ("deleteManifest", {"kinds": "pod"}, "kinds"),
        ("deleteManifest", {"location": {}}, "location"),
    ],
)
def test_what_is_wrong_with_a_target_is_named(driver: Driver, type: str, context: dict[str, Any], told: str):
    given = {"account": "k8s", "location": "staging", "manifestName": "deployment shop", **context}
    wrong = stage("1", type, **given)
    assert run(driver, wrong).status.value == "TERMINAL"
    assert told in errors_of(wrong)


def test_the_manifest_stages_are_in_the_catalogue():
    known = StageCatalogue.load().types.keys()
    assert {"deployManifest", "deleteManifest", "scaleManifest", "undoRolloutManifest"} <= known


def test_what_comes_from_the_cluster_is_no_expression(driver: Driver, clouddriver: Clouddriver):
    live = DEPLOYMENT | {"data": {"script": "${ 1 + 1 } ${ nowhere.else }"}}
    clouddriver.results["deployManifest"] = [RESULT | {"manifests": [live]}]
    deployed = deploy(failOnFailedExpressions=True)
    assert run(driver, deployed).status.value == "SUCCEEDED", deployed.context
    assert deployed.outputs["outputs.manifests"] == [live]
    assert deployed.context["outputs.manifests"] == [live]
    assert "expressionEvaluationSummary" not in deployed.context


@pytest.mark.parametrize("type", ["deployManifest", "scaleManifest", "undoRolloutManifest"])
def test_a_restarted_stage_waits_for_its_objects_anew(driver: Driver, type: str):
    done = {"account": "k8s", "stableManifests": [1], "messages": ["m"], "kato.tasks": [{}], "outputs.manifests": [1]}
    assert driver.catalogue.find(type).prepare_restart(done) == {"account": "k8s"}
