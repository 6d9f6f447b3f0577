"""What a person sees of an execution, and how a platform's home is kept."""

from pathlib import Path
from typing import Any

import pytest
from gennaker.platform import Configuration, Home, PlatformError, Ports
from gennaker.watching.lines import Rollout, failure_of, headline, stage_lines
from gennaker.watching.show import ChangeLog

Json = dict[str, Any]


def stage(id: str, status: str, type: str = "wait", **more: Any) -> Json:
    return {"id": id, "refId": id, "type": type, "name": f"stage {id}", "status": status, "context": {}, **more}


def execution(*stages: Json, status: str = "RUNNING") -> Json:
    return {"id": "E1", "application": "app", "name": "deliver", "status": status, "stages": list(stages)}


def test_synthetic_stages_stand_under_the_one_they_belong_to() -> None:
    run = execution(
        stage("after", "RUNNING", parentStageId="deploy"), stage("deploy", "RUNNING"), stage("x", "SKIPPED")
    )

    assert [(line.stage_id, line.depth) for line in stage_lines(run)] == [("deploy", 0), ("after", 1), ("x", 0)]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3725, "1 h 02 min")]
)
def test_a_duration_is_shown_in_the_unit_that_fits(seconds: float, shown: str) -> None:
    run = execution() | {"startTime": 1000, "endTime": 1000 + round(seconds * 1000)}

    assert headline(run).endswith(shown)


@pytest.mark.parametrize(
    ("rollout", "bar"),
    [
        (Rollout(0, 3), "░░░░░░░░░░░░ 0/3 ready"),
        (Rollout(1, 3), "████░░░░░░░░ 1/3 ready"),
        (Rollout(3, 3), "████████████ 3/3 ready"),
        (Rollout(0, 0), "████████████ 0/0 ready"),
    ],
)
def test_a_rollout_is_drawn_as_a_bar(rollout: Rollout, bar: str) -> None:
    [line] = stage_lines(execution(stage("1", "RUNNING", "deployManifest")), {"1": rollout})

    assert line.detail == bar


def test_a_judgment_says_how_it_is_answered() -> None:
    [line] = stage_lines(execution(stage("1", "RUNNING", "manualJudgment")))

    assert line.detail == "waits for: gennaker judge E1 continue"


@pytest.mark.parametrize(
    "context",
    [
        {"exception": {"details": {"errors": ["no\nsuch thing"]}}},
        {"exception": {"details": {"error": "no such thing"}}},
        {"kato.tasks": [{"id": "1"}, {"exception": {"message": "no such thing"}}]},
    ],
)
def test_a_failure_is_told_in_one_line_wherever_it_is_kept(context: Json) -> None:
    assert failure_of(stage("1", "TERMINAL") | {"context": context}) == "no such thing"


def test_a_log_has_a_line_a_change_and_none_for_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    log = ChangeLog()
    running = execution(stage("1", "RUNNING"), stage("2", "NOT_STARTED"))
    log.show(running, {})
    log.show(running, {})
    log.show(execution(stage("1", "SUCCEEDED"), stage("2", "NOT_STARTED"), status="SUCCEEDED"), {})

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["app", "▸", "✓", "app"]


def test_a_home_is_held_by_one_at_a_time_and_its_secret_stays(tmp_path: Path) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    first.hold()
    secret = first.secret()
    with pytest.raises(PlatformError, match="Another platform"):
        second.hold()
    first.release()

    second.hold()
    assert second.secret() == secret
    assert (tmp_path / "identity.secret").stat().st_mode & 0o077 == 0
    second.release()


def test_a_reset_deletes_what_is_the_platform_s_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    home = Home(tmp_path)
    home.hold()
    home.reset()
    home.release()

    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "postgres").exists()


def test_what_the_platform_decides_is_above_the_file_and_survives_the_way_to_its_processes(tmp_path: Path) -> None:
    file = tmp_path / "gennaker.yml"
    file.write_text("services: {gate: {port: 1}, orca: {port: 2}}\n")
    Configuration(file).with_overrides({"services": {"gate": {"port": 3}}}).save(tmp_path / "run.json")
    settings = Configuration.load(tmp_path / "run.json").all_settings()["gate"]

    assert (settings.services.gate.port, settings.services.orca.port) == (3, 2)
    assert (tmp_path / "run.json").stat().st_mode & 0o077 == 0


def test_ports_are_moved_together_and_stay_ports() -> None:
    assert Ports.standard(100) == Ports(gate=8184, orca=8183, clouddriver=7102, front50=8180, echo=8189)
    with pytest.raises(PlatformError, match="65535"):
        Ports.standard(60_000)
