"""Templated pipelines through orca's API: planned, started, refused; clouddriver gives the templates."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kork.app import WaitingThreads, run_sync
from kork.ids import new_ulid
from kork.testing.peers import Peer, Reply, Request, serve
from orca.launching.threads import LaunchThreads
from orca.settings import OrcaSettings
from orca.testing.running import Orca, running_orca

Json = dict[str, Any]
STAGE = {
    "refId": "1",
    "type": "wait",
    "name": "wait for ${ templateVariables.env }",
    "waitTime": "${ templateVariables.seconds }",
    "requisiteStageRefIds": [],
}
TEMPLATE = {
    "schema": "v2",
    "id": "deploy",
    "metadata": {"name": "Deploy", "description": "d", "scopes": ["global"]},
    "variables": [
        {"name": "env", "type": "string", "defaultValue": "${ trigger.parameters.env }"},
        {"name": "seconds", "type": "int"},
    ],
    "pipeline": {
        "stages": [STAGE],
        "parameterConfig": [{"name": "tag", "default": "latest"}, {"name": "env", "default": "test"}],
        "expectedArtifacts": [{"id": "image", "matchArtifact": {"type": "docker/image"}}],
        "notifications": [{"type": "email", "address": "a@b.example"}],
    },
}
TEMPLATES = {
    "spinnaker://deploy": TEMPLATE,
    "spinnaker://v4": TEMPLATE | {"pipeline": TEMPLATE["pipeline"] | {"spelEvaluator": "v4"}},
    "spinnaker://old": {"schema": "1", "id": "old"},
}


def fetch(request: Request) -> Reply:
    """Answer as a clouddriver that fetches templates."""
    artifact = request.json
    assert (request.method, request.path) == ("PUT", "/artifacts/fetch")
    assert artifact["type"] == "front50/pipelineTemplate"
    if artifact["reference"] == "spinnaker://away":
        return 503, {"message": "no front50"}
    if artifact["reference"] == "spinnaker://text":
        return 200, b"schema: v2"
    found = TEMPLATES.get(artifact["reference"])
    return (200, json.dumps(found).encode()) if found else (404, {"message": "Pipeline template not found"})


@pytest.fixture(scope="module")
def clouddriver() -> Iterator[Peer]:
    with serve(fetch) as peer:
        yield peer


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings], clouddriver: Peer) -> Iterator[Orca]:
    settings = new_orca_settings()
    settings.services.clouddriver.base_url = clouddriver.url
    with running_orca(settings) as running:
        yield running


def use(reference: str = "spinnaker://deploy", **more: Any) -> Json:
    return {
        "schema": "v2",
        "type": "templatedPipeline",
        "id": "config-1",
        "application": "shop",
        "name": "Deploy",
        "template": {"reference": reference},
        "variables": {"seconds": 0},
        "trigger": {"type": "manual", "user": "bob"},
        **more,
    }


def test_a_templated_pipeline_is_planned_and_runs(orca: Orca):
    trigger = {"type": "manual", "parameters": {"env": "prod"}}
    id = orca.post("/orchestrate", use(trigger=trigger))["ref"].rsplit("/", 1)[-1]
    ended = orca.wait_end(id)
    assert ended["status"] == "SUCCEEDED"
    assert (ended["name"], ended["application"], ended["pipelineConfigId"]) == ("Deploy", "shop", "config-1")
    assert ended["templateVariables"] == {"env": "prod", "seconds": 0}
    assert ended["source"] == {"type": "templatedPipeline", "version": "v2"}
    assert ended["trigger"]["parameters"] == {"env": "prod", "tag": "latest"}
    assert ended["notifications"] == [{"type": "email", "address": "a@b.example", "inherited": True}]
    [stage] = ended["stages"]
    assert (stage["context"]["waitTime"], ended["limitConcurrent"]) == (0, True)


def test_a_stage_of_a_v4_template_sees_the_variables_when_it_runs(orca: Orca):
    given = use("spinnaker://v4", variables={"seconds": 0, "env": "prod"})
    ended = orca.wait_end(orca.post("/orchestrate", given)["ref"].rsplit("/", 1)[-1])
    assert ended["status"] == "SUCCEEDED"
    assert ended["stages"][0]["context"]["waitTime"] == 0


def test_a_known_execution_id_starts_once(orca: Orca, clouddriver: Peer):
    body = use(executionId="once")
    orca.post("/orchestrate", body)
    orca.wait_end("once")
    asked = len(clouddriver.requests)
    assert orca.post("/orchestrate", body)["ref"] == "/pipelines/once"
    assert len(clouddriver.requests) == asked


def test_artifacts_that_the_template_expects_are_bound(orca: Orca):
    image = {"type": "docker/image", "name": "shop", "reference": "shop:1"}
    trigger = {"type": "manual", "artifacts": [image], "expectedArtifactIds": ["image"]}
    ended = orca.wait_end(orca.post("/orchestrate", use(trigger=trigger))["ref"].rsplit("/", 1)[-1])
    [resolved] = ended["trigger"]["resolvedExpectedArtifacts"]
    assert resolved["boundArtifact"]["reference"] == "shop:1"


def test_a_plan_shows_the_pipeline_with_its_values_and_starts_nothing(orca: Orca):
    planned = orca.post("/v2/pipelineTemplates/plan", use(variables={"seconds": 3, "env": "prod"}))
    assert [(stage["name"], stage["waitTime"]) for stage in planned["stages"]] == [("wait for prod", 3)]
    assert planned["templateVariables"] == {"seconds": 3, "env": "prod"}
    assert planned["trigger"]["parameters"] == {"tag": "latest", "env": "test"}
    v4 = orca.post("/v2/pipelineTemplates/plan", use("spinnaker://v4", variables={"seconds": 3, "env": "prod"}))
    assert v4["stages"][0]["waitTime"] == 3
    for body in (planned, v4):
        again = orca.post("/plan", body)
        assert [stage["waitTime"] for stage in again["stages"]] == [3]
    by_flag = orca.post("/orchestrate", use(plan=True, variables={"seconds": 3, "env": "prod"}))
    assert by_flag["stages"][0]["waitTime"] == 3
    assert orca.get("/pipelines", pipelineConfigIds="config-1", limit=50, statuses="RUNNING,NOT_STARTED") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"variables": {}}, "Missing variable values for: seconds"),
        ({"variables": {"seconds": "x"}}, "seconds (expected type 'int' found type 'String')"),
        ({"template": {"reference": "spinnaker://nope"}}, "spinnaker://nope: Pipeline template not found"),
        ({"template": {"reference": "spinnaker://text"}}, "is not JSON"),
        ({"template": {"reference": "spinnaker://old"}}, "schema '1' are not supported"),
        ({"template": {"reference": ""}}, "'template.reference' is missing"),
        ({"template": "deploy"}, "'template' must be an artifact"),
        ({"stages": [{"refId": "2", "type": "wait", "inject": {"after": ["9"]}}]}, "unknown target stage id '9'"),
        ({"schema": "1", "config": {"schema": "1"}}, "schema '1' are not supported"),
    ],
)
def test_what_is_wrong_with_a_use_is_a_400_and_a_failed_execution_tells_it(orca: Orca, change: Json, told: str):
    for path in ("/v2/pipelineTemplates/plan", "/plan"):
        assert told in orca.post(path, use() | change, status=400)["message"]
    id = new_ulid()
    refused = orca.post("/orchestrate", use(executionId=id) | change, status=400)
    assert all(error["severity"] == "FATAL" and error["message"] for error in refused["errors"])
    kept = orca.execution(id)
    assert (kept["status"], kept["stages"]) == ("TERMINAL", [])
    assert kept["cancellationReason"].startswith("Failed on startup: Pipeline template is invalid")
    assert told in kept["cancellationReason"]


def test_a_warning_counts_when_planned_only(orca: Orca):
    body = use(stages=[{"refId": "9", "type": "wait", "name": "lost"}])
    [warning] = orca.post("/v2/pipelineTemplates/plan", body, status=400)["errors"]
    assert (warning["severity"], warning["location"]) == ("WARN", "configuration:stages.9")
    ended = orca.wait_end(orca.post("/orchestrate", body)["ref"].rsplit("/", 1)[-1])
    assert [stage["refId"] for stage in ended["stages"]] == ["1"]


def test_a_template_that_can_t_be_fetched_now_is_no_refusal(orca: Orca):
    body = use("spinnaker://away", executionId="later")
    assert orca.post("/orchestrate", body, status=503)["message"]
    orca.get("/pipelines/later", status=404)


def test_a_disabled_templated_pipeline_does_not_start(orca: Orca):
    assert "is disabled" in orca.post("/orchestrate", use(disabled=True), status=400)["message"]


def test_templates_of_the_first_kind_have_their_paths_and_a_clear_no(orca: Orca):
    refused = orca.get("/pipelineTemplate", status=400, source="spinnaker://x")
    assert "Write it as a v2 template" in refused["errors"][0]["suggestion"]
    orca.post("/convertPipelineToTemplate", {}, status=400)


def test_starts_that_wait_for_their_templates_leave_threads_for_all_else():
    go_on = threading.Event()

    def wait() -> bool:
        return go_on.wait(60)

    async def main() -> list[bool]:
        threads = LaunchThreads(WaitingThreads())
        async with asyncio.timeout(60):
            waiting = [asyncio.create_task(threads.run(use(), wait)) for _ in range(100)]
            plain = await threads.run({"stages": []}, lambda: True)
            other = await run_sync(lambda: True)
            go_on.set()
            return [plain, other, *await asyncio.gather(*waiting)]

    assert asyncio.run(main()) == [True] * 102
