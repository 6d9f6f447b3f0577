"""Pipeline templates through the whole platform: saved, used, started by hand, by echo and by a parent, deleted."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate
from gennaker.platform import Platform
from typer.testing import CliRunner, Result

Json = dict[str, Any]


class Command:
    """Runs `gennaker` in this process, against one gate."""

    def __init__(self, gate_url: str) -> None:
        self._env = {"GENNAKER_GATE": gate_url}

    def __call__(self, *arguments: str, given: Any = None) -> Result:
        text = given if given is None or isinstance(given, str) else json.dumps(given)
        return CliRunner().invoke(app, list(arguments), env=self._env, input=text)

    def ok(self, *arguments: str, given: Any = None) -> str:
        done = self(*arguments, given=given)
        assert done.exit_code == Exit.OK, done.output
        return done.stdout


@pytest.fixture
def gennaker(platform: Platform) -> Command:
    return Command(platform.gate_url)


@pytest.fixture
def id() -> str:
    """The id of a template that no other test uses."""
    return f"template-{uuid4().hex[:10]}"


def template(id: str, scope: str = "global", **more: Any) -> Json:
    stage = {
        "refId": "1",
        "requisiteStageRefIds": [],
        "type": "wait",
        "name": "${ templateVariables.what }",
        "waitTime": "${ templateVariables.seconds }",
    }
    return {
        "id": id,
        "metadata": {"name": "Wait a little", "description": "waits", "owner": "a@b.example", "scopes": [scope]},
        "variables": [
            {"name": "seconds", "type": "int", "defaultValue": 0, "description": "how long"},
            {"name": "what", "type": "string"},
        ],
        "pipeline": {"stages": [stage], "parameterConfig": [{"name": "why", "default": "because"}]},
    } | more


def used(gennaker: Command, id: str, application: str, name: str, *options: str) -> Json:
    return json.loads(gennaker.ok("pipeline-template", "use", id, "-a", application, "-n", name, *options))


def ended(gate: Gate, execution: str, wait_until: Any) -> Json:
    wait_until(lambda: gate.get("pipelines", execution)["status"] in ("SUCCEEDED", "TERMINAL"), timeout=60)
    return gate.get("pipelines", execution)


def test_a_template_lives_from_its_first_save_to_its_deletion(
    gennaker: Command, gate: Gate, application: str, id: str, wait_until: Any
):
    gennaker.ok("pipeline-template", "save", "-", given=template(id, application))
    gennaker.ok("pipeline-template", "save", "-", "--tag", "stable", given=template(id, application))
    shown = json.loads(gennaker.ok("pipeline-template", "get", id, "--tag", "stable"))
    assert (shown["id"], shown["schema"], "tag" in shown) == (id, "v2", False)
    assert f"{id}  Wait a little  latest, stable" in gennaker.ok("pipeline-template", "list", "--scopes", application)
    assert "how long" in gennaker.ok("pipeline-template", "get", id, "-o", "human")

    config = used(gennaker, f"{id}", application, "by template", "--tag", "stable", "--set", "what=rest")
    planned = json.loads(gennaker.ok("pipeline-template", "plan", "-", given=config))
    assert [(stage["name"], stage["waitTime"]) for stage in planned["stages"]] == [("rest", 0)]
    gennaker.ok("pipeline", "save", "-", given=config)
    execution = gennaker.ok("pipeline", "execute", application, "by template", "-p", "why=test").strip()
    run = ended(gate, execution, wait_until)
    assert (run["status"], run["name"]) == ("SUCCEEDED", "by template")
    assert [stage["name"] for stage in run["stages"]] == ["rest"]
    assert run["trigger"]["parameters"]["why"] == "test"
    assert run["templateVariables"] == {"seconds": 0, "what": "rest"}
    assert run["source"] == {"type": "templatedPipeline", "version": "v2"}

    assert "by template" in gennaker.ok("pipeline-template", "dependents", id)
    refused = gennaker("pipeline-template", "delete", id, "--tag", "stable")
    assert refused.exit_code == Exit.REFUSED
    assert "depend on this template" in refused.stderr
    gennaker.ok("pipeline", "delete", application, "by template")
    gennaker.ok("pipeline-template", "delete", id, "--tag", "stable")
    assert gennaker("pipeline-template", "get", id, "--tag", "stable").exit_code == Exit.NOT_FOUND


def test_a_parent_runs_a_templated_child(gennaker: Command, gate: Gate, application: str, id: str, wait_until: Any):
    gennaker.ok("pipeline-template", "save", "-", given=template(id))
    config = used(gennaker, id, application, "child", "--set", "what=nap")
    child = json.loads(gennaker.ok("pipeline", "save", "-", "-o", "json", given=config))["id"]
    stage = {"refId": "1", "type": "pipeline", "name": "run it", "application": application, "pipeline": child}
    body = {"application": application, "name": "parent", "stages": [stage], "trigger": {"type": "manual"}}
    parent = ended(gate, gate.post("pipelines", "start", body=body)["ref"].rpartition("/")[2], wait_until)
    assert parent["status"] == "SUCCEEDED"
    started = gate.get("pipelines", parent["stages"][0]["context"]["executionId"])
    assert (started["name"], [each["name"] for each in started["stages"]]) == ("child", ["nap"])
    assert started["trigger"]["parentExecution"]["id"] == parent["id"]
    assert gate.get("executions", "failedStages", executionId=parent["id"]) == []


def test_a_trigger_of_the_template_starts_the_pipelines_that_use_it(
    gennaker: Command, gate: Gate, application: str, id: str, wait_until: Any
):
    def with_hook(source: str) -> Json:
        made = template(id)
        hook = {"type": "webhook", "enabled": True, "source": source}
        return made | {"pipeline": made["pipeline"] | {"triggers": [hook]}}

    def runs() -> list[Json]:
        return gate.get("applications", application, "pipelines", limit=10)

    def call_until(source: str, count: int) -> None:
        def started() -> bool:
            gate.post("webhooks", "webhook", source, body={})
            return len(runs()) >= count

        wait_until(started, timeout=60)

    first, second = f"first-{id}", f"second-{id}"
    gennaker.ok("pipeline-template", "save", "-", given=with_hook(first))
    gennaker.ok("pipeline", "save", "-", given=used(gennaker, id, application, "hooked", "--set", "what=hook"))
    call_until(first, 1)
    gennaker.ok("pipeline-template", "save", "-", given=with_hook(second))
    before = len(runs())
    call_until(second, before + 1)
    assert {each["trigger"]["source"] for each in runs()} == {first, second}


def test_what_is_wrong_with_a_use_is_told_before_and_when_it_starts(
    gennaker: Command, gate: Gate, application: str, id: str, wait_until: Any
):
    gennaker.ok("pipeline-template", "save", "-", given=template(id))
    config = used(gennaker, id, application, "wrong", "--set", 'seconds="long"')
    refused = gennaker("pipeline-template", "plan", "-", given=config)
    assert refused.exit_code == Exit.REFUSED
    assert "Missing variable values for: what" in refused.stderr
    assert "seconds (expected type 'int' found type 'String')" in refused.stderr
    with pytest.raises(GennakerError, match="Missing variable values for: what"):
        gate.post("pipelines", "start", body=config | {"trigger": {"type": "manual"}})
    gennaker.ok("pipeline", "save", "-", given=config)
    gate.post("pipelines", application, "wrong", body={"type": "manual"})
    wait_until(lambda: gate.get("applications", application, "pipelines", limit=1), timeout=60)
    [kept] = [each for each in gate.get("applications", application, "pipelines") if each["name"] == "wrong"][:1]
    assert kept["status"] == "TERMINAL"
    assert "Missing variable values for: what" in kept["cancellationReason"]


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (("save", "-"), {"name": "x"}, "names no id"),
        (("save", "-", "--tag", "mine"), {"id": "x"}, "'mine' is no tag"),
        (("plan", "-"), {"name": "x"}, "names no schema"),
        (("use", "x", "-a", "a", "-n", "n", "--set", "novalue"), None, "NAME=VALUE"),
        (("use", "x", "-a", "a", "-n", "n", "--tag", "test", "--digest", "0"), None, "not both"),
    ],
)
def test_a_command_that_can_t_be_is_a_usage_error(gennaker: Command, arguments: Any, given: Any, told: str):
    done = gennaker("pipeline-template", *arguments, given=given)
    assert done.exit_code == Exit.USAGE
    assert told in done.stderr


def test_values_of_a_use_come_from_files_and_options(gennaker: Command, tmp_path: Path):
    file = tmp_path / "values.yml"
    file.write_text("seconds: 3\nwhat: file\nzones: [a, b]\n")
    made = used(gennaker, "x", "shop", "n", "--values", str(file), "--set", "what=option", "--digest", "abc")
    assert made["variables"] == {"seconds": 3, "what": "option", "zones": ["a", "b"]}
    assert made["template"]["reference"] == "spinnaker://x@sha256:abc"


def test_a_template_that_is_not_right_is_refused_with_its_faults(gennaker: Command, id: str):
    odd = template(id) | {"metadata": {}, "variables": [{"name": "a-b"}]}
    refused = gennaker("pipeline-template", "save", "-", given=odd)
    assert refused.exit_code == Exit.REFUSED
    assert "metadata.name,metadata.description,metadata.scopes" in refused.stderr
    assert "Illegal variable names: a-b" in refused.stderr


def test_templates_of_the_first_kind_are_refused_with_what_to_do(gate: Gate, gennaker: Command, application: str):
    assert gate.get("pipelineTemplates") == []
    for path in (("pipelineTemplates",), ("pipelineTemplates", "x"), ("v2", "pipelineTemplates", "create")):
        with pytest.raises(GennakerError, match="Write it as a v2 template"):
            gate.post(*path, body={"schema": "1", "id": "x"})
    config = {"schema": "1", "pipeline": {"application": application, "template": {"source": "spinnaker://x"}}}
    body = {"type": "templatedPipeline", "application": application, "name": "old", "config": config}
    for path in (("pipelines", "start"), ("pipelines",)):
        with pytest.raises(GennakerError, match="v2 template"):
            gate.post(*path, body=body)
    with pytest.raises(GennakerError, match="v2 template"):
        gate.get("pipelineTemplates", "resolve", source="spinnaker://x")


def test_spin_finds_the_statuses_and_tasks_that_it_asks_for(platform: Platform, id: str):
    with httpx.Client(base_url=platform.gate_url, timeout=60) as client:
        assert client.get(f"/v2/pipelineTemplates/{id}").status_code == 404
        created = client.post("/v2/pipelineTemplates/create", json=template(id))
        updated = client.post(f"/v2/pipelineTemplates/update/{id}", json=template(id), params={"tag": "test"})
        deleted = client.delete(f"/v2/pipelineTemplates/{id}", params={"tag": "test"})
        assert [answer.status_code for answer in (created, updated, deleted)] == [200, 200, 202]
        assert {answer.json()["status"] for answer in (created, updated, deleted)} == {"SUCCEEDED"}
        assert [each["id"] for each in client.get("/v2/pipelineTemplates").json()].count(id) == 3
        assert client.get("/v2/pipelineTemplates/versions", params={"scopes": "global"}).json()[id]


def test_a_project_that_is_not_there_is_said_to_be_missing(gate: Gate):
    with pytest.raises(GennakerError, match="Project nope could not be found") as raised:
        gate.get("projects", "nope", "pipelines")
    assert raised.value.code is Exit.NOT_FOUND
    assert gate.get("stages", "custom") == []
