"""`bakeManifest` against a server that speaks rosco's protocol."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kork.http import SyncServiceClient
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.model import StageExecution
from orca.settings import OrcaSettings
from orca.testing import Driver, pipeline, stage
from orca.testing.running import running_orca

CHART = {"type": "http/file", "name": "chart", "reference": "https://charts.example/shop.tgz"}
VALUES = {"type": "http/file", "name": "values", "reference": "https://charts.example/values.yml"}
BAKED = {"type": "embedded/base64", "name": "shop", "reference": "a2luZDogU2VydmljZQ=="}
EXPECTED = [{"id": "out", "matchArtifact": {"type": "embedded/base64", "name": "shop"}}]


class Rosco:
    """Bakes what a test wants."""

    def __init__(self) -> None:
        self.answers: list[Reply] = [(200, BAKED)]

    def reply(self, request: Request) -> Reply:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def rosco() -> Rosco:
    return Rosco()


@pytest.fixture
def peer(rosco: Rosco) -> Iterator[Peer]:
    with serve(rosco.reply) as peer:
        yield peer


@pytest.fixture
def driver(peer: Peer) -> Iterator[Driver]:
    client = SyncServiceClient(peer.url, service="rosco")
    yield Driver(rosco=client)
    client.close()


def bake(renderer: str = "HELM3", **more: Any) -> StageExecution:
    given = {
        "templateRenderer": renderer,
        "inputArtifacts": [{"account": "charts", "artifact": CHART}, {"id": "values", "account": "charts"}],
        "expectedArtifacts": EXPECTED,
        "outputName": "shop",
        "namespace": "prod",
        "overrides": {"replicas": 2},
    }
    return stage("1", "bakeManifest", **(given | more))


def run(driver: Driver, baked: StageExecution, status: str = "SUCCEEDED") -> None:
    execution = pipeline(baked)
    execution.trigger["resolvedExpectedArtifacts"] = [{"id": "values", "boundArtifact": VALUES}]
    driver.run(execution)
    assert baked.status.value == status, baked.context.get("exception")


def test_a_chart_is_baked_and_bound(driver: Driver, peer: Peer):
    baked = bake(includeCRDs="true", rawOverrides=False, kubeVersion="1.30", helmChartFilePath="charts/shop")
    run(driver, baked)
    assert [(task.name, task.implementing_class.rsplit(".", 1)[-1]) for task in baked.tasks] == [
        ("createBake", "CreateBakeManifestTask"),
        ("bindProducedArtifacts", "BindProducedArtifactsTask"),
    ]
    [asked] = peer.requests
    assert (asked.method, asked.path) == ("POST", "/api/v2/manifest/bake/HELM3")
    assert asked.json == {
        "templateRenderer": "HELM3",
        "outputArtifactName": "shop",
        "outputName": "shop",
        "namespace": "prod",
        "kubeVersion": "1.30",
        "includeCRDs": True,
        "rawOverrides": False,
        "helmChartFilePath": "charts/shop",
        "inputArtifacts": [CHART | {"artifactAccount": "charts"}, VALUES | {"artifactAccount": "charts"}],
        "overrides": {"replicas": 2},
    }
    assert baked.outputs["artifacts"] == [BAKED]
    assert (baked.outputs["cloudProvider"], baked.context["cloudProvider"]) == ("kubernetes", "kubernetes")
    assert baked.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"] == BAKED


@pytest.mark.parametrize(
    ("renderer", "more", "sent"),
    [
        ("helm2", {}, {"inputArtifacts", "overrides", "namespace"}),
        (
            "HELMFILE",
            {"environment": "prod", "helmfileFilePath": "helmfile.yml"},
            {"inputArtifacts", "overrides", "namespace", "environment", "helmfileFilePath"},
        ),
        ("KUSTOMIZE", {"kustomizeFilePath": "base"}, {"inputArtifact", "kustomizeFilePath"}),
        ("KUSTOMIZE4", {"environment": "prod"}, {"inputArtifact"}),
    ],
)
def test_each_renderer_gets_its_fields(driver: Driver, peer: Peer, renderer: str, more: dict[str, Any], sent: set[str]):
    run(driver, bake(renderer, **more))
    [asked] = peer.requests
    assert asked.path == f"/api/v2/manifest/bake/{renderer.upper()}"
    assert asked.json.keys() == {"templateRenderer", "outputArtifactName", "outputName"} | sent


def test_a_single_input_artifact_is_understood(driver: Driver, peer: Peer):
    run(driver, bake("KUSTOMIZE", inputArtifacts=None, inputArtifact={"artifact": CHART}))
    assert peer.requests[0].json["inputArtifact"] == CHART


def test_trouble_that_passes_is_waited_out(driver: Driver, rosco: Rosco, peer: Peer):
    rosco.answers = [(503, {"message": "starting"}), (200, BAKED)]
    run(driver, bake())
    assert len(peer.requests) == 2


def test_a_bake_that_fails_says_why(driver: Driver, rosco: Rosco):
    rosco.answers = [(500, {"message": "Bake failed: chart not found"})]
    baked = bake()
    run(driver, baked, "TERMINAL")
    assert "Bake failed: chart not found" in str(baked.context["exception"]["details"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"templateRenderer": "JSONNET"}, "Invalid template renderer JSONNET (there are: HELM2, HELM3, HELMFILE"),
        ({"templateRenderer": ""}, "templateRenderer"),
        ({"inputArtifacts": []}, "At least one input artifact to bake must be supplied"),
        ({"inputArtifacts": [{"id": "gone", "account": "a"}]}, "Input artifact (id: gone, account: a) could not be"),
        ({"inputArtifacts": "chart"}, "inputArtifacts"),
        ({"expectedArtifacts": []}, "contains exactly one artifact (there are 0)"),
        ({"expectedArtifacts": EXPECTED * 2}, "contains exactly one artifact (there are 2)"),
        ({"overrides": []}, "overrides"),
    ],
)
def test_what_can_not_be_baked_is_named(driver: Driver, peer: Peer, change: dict[str, Any], told: str):
    baked = bake(**{key: value for key, value in change.items() if key != "templateRenderer"})
    baked.context |= change
    run(driver, baked, "TERMINAL")
    assert told in str(baked.context["exception"]["details"])
    assert peer.requests == []


def test_without_rosco_the_stage_says_what_to_enable():
    baked = bake()
    run(Driver(), baked, "TERMINAL")
    assert "Set 'services.rosco.enabled: true'" in str(baked.context["exception"]["details"])


def test_a_worker_finds_rosco_where_the_settings_say(peer: Peer, new_orca_settings: Callable[..., OrcaSettings]):
    settings = new_orca_settings()
    services = {"rosco": {"enabled": True, "baseUrl": peer.url}, "orca": settings.services.orca.model_dump()}
    settings = settings.model_validate(settings.model_dump() | {"services": services})
    chart = {"type": "bakeManifest", "refId": "1", "name": "bake", "templateRenderer": "HELM3"}
    chart |= {"inputArtifacts": [{"artifact": CHART}], "expectedArtifacts": EXPECTED}
    with running_orca(settings) as orca:
        execution = orca.wait_end(orca.start(chart))
    assert execution["status"] == "SUCCEEDED", execution
    [asked] = peer.requests
    assert asked.headers["x-spinnaker-execution-id"] == execution["id"]
