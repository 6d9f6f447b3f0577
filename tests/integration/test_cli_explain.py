"""`gennaker execution explain`, `complete-stage` and `cancel --force` against a running platform."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit
from gennaker.gate import Gate
from gennaker.platform import Platform
from typer.testing import CliRunner, Result

Json = dict[str, Any]
Gennaker = Callable[..., Result]


@pytest.fixture
def gennaker(platform: Platform) -> Gennaker:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"GENNAKER_GATE": platform.gate_url})


@pytest.fixture
def waiting(gate: Gate, application: str, wait_until: Callable[..., None]) -> str:
    """An execution that waits for a judgment, and a stage behind it."""
    ask = {"refId": "1", "requisiteStageRefIds": [], "type": "manualJudgment", "name": "Ask"}
    then = {"refId": "2", "requisiteStageRefIds": ["1"], "type": "wait", "name": "Then", "waitTime": 3600}
    body = {"application": application, "name": "asks", "stages": [ask, then]}
    id = str(gate.post("pipelines", "start", body=body)["ref"].rsplit("/", 1)[-1])
    wait_until(lambda: running(gate, id) == ["Ask"])
    return id


def running(gate: Gate, execution_id: str) -> list[str]:
    stages = gate.get("pipelines", execution_id)["stages"]
    return [stage["name"] for stage in stages if any(task["status"] == "RUNNING" for task in stage["tasks"])]


def test_an_execution_is_explained_and_a_stage_completed_by_force(
    gennaker: Gennaker, gate: Gate, waiting: str, wait_until: Callable[..., None]
) -> None:
    explained = gennaker("execution", "explain", waiting)
    assert explained.exit_code == Exit.OK, explained.output
    assert "Ask [1]: a person has to judge" in explained.stdout
    assert "moved by" in explained.stdout
    assert "Then [2]: it comes after 'Ask' (RUNNING)" in explained.stdout
    found = json.loads(gennaker("execution", "explain", waiting, "-o", "json").stdout)
    assert (found["executionId"], found["waits"][0]["kind"]) == (waiting, "judgment")
    assert found["waits"][0]["timesOutAt"] > found["now"]

    assert gennaker("execution", "complete-stage", waiting, "Nobody").exit_code == Exit.NOT_FOUND
    done = gennaker("execution", "complete-stage", waiting, "Ask", "--status", "SKIPPED")
    assert done.exit_code == Exit.OK, done.output
    wait_until(lambda: running(gate, waiting) == ["Then"])
    assert "waits for 3600 s" in gennaker("execution", "explain", waiting).stdout
    twice = gennaker("execution", "complete-stage", waiting, "Ask")
    assert "doesn't run: it is SKIPPED" in twice.stderr

    forced = gennaker("execution", "cancel", waiting, "--force", "--reason", "stuck")
    assert forced.exit_code == Exit.OK, forced.output
    ended = gate.get("pipelines", waiting)
    assert (ended["status"], ended["cancellationReason"]) == ("CANCELED", "stuck")
    assert [stage["status"] for stage in ended["stages"]] == ["SKIPPED", "CANCELED"]
    assert "It ended CANCELED" in gennaker("execution", "explain", waiting).stdout
    assert gennaker("execution", "explain", "nowhere").exit_code == Exit.NOT_FOUND
