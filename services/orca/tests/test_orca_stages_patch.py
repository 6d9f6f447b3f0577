"""`patchManifest`, `enableManifest`, `disableManifest` against a server that speaks clouddriver's protocol."""

import base64
from typing import Any

import pytest
from kork.testing.peers import Peer
from orca.execution.model import StageExecution
from orca.testing import Driver, pipeline, stage
from orca.testing.clouddriver import IMAGE, RESULT, WAITING, Clouddriver

LABELS = {"metadata": {"labels": {"color": "blue"}}}
OPERATION = {"op": "add", "path": "/metadata/labels/color", "value": "blue"}


@pytest.fixture
def clouddriver() -> Clouddriver:
    peer = Clouddriver()
    peer.results["patchManifest"] = [{key: RESULT[key] for key in RESULT if key != "createdArtifacts"}]
    return peer


def on_shop(type: str, **more: Any) -> StageExecution:
    target = {"account": "k8s", "cloudProvider": "kubernetes", "location": "staging", "manifestName": "deployment shop"}
    return stage("1", type, **(target | more))


def patch(body: Any = None, strategy: str = "strategic", **more: Any) -> StageExecution:
    return on_shop(
        "patchManifest", **{"patchBody": body, "options": {"mergeStrategy": strategy, "record": True}} | more
    )


def tasks_of(stage: StageExecution) -> list[tuple[str, str]]:
    return [(task.name, task.implementing_class.rsplit(".", 1)[-1]) for task in stage.tasks]


def test_an_object_is_patched_and_awaited(driver: Driver, clouddriver: Clouddriver):
    clouddriver.statuses = [WAITING, *clouddriver.statuses]
    patched = patch(LABELS)
    assert driver.run(pipeline(patched)).status.value == "SUCCEEDED", patched.context.get("exception")
    assert tasks_of(patched) == [
        ("resolveTargetManifest", "ResolveTargetManifestTask"),
        ("resolvePatchSourceManifest", "ResolvePatchSourceManifestTask"),
        ("patchManifest", "PatchManifestTask"),
        ("monitorPatch", "MonitorKatoTask"),
        ("promoteOutputs", "PromoteManifestKatoOutputsTask"),
        ("waitForManifestToStabilize", "WaitForManifestStableTask"),
        ("bindProducedArtifacts", "BindProducedArtifactsTask"),
    ]
    [sent] = clouddriver.sent("patchManifest")
    assert (sent["patchBody"], sent["source"], sent["manifestName"]) == (LABELS, "text", "deployment shop")
    assert (sent["options"], sent["requiredArtifacts"], sent["allArtifacts"]) == (
        {"mergeStrategy": "strategic", "record": True},
        [],
        [],
    )
    assert patched.outputs["manifests"] == [LABELS]
    assert patched.outputs["outputs.boundArtifacts"] == [IMAGE]
    assert patched.outputs["outputs.manifestNamesByNamespace"] == RESULT["manifestNamesByNamespace"]
    assert (patched.context["kato.result.expected"], patched.context["deploy.account.name"]) == (True, "k8s")
    assert patched.context["stableManifests"] == [{"manifestName": "deployment shop", "location": "staging"}]


@pytest.mark.parametrize(
    ("body", "strategy", "sent"),
    [
        (LABELS, "merge", LABELS),
        ([LABELS], "strategic", LABELS),
        ([OPERATION], "json", [OPERATION]),
        (OPERATION, "json", [OPERATION]),
        ([OPERATION, OPERATION], "json", [OPERATION, OPERATION]),
    ],
)
def test_a_patch_is_one_object_or_a_list_of_operations(
    driver: Driver, clouddriver: Clouddriver, body: Any, strategy: str, sent: Any
):
    driver.run(pipeline(patch(body, strategy)))
    assert [each["patchBody"] for each in clouddriver.sent("patchManifest")] == [sent]


def test_a_patch_comes_from_an_artifact_and_uses_artifacts(driver: Driver, clouddriver: Clouddriver):
    text = "metadata: {labels: {color: '${ parameters.color }'}}"
    artifact = {"type": "embedded/base64", "name": "m", "reference": base64.b64encode(text.encode()).decode()}
    patched = patch(source="artifact", manifestArtifact=artifact, requiredArtifacts=[{"artifact": IMAGE}])
    execution = pipeline(patched)
    execution.trigger |= {"parameters": {"color": "blue"}, "artifacts": [IMAGE]}
    assert driver.run(execution).status.value == "SUCCEEDED", patched.context.get("exception")
    [sent] = clouddriver.sent("patchManifest")
    assert (sent["patchBody"], sent["requiredArtifacts"], sent["allArtifacts"]) == (LABELS, [IMAGE], [IMAGE])


def test_expressions_stay_when_the_stage_says_so(driver: Driver, clouddriver: Clouddriver):
    body = {"metadata": {"labels": {"color": "${ parameters.color }"}}}
    driver.run(pipeline(patch(body, skipExpressionEvaluation=True)))
    assert clouddriver.sent("patchManifest")[0]["patchBody"] == body


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patchBody": None}, "requires a valid patch body"),
        ({"patchBody": []}, "requires a valid patch body"),
        ({"patchBody": [LABELS, LABELS]}, "Only one patch object is valid"),
        ({"patchBody": ["labels"]}, "patchBody must hold Kubernetes objects"),
        ({"patchBody": "labels"}, "patchBody"),
        ({"options": {"mergeStrategy": "three-way"}}, "options.mergeStrategy"),
        ({"manifestName": "shop"}, "is not '<kind> <name>'"),
        ({"manifestName": None}, "which object is meant?"),
        ({"account": ""}, "account"),
        ({"source": "artifact"}, "neither 'manifestArtifactId' nor 'manifestArtifact'"),
        ({"requiredArtifactIds": ["image"]}, "No artifact with id image could be found in the pipeline context."),
    ],
)
def test_a_patch_that_can_not_be_says_why(driver: Driver, clouddriver: Clouddriver, change: dict[str, Any], told: str):
    refused = patch(LABELS)
    refused.context |= change
    assert driver.run(pipeline(refused)).status.value == "TERMINAL"
    assert told in str(refused.context["exception"]["details"])
    assert clouddriver.operations == {}


@pytest.mark.parametrize(("type", "verb"), [("enableManifest", "Enable"), ("disableManifest", "Disable")])
def test_traffic_is_switched_and_the_workload_awaited(driver: Driver, clouddriver: Clouddriver, type: str, verb: str):
    clouddriver.statuses = [WAITING, *clouddriver.statuses]
    switched = on_shop(type, manifestName="replicaSet shop-v001")
    assert driver.run(pipeline(switched)).status.value == "SUCCEEDED", switched.context.get("exception")
    assert tasks_of(switched) == [
        ("resolveTargetManifest", "ResolveTargetManifestTask"),
        (type, f"{verb}ManifestTask"),
        (f"monitor{verb}", "MonitorKatoTask"),
        ("waitForManifestToStabilize", "WaitForManifestStableTask"),
    ]
    [sent] = clouddriver.sent(type)
    assert (sent["manifestName"], sent["location"], sent["account"]) == ("replicaSet shop-v001", "staging", "k8s")
    context = switched.context
    assert (context["manifest.name"], context["manifest.location"]) == ("replicaSet shop-v001", "staging")
    assert (context["manifest.account.name"], context["kato.result.expected"]) == ("k8s", False)
    assert context["outputs.manifestNamesByNamespace"] == {"staging": ["replicaSet shop-v001"]}
    assert context["stableManifests"] == [{"manifestName": "replicaSet shop-v001", "location": "staging"}]


@pytest.mark.parametrize("type", ["patchManifest", "enableManifest", "disableManifest"])
def test_the_target_is_found_by_criteria(driver: Driver, clouddriver: Clouddriver, peer: Peer, type: str):
    clouddriver.target = {"kind": "replicaSet", "namespace": "staging", "name": "shop-v007"}
    criteria = {"criteria": "newest", "kind": "replicaSet", "cluster": "replicaSet shop", "app": "shop"}
    switched = on_shop(type, manifestName=None, patchBody=LABELS, **criteria)
    assert driver.run(pipeline(switched)).status.value == "SUCCEEDED", switched.context.get("exception")
    assert switched.outputs["manifestName"] == switched.context["manifestName"] == "replicaSet shop-v007"
    assert clouddriver.sent(type)[0]["manifestName"] == "replicaSet shop-v007"
    [asked] = peer.asked("GET", "/dynamic/")
    assert asked.path == "/manifests/k8s/staging/replicaSet/cluster/shop/replicaSet shop/dynamic/newest"
