"""What a deploy does with the ReplicaSets that its own replaces."""

from typing import Any

import pytest
from kork.testing.peers import Peer
from orca.execution.model import Execution, StageExecution
from orca.testing import Driver, pipeline, stage
from orca.testing.clouddriver import FAILED, STABLE, WAITING, Clouddriver

SERVING = {"readyReplicas": 2.0, "availableReplicas": 1.0}


def replica_set(name: str, **annotations: str) -> dict[str, Any]:
    cluster = {"moniker.spinnaker.io/cluster": "replicaSet shop"} | annotations
    return {"kind": "ReplicaSet", "metadata": {"name": name, "namespace": "staging", "annotations": cluster}}


def live(status: dict[str, Any], **counts: float) -> dict[str, Any]:
    return {"manifest": {"status": counts}, "status": status}


@pytest.fixture
def clouddriver() -> Clouddriver:
    peer = Clouddriver()
    names = {"staging": ["replicaSet shop-v003"]}
    peer.results["deployManifest"] = [{"manifests": [replica_set("shop-v003")], "manifestNamesByNamespace": names}]
    peer.results["deleteManifest"] = [{"manifestNamesByNamespace": {}, "manifests": []}]
    peer.members = ["shop-v001", "shop-v002", "shop-v003"]
    return peer


def deploy(strategy: str | None, enabled: bool = True, **more: Any) -> StageExecution:
    options = {"enableTraffic": True, "services": ["service shop"], "strategy": strategy}
    given = {"account": "k8s", "cloudProvider": "kubernetes", "manifests": [replica_set("shop")]}
    traffic = {"trafficManagement": {"enabled": enabled, "options": options}}
    return stage("1", "deployManifest", **(given | {"moniker": {"app": "store"}} | traffic | more))


def run(driver: Driver, deployed: StageExecution) -> list[tuple[str, str, str]]:
    """Run the stage; give the stages that it made, as (type, name, status)."""
    execution = pipeline(deployed)
    assert driver.run(execution).status.value == "SUCCEEDED", [each.context for each in execution.stages]
    return made(execution)


def made(execution: Execution) -> list[tuple[str, str, str]]:
    below = sorted((each for each in execution.stages if each.parent_id), key=lambda each: each.ref_id)
    return [(each.type, each.name, each.status.value) for each in below]


@pytest.mark.parametrize(("strategy", "sent"), [("redblack", "RED_BLACK"), ("BlueGreen", "BLUE_GREEN")])
def test_the_old_ones_are_disabled_in_order(
    driver: Driver, clouddriver: Clouddriver, peer: Peer, strategy: str, sent: str
):
    assert run(driver, deploy(strategy)) == [
        ("disableManifest", "Disable replicaSet shop-v001", "SUCCEEDED"),
        ("disableManifest", "Disable replicaSet shop-v002", "SUCCEEDED"),
    ]
    [description] = clouddriver.sent("deployManifest")
    assert (description["strategy"], description["services"], description["enableTraffic"]) == (
        sent,
        ["service shop"],
        True,
    )
    [listed] = peer.asked("GET", "/cluster/")
    assert listed.path == "/manifests/k8s/staging/replicaSet/cluster/store/replicaSet shop"
    first, second = clouddriver.sent("disableManifest")
    assert {key: first[key] for key in ("account", "app", "cloudProvider", "manifestName", "location")} == {
        "account": "k8s",
        "app": "store",
        "cloudProvider": "kubernetes",
        "manifestName": "replicaSet shop-v001",
        "location": "staging",
    }
    assert second["manifestName"] == "replicaSet shop-v002"


@pytest.mark.parametrize(
    ("old", "verb"),
    [
        (live(WAITING), "Delete"),
        (live(WAITING, **SERVING), "Disable"),
        (live(WAITING, readyReplicas=1.0), "Delete"),
        (live(FAILED), "Disable"),
        (live(STABLE), "Disable"),
    ],
)
def test_an_old_one_that_never_came_up_is_deleted(
    driver: Driver, clouddriver: Clouddriver, old: dict[str, Any], verb: str
):
    clouddriver.known = {"replicaSet shop-v002": old}
    execution = driver.run(pipeline(deploy("redblack")), until=lambda seen: bool(made(seen)))
    assert [name for _, name, _ in made(execution)] == [
        "Disable replicaSet shop-v001",
        f"{verb} replicaSet shop-v002",
    ]


def test_highlander_disables_all_and_then_deletes_all(driver: Driver, clouddriver: Clouddriver):
    clouddriver.known = {"replicaSet shop-v002": live(WAITING)}
    clouddriver.statuses = [STABLE]
    deployed = deploy("highlander")
    execution = pipeline(deployed)
    driver.run(execution, until=lambda seen: bool(made(seen)))
    clouddriver.known = {}
    assert driver.run(execution).status.value == "SUCCEEDED"
    assert [name for _, name, _ in made(execution)] == [
        "Disable replicaSet shop-v001",
        "Disable replicaSet shop-v002",
        "Delete replicaSet shop-v001",
        "Delete replicaSet shop-v002",
    ]
    assert clouddriver.sent("deployManifest")[0]["strategy"] == "HIGHLANDER"


@pytest.mark.parametrize(
    "deployed",
    [deploy("none"), deploy(None), deploy("redblack", enabled=False), deploy("redblack", trafficManagement=None)],
)
def test_without_a_strategy_nothing_is_replaced(driver: Driver, peer: Peer, deployed: StageExecution):
    assert run(driver, deployed) == []
    assert peer.asked("GET", "/cluster/") == []


def test_what_is_gone_by_then_is_left_alone(driver: Driver, clouddriver: Clouddriver):
    clouddriver.known = {"replicaSet shop-v001": 404}
    assert [name for _, name, _ in run(driver, deploy("redblack"))] == ["Disable replicaSet shop-v002"]


def test_what_the_cleanup_has_deleted_is_left_alone(driver: Driver, clouddriver: Clouddriver):
    limited = replica_set("shop-v003", **{"strategy.spinnaker.io/max-version-history": "2"})
    clouddriver.results["deployManifest"][0]["manifests"] = [limited]
    deleted = {"staging": ["replicaSet shop-v001"]}
    clouddriver.results["cleanupArtifacts"] = [{"manifestNamesByNamespace": deleted, "manifests": None}]
    assert [name for _, name, _ in run(driver, deploy("redblack"))] == ["Disable replicaSet shop-v002"]


def test_two_new_ones_of_a_cluster_leave_each_other_alone(driver: Driver, clouddriver: Clouddriver):
    result = clouddriver.results["deployManifest"][0]
    result["manifests"] = [replica_set("shop-v002"), replica_set("shop-v003"), {"kind": "Service"}]
    assert [name for _, name, _ in run(driver, deploy("bluegreen"))] == ["Disable replicaSet shop-v001"]


def test_an_old_one_that_can_not_be_disabled_fails_the_deploy(driver: Driver, clouddriver: Clouddriver):
    clouddriver.known = {"replicaSet shop-v001": live(FAILED)}
    deployed = deploy("redblack")
    execution = driver.run(pipeline(deployed))
    assert (execution.status.value, deployed.status.value) == ("TERMINAL", "TERMINAL")
    assert [status for *_, status in made(execution)] == ["TERMINAL", "NOT_STARTED"]


def test_an_unknown_strategy_is_refused_before_anything_is_done(driver: Driver, clouddriver: Clouddriver):
    refused = deploy("canary")
    assert driver.run(pipeline(refused)).status.value == "TERMINAL"
    told = (
        "trafficManagement.options.strategy: there is no strategy 'canary'; use one of redblack, bluegreen, highlander"
    )
    assert told in str(refused.context["exception"]["details"])
    assert clouddriver.operations == {}


def test_label_selectors_are_passed_on(driver: Driver, clouddriver: Clouddriver):
    selectors = {"selectors": [{"kind": "EQUALS", "key": "color", "values": ["blue"]}]}
    run(driver, deploy("none", labelSelectors=selectors, allowNothingSelected=True, skipSpecTemplateLabels=True))
    [sent] = clouddriver.sent("deployManifest")
    assert (sent["labelSelectors"], sent["allowNothingSelected"], sent["skipSpecTemplateLabels"]) == (
        selectors,
        True,
        True,
    )


def test_no_outputs_are_published_when_the_stage_says_so(driver: Driver):
    image = {"type": "docker/image", "name": "shop", "reference": "shop:1"}
    expected = [
        {"id": "1", "matchArtifact": {"type": "docker/image"}, "useDefaultArtifact": True, "defaultArtifact": image}
    ]
    deployed = deploy("none", noOutput="true", expectedArtifacts=expected)
    run(driver, deployed)
    assert deployed.outputs == {}
    assert deployed.context["resolvedExpectedArtifacts"][0]["boundArtifact"] == image
