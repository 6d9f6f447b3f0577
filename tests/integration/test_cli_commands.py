"""The `gennaker` command against a running platform: what it prints and what it exits with."""

import json
from pathlib import Path
from typing import Any

import pytest
from gennaker.cli.app import app
from gennaker.embedded.process import free_port
from gennaker.exits import Exit
from gennaker.platform import Platform
from typer.testing import CliRunner, Result

Json = dict[str, Any]


class Command:
    """Runs `gennaker` in this process, against one gate."""

    def __init__(self, gate_url: str) -> None:
        self._env = {"GENNAKER_GATE": gate_url}

    def __call__(self, *arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), env=self._env, input=given)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "-o", "json")
        assert done.exit_code == Exit.OK, done.output
        return json.loads(done.stdout)


@pytest.fixture
def gennaker(platform: Platform) -> Command:
    return Command(platform.gate_url)


@pytest.fixture
def pipeline(application: str, tmp_path: Path) -> Path:
    """A pipeline of a judgment and what comes after it, in a file."""
    judgment = {
        "refId": "1",
        "requisiteStageRefIds": [],
        "type": "manualJudgment",
        "name": "Ask",
        "judgmentInputs": [{"value": "blue"}],
    }
    then = {"refId": "2", "requisiteStageRefIds": ["1"], "type": "wait", "name": "Then", "waitTime": 0}
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps({"application": application, "name": "ask first", "stages": [judgment, then]}))
    return file


def test_applications_are_saved_shown_listed_and_deleted(gennaker: Command, application: str) -> None:
    assert gennaker("application", "save", application, "--email", "a@example.com").exit_code == Exit.OK
    assert gennaker.json("application", "get", application)["attributes"]["email"] == "a@example.com"
    assert application in [a["name"].lower() for a in gennaker.json("application", "list")]

    assert gennaker("application", "delete", application).exit_code == Exit.OK
    gone = gennaker("application", "delete", application)
    assert gone.exit_code == Exit.NOT_FOUND
    assert application in gone.stderr


def test_a_pipeline_is_saved_twice_under_one_id_and_comes_back_as_it_was(
    gennaker: Command, application: str, pipeline: Path
) -> None:
    first = gennaker.json("pipeline", "save", str(pipeline))
    second = gennaker.json("pipeline", "save", str(pipeline))
    shown = gennaker.json("pipeline", "get", application, "ask first")

    assert first["id"] == second["id"] == shown["id"]
    assert shown["stages"] == json.loads(pipeline.read_text())["stages"]
    assert [p["name"] for p in gennaker.json("pipeline", "list", application)] == ["ask first"]


def test_a_judgment_is_given_and_the_exit_code_is_the_execution_s_result(
    gennaker: Command, application: str, pipeline: Path, wait_until: Any
) -> None:
    gennaker("pipeline", "save", str(pipeline))
    started = gennaker.json("pipeline", "execute", application, "ask first")
    execution = started["id"]
    assert gennaker("execution", "watch", execution, "--timeout", "0").exit_code == Exit.STILL_RUNNING

    wait_until(lambda: gennaker("judge", execution, "continue", "--input", "blue").exit_code == Exit.OK)
    watched = gennaker("execution", "watch", execution)
    assert watched.exit_code == Exit.OK
    assert "SUCCEEDED" in watched.stdout
    ended = gennaker.json("execution", "get", execution)
    assert ended["stages"][0]["context"]["judgmentInput"] == "blue"
    assert gennaker("judge", execution, "stop").exit_code == Exit.NOT_FOUND


def test_a_stopped_judgment_fails_the_execution(
    gennaker: Command, application: str, pipeline: Path, wait_until: Any
) -> None:
    gennaker("pipeline", "save", str(pipeline))
    execution = gennaker("pipeline", "execute", application, "ask first").stdout.strip()

    wait_until(lambda: gennaker("judge", execution, "stop").exit_code == Exit.OK)
    assert gennaker("pipeline", "watch", execution).exit_code == Exit.FAILED


def test_a_cancelled_execution_is_a_failed_one(gennaker: Command, application: str, pipeline: Path) -> None:
    gennaker("pipeline", "save", str(pipeline))
    execution = gennaker("pipeline", "execute", application, "ask first").stdout.strip()

    assert gennaker("pipeline", "cancel", execution, "--reason", "a test").exit_code == Exit.OK
    watched = gennaker("execution", "watch", execution)
    assert watched.exit_code == Exit.FAILED
    assert "CANCELED" in watched.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pipeline", "get", "nowhere", "nothing"), Exit.NOT_FOUND, "nothing"),
        (("execution", "get", "01NOSUCHEXECUTION"), Exit.NOT_FOUND, "01NOSUCHEXECUTION"),
        (("application", "save", "odd/na me", "--email", "a@example.com"), Exit.REFUSED, "odd/na me"),
        (("application", "save", "fine"), Exit.USAGE, "--email"),
        (("pipeline", "save", "/no/such/file"), Exit.USAGE, "/no/such/file"),
        (("pipeline", "execute", "a", "b", "-p", "novalue"), Exit.USAGE, "NAME=VALUE"),
        (("pipeline", "nonsense"), Exit.USAGE, "nonsense"),
        (("application", "list", "--gate", "nonsense"), Exit.USAGE, "nonsense"),
    ],
)
def test_what_goes_wrong_is_said_in_words_and_by_a_code(
    gennaker: Command, arguments: tuple[str, ...], code: Exit, words: str
) -> None:
    done = gennaker(*arguments)

    assert done.exit_code == code
    assert words in done.stderr


@pytest.mark.parametrize("text", ["{", "[1, 2]", "", '{"name": "x"}', '{"application": "x", "name": 3}'])
def test_a_file_that_holds_no_pipeline_is_a_usage_error(gennaker: Command, text: str) -> None:
    assert gennaker("pipeline", "save", "-", given=text).exit_code == Exit.USAGE


def test_a_gate_that_is_away_has_a_code_of_its_own() -> None:
    away = Command(f"http://127.0.0.1:{free_port()}")("application", "list")

    assert away.exit_code == Exit.UNREACHABLE
    assert "gennaker up" in away.stderr


def test_doctor_finds_a_running_platform_well(gennaker: Command, platform: Platform) -> None:
    findings = gennaker.json("doctor", "--home", str(platform.home.path))

    assert {finding["state"] for finding in findings} == {"ok"}
    assert {"database", "redis", "gate", "orca", "clouddriver", "front50", "echo"} <= {f["name"] for f in findings}


def test_doctor_says_what_is_broken_and_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "gennaker.yml"
    config.write_text(f"database: {{url: 'postgresql://u:secret@127.0.0.1:{free_port()}/x'}}\n")
    done = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path), "--config", str(config), "-o", "json"])

    assert done.exit_code == Exit.FAILED
    [database] = [f for f in json.loads(done.stdout) if f["name"] == "database"]
    assert database["state"] == "broken"
    assert database["fix"]
    assert "secret" not in done.stdout
