"""Restarts of stages, skips by hand, and clean-ups after failures and cancellations."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest
from kork.database import Database
from kork.errors import BadRequest, MethodNotAllowed, UpstreamError
from kork.identity import Identity
from orca.bell import Run
from orca.execution.advance import advance
from orca.execution.driver import Driver
from orca.execution.io_tasks import IoTasks
from orca.execution.model import Execution
from orca.execution.operations import change_stage, restart
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import Services, Stage, StageContext, StageView, TaskResult, stage, succeeded, terminal
from orca.stages.definition import task as task_of
from orca.testing import Driver as VirtualDriver
from orca.testing import NoExpressions, pipeline, scripted_catalogue
from orca.testing import stage as a
from orca.testing.running import Orca, running_orca
from orca.testing.scripted import Scripted

CATALOGUE = scripted_catalogue()
NewSettings = Callable[..., OrcaSettings]


def go(execution: Execution, now: int = 1000) -> None:
    for _ in range(100):
        wake = advance(execution, now, CATALOGUE, NoExpressions()).wake_at
        if wake is None:
            return
        now = wake


def statuses(execution: Execution) -> dict[str, str]:
    return {each.ref_id: each.status.value for each in execution.stages}


def test_a_restart_begins_a_stage_and_those_after_it_anew():
    execution = pipeline(
        a("1"), a("2", after=["1"], script=["raise"], before=[{}]), a("3", after=["2"]), a("4", after=["1"])
    )
    go(execution)
    failed = execution.stage_by_ref("2")
    assert failed is not None
    exception = failed.context["exception"]
    reset, gone = restart(execution, failed.id, "alice", 2000, CATALOGUE)
    assert ([each.ref_id for each in reset], [each.ref_id for each in gone]) == (["2"], ["2<1"])
    assert statuses(execution) == {"1": "SUCCEEDED", "2": "NOT_STARTED", "3": "NOT_STARTED", "4": "SUCCEEDED"}
    details = failed.context["restartDetails"]
    assert details == {"restartedBy": "alice", "restartTime": 2000, "previousException": exception}
    assert "exception" not in failed.context
    assert (failed.start_time, failed.end_time, failed.tasks) == (None, None, [])
    assert (execution.status.value, execution.start_time, execution.end_time) == ("RUNNING", 2000, 1000)
    failed.context["script"] = ["SUCCEEDED"]
    go(execution, 2000)
    assert set(statuses(execution).values()) == {"SUCCEEDED"}
    assert execution.status.value == "SUCCEEDED"


def test_a_restart_of_a_synthetic_stage_restarts_its_top_level_stage():
    execution = pipeline(a("1", before=[{"script": ["TERMINAL"]}]))
    go(execution)
    child = execution.stage_by_ref("1<1")
    assert child is not None
    reset, gone = restart(execution, child.id, "alice", 2000, CATALOGUE)
    assert ([each.ref_id for each in reset], gone) == (["1"], [child])


def test_a_branch_that_failed_earlier_does_not_end_a_restarted_execution():
    execution = pipeline(
        a("slow", script=["RUNNING:50"]), a("bad", script=["raise"]), a("last", after=["slow"], script=["RUNNING:9"])
    )
    advance(execution, 1000, CATALOGUE, NoExpressions())
    assert statuses(execution) == {"bad": "TERMINAL", "slow": "CANCELED", "last": "NOT_STARTED"}
    slow = execution.stage_by_ref("slow")
    assert slow is not None
    restart(execution, slow.id, "alice", 2000, CATALOGUE)
    slow.context["step"] = 0
    go(execution, 2000)
    assert statuses(execution) == {"bad": "TERMINAL", "slow": "SUCCEEDED", "last": "SUCCEEDED"}
    assert execution.status.value == "TERMINAL"


def test_a_stage_that_runs_is_not_restarted():
    execution = pipeline(a("1", script=["RUNNING:50"]))
    advance(execution, 1000, CATALOGUE, NoExpressions())
    with pytest.raises(BadRequest, match="can't be restarted: it is RUNNING"):
        restart(execution, execution.stages[0].id, "alice", 2000, CATALOGUE)


def test_a_skip_by_hand_is_forgotten_by_a_restart():
    execution = pipeline(a("1", script=["RUNNING:50"], skippable=True, before=[{"script": ["RUNNING:9"]}]))
    advance(execution, 1000, CATALOGUE, NoExpressions())
    top = execution.stages[1]
    change_stage(execution, top.id, {"manualSkip": True}, Identity("alice"), 1001, CATALOGUE)
    go(execution, 1001)
    assert (top.status.value, execution.status.value) == ("SKIPPED", "SUCCEEDED")
    assert (top.context["lastModifiedBy"], top.last_modified and top.last_modified["user"]) == ("alice", "alice")
    restart(execution, top.id, "alice", 2000, CATALOGUE)
    assert "manualSkip" not in top.context


def test_a_stage_whose_type_allows_it_may_be_marked_to_be_skipped_before_it_begins():
    execution = pipeline(a("1"), a("2", after=["1"], skippable=True, script=["RUNNING:9"]))
    first, second = execution.stages
    change_stage(execution, second.id, {"manualSkip": True}, Identity("alice"), 900, CATALOGUE)
    with pytest.raises(MethodNotAllowed, match="is not skippable"):
        change_stage(execution, first.id, {"manualSkip": True}, Identity("alice"), 900, CATALOGUE)
    go(execution)
    assert statuses(execution) == {"1": "SUCCEEDED", "2": "SKIPPED"}


# --- with a store, a queue and clean-ups


class Trouble:
    """What the stages of these tests share with them."""

    clean_ups: ClassVar[list[str]] = []
    away: ClassVar[int] = 0


@task_of(name="fail", implementing_class="orca.tests.FailTask")
def fail_once(view: StageView[StageContext], now: int) -> TaskResult:
    return succeeded() if "restartDetails" in view.raw else terminal()


def clean_up(view: StageView[StageContext], services: Services) -> TaskResult | None:
    Trouble.clean_ups.append(view.name)
    if Trouble.away:
        Trouble.away -= 1
        raise UpstreamError("away", method="DELETE", url="http://away", status=503)
    return succeeded({"cleaned": len(Trouble.clean_ups)})


@stage("failsOnce")
class FailsOnce(Stage[StageContext]):
    """Fails, and succeeds after a restart."""

    on_cancel = staticmethod(clean_up)

    def tasks(self, stage: StageView[StageContext]):
        yield fail_once


@pytest.fixture(scope="module")
def orca(new_orca_settings: NewSettings) -> Iterator[Orca]:
    settings = new_orca_settings(executions={"leaseSeconds": 1, "ringAgainSeconds": 0.2, "maxWaiting": 1})
    with running_orca(settings, catalogue=StageCatalogue([FailsOnce, Scripted])) as running:
        yield running


@pytest.fixture
def trouble() -> type[Trouble]:
    Trouble.clean_ups, Trouble.away = [], 0
    return Trouble


FAILS = {"refId": "1", "requisiteStageRefIds": [], "type": "failsOnce", "name": "fails"}
HOLDS = {"refId": "1", "requisiteStageRefIds": [], "type": "scripted", "name": "holds", "script": ["RUNNING:900000"]}


def restart_first(orca: Orca, id: str, status: int = 200) -> Any:
    stage_id = orca.execution(id)["stages"][0]["id"]
    answer = orca.client.put(f"/pipelines/{id}/stages/{stage_id}/restart", json={})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_clean_up_that_meets_trouble_which_may_pass_is_tried_again(orca: Orca, trouble: type[Trouble]):
    trouble.away = 2
    id = orca.start(FAILS)
    orca.wait_end(id)
    seen = orca.wait(id, lambda seen: seen["stages"][0]["context"].get("cleaned"))
    assert (seen["status"], seen["stages"][0]["context"]["cleaned"]) == ("TERMINAL", 3)
    assert trouble.clean_ups == ["fails"] * 3


def test_a_restart_waits_for_the_clean_up_of_the_last_run(orca: Orca, trouble: type[Trouble]):
    trouble.away = 1
    id = orca.start(FAILS)
    orca.wait_end(id)
    restarted = restart_first(orca, id)
    assert restarted["stages"][0]["context"]["cleaned"] == 2
    assert orca.wait_end(id)["status"] == "SUCCEEDED"


def test_a_restarted_execution_waits_its_turn(orca: Orca, trouble: type[Trouble]):
    limits = {"id": "turns", "limitConcurrent": True}
    id = orca.start(FAILS, **limits)
    assert orca.wait_end(id)["status"] == "TERMINAL"
    orca.wait(id, lambda seen: seen["stages"][0]["context"].get("cleaned"))
    running = orca.start(HOLDS, **limits)
    orca.wait(running, lambda seen: seen["status"] == "RUNNING")
    assert restart_first(orca, id)["status"] == "NOT_STARTED"
    told = orca.get(f"/pipelines/{id}/explain")
    assert running in told["waits"][0]["why"]
    orca.client.put(f"/pipelines/{running}/cancel")
    ended = orca.wait_end(id)
    assert (ended["status"], ended["canceled"]) == ("SUCCEEDED", False)


def test_no_more_restarts_wait_than_may(orca: Orca, trouble: type[Trouble]):
    limits = {"id": "crowd", "limitConcurrent": True, "keepWaitingPipelines": True}
    ended = [orca.start(FAILS, **limits) for _ in range(1)]
    for id in ended:
        orca.wait(id, lambda seen: seen["stages"][0]["context"].get("cleaned"))
    running = orca.start(HOLDS, **limits)
    orca.wait(running, lambda seen: seen["status"] == "RUNNING")
    waiting = orca.start(HOLDS, **limits)
    orca.wait(waiting, lambda _: orca.get(f"/pipelines/{waiting}/explain")["waits"][0]["kind"] == "turn")
    assert "already waiting" in restart_first(orca, ended[0], status=409)["message"]
    assert orca.execution(ended[0])["status"] == "TERMINAL"
    for id in (waiting, running):
        orca.client.put(f"/pipelines/{id}/cancel")
        orca.wait_end(id)


class Queue:
    """A bell that keeps what was rung."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def advance(self, execution_ids: Iterable[str]) -> None:
        pass

    def run(self, runs: Iterable[Run]) -> None:
        self.runs += runs


def test_a_long_chain_of_tasks_is_handed_on_without_waiting_for_a_lease(new_orca_settings: NewSettings):
    settings = new_orca_settings()
    database, bell = Database(settings.database, schema="orca"), Queue()
    driver = Driver(database, settings, bell, CATALOGUE, NoExpressions())
    tasks = IoTasks(driver, lambda *_: VirtualDriver().services(), longest_chain=2)
    with running_orca(settings, worker=False) as running:
        id = running.start(HOLDS | {"script": [], "tasks": 5, "io": True})
        driver.advance(id)
        worked = 0
        while bell.runs:
            tasks.run(*bell.runs.pop(0))
            worked += 1
        seen = running.execution(id)
    assert (seen["status"], worked) == ("SUCCEEDED", 3)
    database.dispose()
