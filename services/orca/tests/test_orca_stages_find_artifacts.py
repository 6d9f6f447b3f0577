"""Stages that find artifacts, against servers that answer as orca and clouddriver do."""

from typing import Any

import pytest
from kork.http import SyncServiceClient
from kork.testing.peers import Peer, Reply, Request, serve
from orca.execution.model import StageExecution
from orca.testing import Driver, pipeline, stage

OLD, NEW = ({"type": "docker/image", "name": "shop", "version": version} for version in ("1", "2"))
FILE = {"type": "github/file", "name": "deploy.yml"}
IMAGES = [{"id": "image", "matchArtifact": {"type": "docker/image", "name": "shop"}}]


def earlier(**more: Any) -> dict[str, Any]:
    first = {"id": "A", "refId": "1", "type": "x", "name": "a", "outputs": {"artifacts": [OLD]}}
    second = {"id": "B", "refId": "2", "type": "x", "name": "b", "outputs": {"artifacts": [NEW]}}
    stages = [first, second | {"requisiteStageRefIds": ["1"]}]
    return {"id": "E1", "application": "shop", "stages": stages, "trigger": {"artifacts": [FILE]}} | more


def run(reply: Reply, found: StageExecution) -> Peer:
    """Run a stage against a server that answers everything with `reply`."""

    def answer(request: Request) -> Reply:
        return reply

    with serve(answer) as peer:
        client = SyncServiceClient(peer.url, service="peer")
        Driver(orca=client, clouddriver=client).run(pipeline(found))
        client.close()
        return peer


def errors_of(found: StageExecution) -> str:
    return str(found.context["exception"]["details"])


def test_the_latest_artifact_of_the_latest_execution_is_taken():
    found = stage(
        "1",
        "findArtifactFromExecution",
        pipeline="config-id",
        executionOptions={"successful": True, "terminal": True},
        expectedArtifacts=IMAGES,
    )
    peer = run((200, [earlier()]), found)
    assert found.status.value == "SUCCEEDED", found.context
    assert found.outputs["artifacts"] == [NEW]
    assert found.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"] == NEW
    [request] = peer.asked("GET", "/pipelines")
    assert (request.query["pipelineConfigIds"], request.query["statuses"]) == ("config-id", "SUCCEEDED,TERMINAL")


@pytest.mark.parametrize(
    ("reply", "context", "told"),
    [
        ((200, []), {}, "has no execution to take artifacts from (statuses: SUCCEEDED)"),
        ((200, [earlier(stages=[], trigger={})]), {}, "Unmatched expected artifact 'image'"),
        ((404, {"message": "nothing"}), {}, "nothing"),
        ((200, []), {"pipeline": 7}, "pipeline"),
        ((200, []), {"pipeline": None}, "pipeline"),
        ((200, []), {"executionOptions": "all"}, "executionOptions"),
        ((200, []), {"expectedArtifacts": []}, "expectedArtifacts"),
    ],
)
def test_what_can_not_be_found_is_told(reply: Reply, context: dict[str, Any], told: str):
    given = {"pipeline": "config-id", "expectedArtifacts": IMAGES, **context}
    found = stage("1", "findArtifactFromExecution", **given)
    run(reply, found)
    assert found.status.value == "TERMINAL"
    assert told in errors_of(found)


def test_artifacts_of_a_live_object_are_bound():
    found = stage(
        "1",
        "findArtifactsFromResource",
        account="k8s",
        location="staging",
        manifestName="deployment shop",
        expectedArtifacts=IMAGES,
    )
    manifest = {"kind": "Deployment"}
    peer = run((200, {"manifest": manifest, "artifacts": [NEW, FILE]}), found)
    assert found.status.value == "SUCCEEDED", found.context
    assert (found.outputs["manifest"], found.outputs["artifacts"]) == (manifest, [NEW])
    assert [each.name for each in found.tasks] == [
        "resolveTargetManifest",
        "findArtifactsFromResource",
        "bindProducedArtifacts",
    ]
    assert peer.requests[0].path == "/manifests/k8s/staging/deployment shop"


def test_an_object_that_is_not_there_is_told():
    found = stage("1", "findArtifactsFromResource", account="k8s", location="x", manifestName="deployment shop")
    run((404, {"message": "There is no deployment shop"}), found)
    assert found.status.value == "TERMINAL"
    assert "There is no deployment shop" in errors_of(found)
