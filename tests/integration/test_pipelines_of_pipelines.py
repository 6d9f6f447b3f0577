"""Stages around pipelines on the whole platform: saved from an artifact, run in order, watched, cancelled."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from gennaker.gate import Gate

Json = dict[str, Any]
_ENDED = {"SUCCEEDED", "TERMINAL", "CANCELED"}


def waiting(name: str, seconds: int = 0) -> Json:
    stage = {"refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "wait", "waitTime": seconds}
    return {"name": name, "stages": [stage], "parameterConfig": [{"name": "who", "default": "nobody"}]}


@pytest.fixture
def run(gate: Gate, application: str, wait_until: Callable[..., object]) -> Callable[..., Json]:
    """Run a pipeline of one stage to its end, or until a condition holds; gives the execution."""

    def running(until: Callable[[Json], object] | None = None, **stage: Any) -> Json:
        body = {"application": application, "name": "parent", "stages": [{"name": stage["type"], **stage}]}
        id = gate.post("pipelines", "start", body=body)["ref"].rpartition("/")[2]
        wanted = until or (lambda seen: seen["status"] in _ENDED)
        wait_until(lambda: wanted(gate.get("pipelines", id)), timeout=60)
        return gate.get("pipelines", id)

    return running


def test_pipelines_are_saved_from_an_artifact_run_in_order_and_watched(
    gate: Gate, application: str, run: Callable[..., Json]
):
    document = {application: [waiting("one"), waiting("two")]}
    reference = base64.b64encode(json.dumps(document).encode()).decode()
    artifact = {"type": "embedded/base64", "name": "pipelines.json", "reference": reference}
    saved = run(type="savePipelinesFromArtifact", pipelinesArtifact=artifact)
    assert saved["status"] == "SUCCEEDED", saved["stages"][0]["context"].get("exception")
    assert [each["name"] for each in saved["stages"][0]["context"]["pipelinesCreated"]] == ["one", "two"]
    again = run(type="savePipelinesFromArtifact", pipelinesArtifact=artifact)
    assert [each["name"] for each in again["stages"][0]["context"]["pipelinesUpdated"]] == ["one", "two"]
    assert len(gate.get("applications", application, "pipelineConfigs")) == 2

    first = {"child_pipeline": "one", "arguments": {"who": "alice"}}
    bundle = {"a": first, "b": {"child_pipeline": "two", "depends_on": ["a"]}}
    ordered = run(type="runMultiplePipelines", yamlConfig=[{"bundle_web": bundle}])
    assert ordered["status"] == "SUCCEEDED", ordered["stages"][0]["context"].get("exception")
    results = ordered["stages"][0]["outputs"]["executionsList"]
    assert [(each["executionIdentifier"], each["status"]) for each in results] == [
        ("a", "SUCCEEDED"),
        ("b", "SUCCEEDED"),
    ]
    assert results[0]["endTime"] <= results[1]["startTime"]
    child = gate.get("pipelines", results[0]["id"])
    assert child["trigger"]["parameters"]["who"] == "alice"
    assert child["trigger"]["parentExecution"]["id"] == ordered["id"]

    watched = run(type="monitorPipeline", executionIds=[each["id"] for each in results])
    statuses = watched["stages"][0]["outputs"]["executionStatuses"]
    assert {id: each["status"] for id, each in statuses.items()} == {each["id"]: "SUCCEEDED" for each in results}


def test_children_are_cancelled_with_their_parent_and_the_failure_is_found_below(
    gate: Gate, application: str, run: Callable[..., Json], wait_until: Callable[..., object]
):
    gate.post("pipelines", body=waiting("long", 3600) | {"application": application})

    def has_child(seen: Json) -> object:
        ids = seen["stages"][0]["context"].get("executionIds")
        return ids and gate.get("pipelines", ids[0])["status"] == "RUNNING"

    bundle = {"a": {"child_pipeline": "long"}}
    parent = run(has_child, type="runMultiplePipelines", yamlConfig=[{"bundle_web": bundle}])
    [child] = parent["stages"][0]["context"]["executionIds"]
    gate.put("pipelines", parent["id"], "cancel")
    for id in (parent["id"], child):
        wait_until(lambda id=id: gate.get("pipelines", id)["status"] == "CANCELED", timeout=60)

    check = {"type": "checkPreconditions", "name": "check", "preconditionType": "expression", "refId": "1"}
    failing = {"name": "failing", "stages": [check | {"requisiteStageRefIds": [], "context": {"expression": "false"}}]}
    gate.post("pipelines", body=failing | {"application": application})
    config = gate.get("applications", application, "pipelineConfigs", "failing")
    failed = run(type="pipeline", pipeline=config["id"], application=application)
    assert failed["status"] == "TERMINAL"
    [found] = gate.get("executions", "failedStages", executionId=failed["id"], limit=5)
    assert (found["stageName"], found["pipelineExecutionName"]) == ("check", "failing")
    assert found["parentPipelineExecutionId"] == failed["id"]
