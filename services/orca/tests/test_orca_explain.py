"""Why an execution is where it is, and the ends that an operator forces on what is stuck."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
from kork.database import Database
from kork.errors import BadRequest
from kork.ids import ulid_for
from orca.bell import Run
from orca.execution.advance import advance
from orca.execution.driver import Driver
from orca.execution.explain import Explanation, explain
from orca.execution.forced import force_cancel, force_complete
from orca.execution.model import Execution, Paused
from orca.execution.operations import pause
from orca.execution.situation import Held, Situation
from orca.execution.status import Status
from orca.expressions import PipelineExpressions
from orca.settings import OrcaSettings
from orca.stages.installed import catalogue_for
from orca.stages.results import succeeded
from orca.testing import NoExpressions, pipeline, scripted_catalogue, stage
from orca.testing.running import Orca, running_orca
from orca.testing.scripted import Scripted

CATALOGUE = catalogue_for(OrcaSettings()).with_types(Scripted)
NOW = 1_795_487_438_000
MINUTE = 60_000


def begun(*stages: Any, **fields: Any) -> Execution:
    """A pipeline that has been advanced once."""
    execution = pipeline(*stages, **fields)
    advance(execution, NOW, CATALOGUE, PipelineExpressions())
    return execution


def why(execution: Execution, situation: Situation | None = None, now: int = NOW + 1000) -> Explanation:
    return explain(execution, situation or Situation(), CATALOGUE, now)


def held(execution: Execution, owner: str | None, rings: int = 0) -> Situation:
    """The first task of the first stage, taken by `owner`."""
    return Situation(held=[Held(execution.stages[0].id, "1", 1, owner, NOW + 4000, rings)])


WINDOW = {"restrictExecutionDuringTimeWindow": True, "restrictedExecutionWindow": {"days": [1]}}


@pytest.mark.parametrize(
    ("waiting", "kind", "words", "until"),
    [
        (stage("1", "wait", waitTime=90), "time", "waits for 90 s", NOW + 90_000),
        (stage("1", "waitUntil", epochMillis=NOW + 5 * MINUTE), "time", "waits for a moment", NOW + 5 * MINUTE),
        (stage("1", "manualJudgment"), "judgment", "a person has to judge", None),
        (stage("1", "manualJudgment", selectedStageRoles=["ops"]), "judgment", "one of the roles ops", None),
        (stage("1", "scripted", script=["RUNNING:7000"]), "poll", "task 'scripted' is not done", NOW + 7000),
    ],
)
def test_each_open_stage_says_what_it_waits_for(waiting: Any, kind: str, words: str, until: int | None):
    execution = begun(waiting, stage("2", "wait", ["1"]))
    found = why(execution)
    [wait] = found.waits
    assert (wait.kind, wait.until, wait.stage, wait.since) == (kind, until, waiting, NOW)
    assert words in wait.why
    assert words in found.summary
    assert wait.moves
    assert not found.late
    [after] = found.not_started
    assert after.why == f"it comes after '{waiting.name}' (RUNNING)"


def test_a_stage_that_waits_for_its_window_says_when_it_opens():
    execution = begun(stage("1", "wait", **WINDOW))
    [wait] = why(execution).waits
    assert wait.stage is execution.stage_by_ref("1<0")
    assert (wait.kind, wait.until) == ("window", execution.stages[0].scheduled_time)
    assert "America/Los_Angeles" in wait.why


def test_a_refused_judgment_and_its_deadline_are_told():
    execution = begun(stage("1", "manualJudgment", judgmentRefused="'bob' may not judge", stageTimeoutMs=MINUTE))
    [wait] = why(execution).waits
    assert "'bob' may not judge" in wait.why
    assert wait.times_out == NOW + MINUTE


def test_a_task_in_flight_names_its_worker_and_since_when():
    execution = begun(stage("1", "scripted", io=True))
    [wait] = why(execution, held(execution, f"host-7/{ulid_for('x', NOW + 300)}")).waits
    assert (wait.kind, wait.since, wait.until) == ("running", NOW + 300, NOW + 4000)
    assert "run by host-7 (attempt 1)" in wait.why


@pytest.mark.parametrize(("later", "late"), [(1000, False), (MINUTE, True)])
def test_a_task_that_no_worker_takes_is_late_after_a_while(later: int, late: bool):
    execution = begun(stage("1", "scripted", io=True))
    situation = Situation(held=[Held(execution.stages[0].id, "1", 1, None, NOW + later, 3)])
    found = why(execution, situation, NOW + later)
    [wait] = found.waits
    assert (wait.kind, found.late, wait.since) == ("worker", late, NOW)
    assert "rung 3 times" in wait.why
    assert "worker" in wait.moves


def test_a_due_task_that_nobody_looks_at_points_to_the_clock():
    execution = begun(stage("1", "wait", waitTime=1))
    found = why(execution, now=NOW + MINUTE)
    assert (found.waits[0].kind, found.late) == ("clock", True)
    assert "should have been run again" in found.summary


def test_a_task_whose_worker_is_gone_is_told():
    execution = begun(stage("1", "scripted", io=True))
    assert "is gone" in why(execution).waits[0].why


def test_expressions_that_ask_others_are_told():
    execution = begun(stage("1", "wait"), status=Status.PAUSED)
    situation = Situation(held=[Held(execution.stages[0].id, "expressions", 1, None, NOW)])
    assert "expressions that ask" in why(execution, situation).waits[0].why


def test_a_pause_says_by_whom_and_since_when():
    execution = begun(stage("1", "wait", waitTime=90))
    pause(execution, "alice", NOW + 10)
    advance(execution, NOW + 10, CATALOGUE, PipelineExpressions())
    [wait] = why(execution).waits
    assert (wait.kind, wait.why, wait.since) == ("pause", "it was paused by alice", NOW + 10)
    between = pipeline(stage("1", "wait"), status=Status.PAUSED)
    between.paused = Paused("bob", NOW)
    assert why(between).waits[0].why == "it was paused by bob"


def test_an_execution_that_waits_its_turn_names_those_before_it():
    execution = pipeline(stage("1", "wait"), limit_concurrent=True, keep_waiting=True)
    found = why(execution, Situation(waits=True, running=["A"], before=["B"]))
    [wait] = found.waits
    assert wait.kind == "turn"
    assert "before it: A, B" in wait.why
    assert why(pipeline(stage("1", "wait"))).waits[0].kind == "worker"


def test_an_execution_that_ended_says_why():
    execution = begun(
        stage("1", "scripted", script=["raise"], name="x"), stage("2", "wait", ["1"]), stage("3", "wait", ["2"])
    )
    found = why(execution)
    assert found.summary == "It ended TERMINAL: stage 'scripted 1' TERMINAL (as the script says)."
    assert [wait.why for wait in found.not_started] == [
        "it can't start any more: it comes after 'scripted 1' (TERMINAL)",
        "it comes after 'wait 2' (NOT_STARTED)",
    ]
    cancelled = begun(stage("1", "wait", waitTime=5))
    cancelled.canceled, cancelled.canceled_by, cancelled.cancellation_reason = True, "alice", "enough"
    advance(cancelled, NOW, CATALOGUE, PipelineExpressions())
    assert why(cancelled).summary == "It ended CANCELED, cancelled by alice: enough."


# --- forced ends


@pytest.mark.parametrize(
    ("status", "next_status", "whole"),
    [
        ("SUCCEEDED", "SUCCEEDED", "SUCCEEDED"),
        ("SKIPPED", "SUCCEEDED", "SUCCEEDED"),
        ("FAILED_CONTINUE", "SUCCEEDED", "SUCCEEDED"),
        ("STOPPED", "NOT_STARTED", "SUCCEEDED"),
        ("TERMINAL", "NOT_STARTED", "TERMINAL"),
        ("CANCELED", "NOT_STARTED", "CANCELED"),
    ],
)
def test_a_stage_completed_by_force_has_the_effect_of_its_status(status: str, next_status: str, whole: str):
    child = {"script": ["RUNNING:99999"]}
    execution = begun(
        stage("1", "scripted", before=[child], behind=[{}]), stage("2", "scripted", ["1"], script=["SUCCEEDED"])
    )
    ended = force_complete(execution, execution.stages[1].id, Status(status), "alice", NOW + 5)
    assert [each.ref_id for each in ended] == ["1<1", "1"]
    advance(execution, NOW + 5, CATALOGUE, PipelineExpressions())
    found = {each.ref_id: each.status.value for each in execution.stages}
    halts = Status(status).is_halt
    assert found == {"1<1": "CANCELED" if halts else "SKIPPED", "1": status, "2": next_status}
    assert execution.status.value == whole
    assert execution.stages[1].context["forceCompleted"] == {"by": "alice", "at": NOW + 5, "status": status}


def test_only_what_runs_is_completed_by_force():
    execution = begun(stage("1", "wait", waitTime=5), stage("2", "wait", ["1"]))
    first, second = execution.stages
    with pytest.raises(BadRequest, match="doesn't run: it is NOT_STARTED"):
        force_complete(execution, second.id, Status.SUCCEEDED, "alice", NOW)
    with pytest.raises(BadRequest, match="can't be completed as RUNNING"):
        force_complete(execution, first.id, Status.RUNNING, "alice", NOW)
    force_cancel(execution, "alice", NOW)
    assert (first.status, first.tasks[0].status, execution.status) == (Status.CANCELED,) * 3
    with pytest.raises(BadRequest, match="doesn't run: it is CANCELED"):
        force_complete(execution, first.id, Status.SUCCEEDED, "alice", NOW)


@pytest.fixture(scope="module")
def stuck(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Orca]:
    """An orca whose only worker knows no stage but the scripted one."""
    with running_orca(new_orca_settings(), catalogue=scripted_catalogue()) as running:
        yield running


def events(orca: Orca, execution_id: str) -> list[str]:
    with psycopg.connect(orca.settings.database.url) as connection:
        rows = connection.execute(
            "SELECT type FROM orca.outbox WHERE payload->>'executionId' = %s ORDER BY id", [execution_id]
        ).fetchall()
    return [row[0] for row in rows]


SLOW = {"refId": "1", "requisiteStageRefIds": [], "type": "scripted", "name": "slow", "script": ["RUNNING:900000"]}


def test_an_execution_is_explained_and_freed_over_http(stuck: Orca):
    id = stuck.start(SLOW, SLOW | {"refId": "2", "requisiteStageRefIds": ["1"], "name": "next"})
    stuck.wait(id, lambda seen: any(task["status"] == "RUNNING" for task in seen["stages"][0]["tasks"]))
    found = stuck.get(f"/pipelines/{id}/explain")
    assert (found["status"], found["waits"][0]["stage"]["name"], found["late"]) == ("RUNNING", "slow", False)
    assert found["notStarted"][0]["why"] == "it comes after 'slow' (RUNNING)"
    stage_id = found["waits"][0]["stage"]["id"]
    wrong = stuck.client.put("/admin/forceCompleteStage", params={"executionId": id, "stageId": "nowhere"})
    assert wrong.status_code == 404
    wrong = stuck.client.put(
        "/admin/forceCompleteStage", params={"executionId": id, "stageId": stage_id, "status": "DONE"}
    )
    assert (wrong.status_code, "status" in wrong.text) == (400, True)
    freed = stuck.client.put("/admin/forceCompleteStage", params={"executionId": id, "stageId": stage_id})
    assert freed.status_code == 200
    seen = stuck.wait(id, lambda seen: seen["stages"][1]["status"] == "RUNNING")
    assert seen["stages"][0]["status"] == "SUCCEEDED"
    assert seen["stages"][0]["context"]["forceCompleted"]["by"] == "alice"
    ended = stuck.client.put(
        "/admin/forceCancelExecution",
        params={"executionId": id, "executionType": "PIPELINE", "canceledBy": "bob", "reason": "stuck"},
    )
    assert ended.status_code == 200
    seen = stuck.execution(id)
    assert (seen["status"], seen["canceledBy"], seen["cancellationReason"]) == ("CANCELED", "bob", "stuck")
    assert [each["status"] for each in seen["stages"]] == ["SUCCEEDED", "CANCELED"]
    assert "cancelled by bob: stuck" in stuck.get(f"/pipelines/{id}/explain")["summary"]
    assert stuck.get("/pipelines/NONE/explain", status=404)


class Silent:
    """A bell that nobody hears."""

    def advance(self, execution_ids: Iterable[str]) -> None:
        pass

    def run(self, runs: Iterable[Run]) -> None:
        pass


def test_a_late_answer_to_a_stage_that_was_ended_by_force_is_dropped(new_orca_settings: Callable[..., OrcaSettings]):
    settings = new_orca_settings()
    database = Database(settings.database, schema="orca")
    driver = Driver(database, settings, Silent(), scripted_catalogue(), NoExpressions())
    with running_orca(settings, worker=False) as running:
        id = running.start(SLOW | {"io": True}, SLOW | {"refId": "2", "requisiteStageRefIds": ["1"]})
        driver.advance(id)
        stage_id = running.execution(id)["stages"][0]["id"]
        claimed = driver.claim(id, (stage_id, "1", 1))
        assert claimed is not None
        [wait] = running.get(f"/pipelines/{id}/explain")["waits"]
        assert wait["kind"] == "running"
        params = {"executionId": id, "stageId": stage_id, "status": "TERMINAL"}
        assert running.client.put("/admin/forceCompleteStage", params=params).status_code == 200
        assert driver.answer(id, (stage_id, "1", 1), claimed[0], succeeded({"late": True})) is None
        driver.advance(id)
        seen = running.execution(id)
        assert (seen["status"], seen["stages"][0]["status"]) == ("TERMINAL", "TERMINAL")
        assert "late" not in seen["stages"][0]["context"]
        told = events(running, id)
        assert told.count("orca:stage:failed") == 1
        assert told.count("orca:pipeline:failed") == 1
    database.dispose()
