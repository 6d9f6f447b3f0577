"""`gennaker execution import`: executions come back from the files that retention wrote."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit
from gennaker.gate import Gate
from gennaker.platform import Platform
from kork.ids import new_ulid
from typer.testing import CliRunner, Result


def execution(application: str, **changes: Any) -> dict[str, Any]:
    stage = {"id": new_ulid(), "refId": "1", "type": "wait", "name": "Wait", "status": "SUCCEEDED", "context": {"a": 1}}
    made = {
        "type": "PIPELINE",
        "id": new_ulid(),
        "application": application,
        "name": "p",
        "pipelineConfigId": f"{application}-config",
        "status": "SUCCEEDED",
        "buildTime": 1_700_000_000_000,
        "startTime": 1_700_000_000_100,
        "endTime": 1_700_000_001_000,
        "trigger": {"type": "manual", "user": "alice", "eventId": new_ulid()},
        "stages": [stage],
    }
    return made | changes


def write(file: Path, *documents: dict[str, Any]) -> Path:
    text = "".join(json.dumps(each) + "\n" for each in documents)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


@pytest.fixture
def run(platform: Platform) -> Any:
    def run(*arguments: Any) -> Result:
        words = ["execution", "import", *map(str, arguments)]
        return CliRunner().invoke(app, words, env={"GENNAKER_GATE": platform.gate_url})

    return run


def test_executions_come_back_and_a_second_time_changes_nothing(
    run: Any, gate: Gate, application: str, tmp_path: Path
) -> None:
    first, second = execution(application), execution(application, status="STOPPED")
    files = write(tmp_path / "a.jsonl.gz", first), write(tmp_path / "b.jsonl", second)
    done = run(*files)
    assert (done.exit_code, done.stdout) == (Exit.OK, "2 imported, 0 were there, 0 refused.\n")
    seen = gate.get("pipelines", first["id"])
    assert (seen["trigger"]["eventId"], seen["stages"][0]["context"]) == (first["trigger"]["eventId"], {"a": 1})
    found = gate.get("applications", application, "executions", "search", eventId=second["trigger"]["eventId"])
    assert [each["id"] for each in found] == [second["id"]]
    assert run(*files).stdout == "0 imported, 2 were there, 0 refused.\n"


def test_one_of_many_can_be_chosen(run: Any, gate: Gate, application: str, tmp_path: Path) -> None:
    first, second = execution(application), execution(application)
    file = write(tmp_path / "a.jsonl.gz", first, second)
    assert run(file, "--id", second["id"]).stdout == "1 imported, 0 were there, 0 refused.\n"
    assert [e["id"] for e in gate.get("executions", pipelineConfigIds=f"{application}-config", limit=5)] == [
        second["id"]
    ]
    missing = run(file, "--id", "nothing")
    assert (missing.exit_code, "Not in these files: nothing." in missing.stderr) == (Exit.NOT_FOUND, True)


def test_what_is_refused_is_named_and_the_rest_comes_in(run: Any, application: str, tmp_path: Path) -> None:
    bad, good = execution(application, status="RUNNING"), execution(application)
    done = run(write(tmp_path / "a.jsonl", bad, good), "-o", "json")
    assert done.exit_code == Exit.REFUSED
    result = json.loads(done.stdout)
    assert result["imported"] == [good["id"]]
    assert [("a.jsonl:1" in where, "Status: RUNNING" in why) for where, why in result["refused"].items()] == [
        (True, True)
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"{", "a.jsonl:1 is not JSON"),
        ("a.jsonl", b"[]\n", "a.jsonl:1 holds no object"),
        ("a.jsonl.gz", b"not gzip", "a.jsonl.gz can't be read"),
        ("a.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 99, mtime=0)[:-9], "a.jsonl.gz can't be read"),
        ("a.jsonl", b"\xff\xfe", "a.jsonl can't be read"),
    ],
)
def test_a_file_that_is_no_archive_is_named(run: Any, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    done = run(file, "--id", "nothing")
    assert (done.exit_code, said in done.stderr) == (Exit.USAGE, True), done.stderr
