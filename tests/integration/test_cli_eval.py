"""`gennaker eval` against a running platform: the value, or the place at fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit
from gennaker.gate import Gate
from gennaker.platform import Platform
from kork.testing.waiting import watch
from typer.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture
def execution(gate: Gate, application: str) -> str:
    """A pipeline that has run: two waits of the same name, and a variable."""
    variables = [{"key": "answer", "value": "${ parameters.n * 2 }"}]
    stages: list[dict[str, Any]] = [
        {"refId": "1", "requisiteStageRefIds": [], "type": "evaluateVariables", "name": "Set", "variables": variables},
        {"refId": "2", "requisiteStageRefIds": ["1"], "type": "wait", "name": "Pause", "waitTime": 0, "own": "mine"},
        {"refId": "3", "requisiteStageRefIds": ["1"], "type": "wait", "name": "Pause", "waitTime": 0},
    ]
    body = {"application": application, "name": "eval", "stages": stages, "spelEvaluator": "v4"}
    trigger = {"type": "manual", "parameters": {"n": 21}}
    ref = gate.post("pipelines", "start", body=body | {"trigger": trigger})["ref"]
    id = ref.rsplit("/", 1)[-1]
    watch(lambda: gate.get("pipelines", id), lambda seen: seen["status"] == "SUCCEEDED", 60)
    return id


@pytest.fixture
def evaluate(platform: Platform, execution: str) -> Run:
    env = {"GENNAKER_GATE": platform.gate_url}
    return lambda *words: CliRunner().invoke(app, ["eval", *words, "--execution", execution], env=env)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("answer + 1", 43),
        ("${answer}", 42),
        ("is ${answer}", "is 42"),
        ("#stage('Pause').status", "SUCCEEDED"),
        ("execution.stages.![name]", ["Set", "Pause", "Pause"]),
        ("{k: parameters}", {"k": {"n": 21}}),
        ("parameters.gone", None),
        ("${ parameters.gone }", None),
        ("is ${ parameters.gone }", "is ${parameters.gone}"),
    ],
)
def test_a_value_is_printed_as_json(evaluate: Run, expression: str, value: Any) -> None:
    done = evaluate(expression)
    assert done.exit_code == Exit.OK, done.output
    assert json.loads(done.stdout) == value


@pytest.mark.parametrize("stage", ["2", "Set"])
def test_a_stage_is_found_by_its_ref_id_or_name(evaluate: Run, stage: str) -> None:
    done = evaluate("own ?: 'none'", "--stage", stage)
    assert json.loads(done.stdout) == ("mine" if stage == "2" else "none")


def test_a_failure_points_at_its_place(evaluate: Run) -> None:
    done = evaluate("answer + #stage('Gone').status")
    assert (done.exit_code, done.stdout) == (Exit.FAILED, "")
    message, expression, caret = done.stderr.splitlines()
    assert message.startswith("Unable to locate [Gone] using #stage(Gone) in execution")
    assert (expression, caret) == ("  answer + #stage('Gone').status", "           ^")


def test_what_cannot_be_parsed_points_at_its_place(evaluate: Run) -> None:
    done = evaluate("answer + ) 1")
    assert done.exit_code == Exit.FAILED
    assert done.stderr.splitlines()[-2:] == ["  ${answer + ) 1}", "             ^"]
    cut_off = evaluate("answer *")
    assert cut_off.stderr.splitlines()[-2:] == ["  answer *", "          ^"]


def test_a_stage_that_is_none_or_several_is_told(evaluate: Run) -> None:
    gone = evaluate("1", "--stage", "Gone")
    assert (gone.exit_code, "has no stage 'Gone'" in gone.stderr) == (Exit.NOT_FOUND, True)
    several = evaluate("1", "--stage", "Pause")
    assert (several.exit_code, "Choose one by its id" in several.stderr) == (Exit.USAGE, True)


def test_an_execution_that_is_gone_is_told(platform: Platform) -> None:
    done = CliRunner().invoke(app, ["eval", "1", "--execution", "gone"], env={"GENNAKER_GATE": platform.gate_url})
    assert (done.exit_code, "gone" in done.stderr) == (Exit.NOT_FOUND, True)
