"""A plan before the run, through gate and the command line, on a real cluster; and that nothing is changed by it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate
from gennaker.platform import Platform
from kork.testing.waiting import watch
from testcluster import ClusterAccess
from typer.testing import CliRunner

pytestmark = pytest.mark.cluster
Json = dict[str, Any]


@pytest.fixture
def gate(platform_with_cluster: Platform) -> Iterator[Gate]:
    with Gate(platform_with_cluster.gate_url) as client:
        yield client


def config(namespace: str, color: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "colors", "namespace": namespace},
        "data": {"color": color},
    }


def pipeline(application: str, namespace: str, name: str = "deploy") -> Json:
    never = {"type": "expression", "expression": "parameters.color == 'none'"}
    return {
        "application": application,
        "name": name,
        "spelEvaluator": "v4",
        "parameterConfig": [{"name": "color", "default": "blue"}],
        "stages": [
            {
                "refId": "1",
                "requisiteStageRefIds": [],
                "type": "deployManifest",
                "name": "Deploy",
                "account": "sandbox",
                "cloudProvider": "kubernetes",
                "source": "text",
                "moniker": {"app": application},
                "manifests": [config(namespace, "${parameters.color}")],
            },
            {
                "refId": "2",
                "requisiteStageRefIds": ["1"],
                "type": "wait",
                "name": "Look at ${#stage('Deploy')['outputs']['manifests'][0]['metadata']['name']}",
                "waitTime": 0,
                "comments": "${#stage('Deploy').status}",
                "stageEnabled": never,
            },
        ],
    }


def objects(cluster: ClusterAccess, namespace: str) -> dict[str, str]:
    listed = json.loads(cluster.kubectl("get", "configmaps", "-n", namespace, "-o", "json").stdout)["items"]
    return {
        each["metadata"]["name"]: each["metadata"]["resourceVersion"]
        for each in listed
        if each["metadata"]["name"].startswith("colors")
    }


def run(gate: Gate, application: str, name: str, **parameters: str) -> None:
    ref = gate.post("pipelines", application, name, body={"type": "manual", "parameters": parameters})["ref"]
    ended = watch(
        lambda: gate.get("pipelines", ref.rsplit("/", 1)[-1]),
        lambda seen: seen["status"] not in ("NOT_STARTED", "RUNNING"),
        120,
    )
    assert ended["status"] == "SUCCEEDED", ended


def test_a_plan_says_what_the_run_then_does_and_changes_nothing(
    gate: Gate, cluster: ClusterAccess, application: str, namespace: str
):
    gate.post("pipelines", body=pipeline(application, namespace))
    first = gate.post("pipelines", application, "deploy", "plan", body={})
    deploy, look = first["stages"]
    assert (first["start"]["outcome"], first["problems"]) == ("starts", [])
    assert [(each["name"], each["action"]) for each in deploy["deploy"]["manifests"]] == [
        ("configMap colors-v000", "create")
    ]
    assert look["outcome"] == "skips"
    assert objects(cluster, namespace) == {}
    assert gate.get("applications", application, "pipelines") == []

    run(gate, application, "deploy")
    before = objects(cluster, namespace)
    history = gate.get("pipelineConfigs", first["pipelineConfigId"], "history")
    assert list(before) == ["colors-v000"]

    for color, name, action in (("blue", "colors-v000", "unchanged"), ("green", "colors-v001", "create")):
        planned = gate.post("pipelines", application, "deploy", "plan", body={"parameters": {"color": color}})
        [verdict] = planned["stages"][0]["deploy"]["manifests"]
        assert (verdict["name"], verdict["action"]) == (f"configMap {name}", action)
    assert "+  color: green" in verdict["diff"]
    assert objects(cluster, namespace) == before
    assert gate.get("pipelineConfigs", first["pipelineConfigId"], "history") == history
    assert len(gate.get("applications", application, "pipelines")) == 1
    run(gate, application, "deploy", color="green")
    assert list(objects(cluster, namespace)) == ["colors-v000", "colors-v001"]


def test_the_command_shows_a_plan_for_people_and_for_scripts(
    platform_with_cluster: Platform, gate: Gate, application: str, namespace: str, tmp_path: Path
):
    def gennaker(*arguments: str) -> Any:
        env = {"GENNAKER_GATE": platform_with_cluster.gate_url, "COLUMNS": "200"}
        return CliRunner().invoke(app, ["pipeline", "plan", *arguments], env=env)

    gate.post("pipelines", body=pipeline(application, namespace))
    shown = gennaker(application, "deploy", "--parameter", "color=red")
    assert shown.exit_code == Exit.OK, shown.output
    for words in (
        f"{application} / deploy: would start now",
        "create configMap colors-v000",
        "+  color: red",
        "= red",
        "Nothing was changed.",
    ):
        assert words in shown.output, shown.output
    scripted = gennaker(application, "deploy", "-o", "json")
    assert json.loads(scripted.stdout)["parameters"] == {"color": "blue"}

    broken = pipeline(application, namespace, "not saved")
    broken["stages"][0] |= {"account": "nowhere"}
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(broken))
    refused = gennaker("--file", str(file))
    assert refused.exit_code == Exit.FAILED, refused.output
    assert "there is no account 'nowhere'" in refused.output
    assert gennaker(application, "nobody").exit_code == Exit.NOT_FOUND
    assert gennaker(application).exit_code == Exit.USAGE


def test_what_is_no_pipeline_or_trigger_is_refused(gate: Gate, application: str, namespace: str):
    gate.post("pipelines", body=pipeline(application, namespace))
    for path, body, told in (
        (("pipelines", application, "deploy", "plan"), {"parameters": 7}, "must be an object"),
        (("pipelines", "plan"), {"stages": "none"}, "must be"),
    ):
        with pytest.raises(GennakerError, match=told) as refused:
            gate.post(*path, body=body)
        assert refused.value.code == Exit.REFUSED
