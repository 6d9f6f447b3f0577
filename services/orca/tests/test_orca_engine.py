"""The shell around the core: leases, bells that are lost, workers that die, Redis that forgets."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import httpx2
import pytest
from kork.database import Database
from kork.testing.serving import serving
from orca.app import create_app
from orca.bell import CeleryBell, Run
from orca.execution.driver import Driver
from orca.execution.model import Execution, StageExecution
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import Services, Stage, StageContext, StageView, TaskResult, io_task, stage, succeeded
from orca.testing import NoExpressions, scripted_catalogue
from orca.testing.running import Orca, running_orca, working
from orca.worker import Worker
from redis import Redis
from sqlalchemy import text

Wait = Callable[..., dict[str, Any]]
NewSettings = Callable[..., OrcaSettings]
QUICK = {"executions": {"leaseSeconds": 0.4, "ringAgainSeconds": 0.3}}


class Silent:
    """A bell that nobody hears."""

    def advance(self, execution_ids: Iterable[str]) -> None:
        pass

    def run(self, runs: Iterable[Run]) -> None:
        pass


@pytest.fixture
def quick(new_orca_settings: NewSettings) -> OrcaSettings:
    """Settings with short leases."""
    return new_orca_settings(**QUICK)


@pytest.fixture
def database(quick: OrcaSettings) -> Iterator[Database]:
    database = Database(quick.database, schema="orca")
    yield database
    database.dispose()


def one(database: Database, query: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(text(query)).one_or_none()
        return row and row[0]


# --- I/O tasks and their leases


def scripted(ref: str = "1", after: Iterable[str] = (), **script: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "requisiteStageRefIds": list(after),
        "type": "scripted",
        "name": f"s{ref}",
        "io": True,
    } | script


def started_by_nobody(running: Orca, driver: Driver, *stages: dict[str, Any]) -> str:
    """Start an execution and take it as far as its first I/O task, without any worker."""
    id = running.start(*stages)
    driver.advance(id)
    return id


def test_a_task_whose_worker_died_is_taken_over_and_its_late_answer_dropped(quick: OrcaSettings, database: Database):
    driver = Driver(database, quick, Silent(), scripted_catalogue(), NoExpressions())
    with running_orca(quick, worker=False) as running:
        id = started_by_nobody(running, driver, scripted(tasks=2), scripted("2", ["1"]))
        stage_id = running.execution(id)["stages"][0]["id"]
        claimed = driver.claim(id, (stage_id, "1", 1))
        assert claimed is not None
        assert driver.claim(id, (stage_id, "1", 1)) is None
        with working(quick, scripted_catalogue()):
            ended = running.wait_end(id)
        assert [each["status"] for each in ended["stages"]] == ["SUCCEEDED", "SUCCEEDED"]
        assert ended["stages"][0]["context"]["step"] == 2
        assert driver.answer(id, (stage_id, "1", 1), claimed[0], succeeded({"late": True})) is None
        assert running.execution(id) == ended
        assert one(database, "SELECT count(*) FROM io_task") == 0
        assert one(database, "SELECT count(*) FROM due") == 0


class Held:
    """What the stages of these tests share with them."""

    go = threading.Event()
    runs: ClassVar[list[int]] = []
    cleaned: ClassVar[list[str]] = []


@io_task(name="hold", implementing_class="orca.tests.HoldTask")
def hold(view: StageView[StageContext], services: Services) -> TaskResult:
    Held.runs.append(1)
    assert Held.go.wait(20)
    return succeeded()


def note_cleaning(view: StageView[StageContext], services: Services) -> TaskResult | None:
    Held.cleaned.append(view.name)
    if len(Held.cleaned) == 1 and view.raw.get("failsFirst"):
        raise ConnectionError("the other side is away")
    return succeeded({"cleaned": True})


@stage("hold")
class Hold(Stage[StageContext]):
    """Hold until the test lets go."""

    on_cancel = staticmethod(note_cleaning)

    def tasks(self, stage: StageView[StageContext]):
        yield hold
        yield hold.named("holdAgain")


HOLD = {"refId": "1", "requisiteStageRefIds": [], "type": "hold", "name": "held"}


@pytest.fixture
def held(quick: OrcaSettings) -> Iterator[Orca]:
    Held.go, Held.runs, Held.cleaned = threading.Event(), [], []
    with running_orca(quick, catalogue=StageCatalogue([Hold])) as running:
        yield running
        Held.go.set()


def test_a_lease_is_renewed_while_its_task_runs(held: Orca, database: Database, wait_until: Callable[..., None]):
    id = held.start(HOLD)
    leases: set[int] = set()

    def renewed_often() -> bool:
        lease = one(database, "SELECT lease_until FROM io_task WHERE owner IS NOT NULL")
        leases.update([lease] if lease else [])
        return len(leases) > 8

    wait_until(renewed_often)
    assert max(leases) - min(leases) > 400
    Held.go.set()
    assert held.wait_end(id)["status"] == "SUCCEEDED"
    assert len(Held.runs) == 2


def test_a_cancelled_stage_is_cleaned_up_once_its_task_has_answered(held: Orca, wait_until: Callable[..., None]):
    id = held.start(HOLD)
    wait_until(lambda: Held.runs)
    held.client.put(f"/pipelines/{id}/cancel")
    held.wait(id, lambda seen: seen["canceled"])
    assert held.execution(id)["status"] == "RUNNING"
    Held.go.set()
    ended = held.wait_end(id)
    assert (ended["status"], ended["stages"][0]["status"]) == ("CANCELED", "CANCELED")
    held.wait(id, lambda seen: seen["stages"][0]["context"].get("cleaned"))
    assert Held.cleaned == ["held"]


def test_an_execution_forced_to_end_ignores_what_its_task_answers(
    held: Orca, database: Database, wait_until: Callable[..., None]
):
    id = held.start(HOLD)
    wait_until(lambda: Held.runs)
    held.client.put("/admin/forceCancelExecution", params={"executionId": id, "executionType": "PIPELINE"})
    forced = held.execution(id)
    assert forced["status"] == "CANCELED"
    Held.go.set()
    again = held.start(HOLD | {"type": "noop"})
    held.wait_end(again)
    assert held.execution(id) == forced


# --- bells


class Lossy:
    """A bell of which the first rings aren't heard."""

    def __init__(self, bell: CeleryBell, lost: int) -> None:
        self._bell = bell
        self._lost = lost

    def _heard(self) -> bool:
        self._lost -= 1
        return self._lost < 0

    def advance(self, execution_ids: Iterable[str]) -> None:
        ids = list(execution_ids)
        if ids and self._heard():
            self._bell.advance(ids)

    def run(self, runs: Iterable[Run]) -> None:
        listed = list(runs)
        if listed and self._heard():
            self._bell.run(listed)


def test_a_bell_that_was_lost_is_rung_again(quick: OrcaSettings, database: Database):
    bell = Lossy(CeleryBell(quick.redis.url), lost=2)
    port = quick.services.orca.port
    client = httpx2.Client(base_url=quick.services.orca.url())
    with serving(create_app(quick, bell), port), working(quick, scripted_catalogue()), client:
        running = Orca(quick, quick.services.orca.url(), client)
        ended = running.wait_end(running.start(scripted(), scripted("2", ["1"])))
    assert ended["status"] == "SUCCEEDED"


def test_an_io_task_whose_bell_was_lost_is_rung_again(quick: OrcaSettings, database: Database):
    driver = Driver(database, quick, Silent(), scripted_catalogue(), NoExpressions())
    with running_orca(quick, catalogue=scripted_catalogue(), worker=False) as running:
        id = started_by_nobody(running, driver, scripted())
        with working(quick, scripted_catalogue()):
            assert running.wait_end(id)["status"] == "SUCCEEDED"


def test_an_execution_that_nothing_remembers_is_found_by_the_sweep(quick: OrcaSettings, database: Database, wait: Wait):
    with running_orca(quick, worker=False) as running:
        id = running.start(wait("1"))
    with database.begin() as connection:
        connection.execute(text("DELETE FROM due"))
    with running_orca(quick) as running:
        assert running.wait_end(id)["status"] == "SUCCEEDED"


def test_executions_end_though_redis_forgets_everything(quick: OrcaSettings, wait: Wait):
    with running_orca(quick, catalogue=None) as running, Redis.from_url(quick.redis.url) as redis:
        ids = []
        for n in range(20):
            ids.append(running.start(wait("1", seconds=0.1), wait("2", after=["1"], seconds=0.1)))
            if n % 5 == 0:
                redis.flushdb()
        redis.flushdb()
        assert {running.wait_end(id)["status"] for id in ids} == {"SUCCEEDED"}


def test_a_worker_that_is_killed_loses_nothing(quick: OrcaSettings, wait: Wait, wait_until: Callable[..., None]):
    environment = {
        "GENNAKER_DATABASE__URL": quick.database.url,
        "GENNAKER_REDIS__URL": quick.redis.url,
        "GENNAKER_EXECUTIONS__LEASE_SECONDS": "0.4",
        "GENNAKER_EXECUTIONS__RING_AGAIN_SECONDS": "0.3",
    }
    command = [sys.executable, "-m", "orca", "worker"]
    with running_orca(quick, worker=False) as running:
        process = subprocess.Popen(command, env=os.environ | environment)
        try:
            ids = [running.start(wait("1", seconds=0.05 * n), wait("2", after=["1"], seconds=0.2)) for n in range(12)]
            running.wait_end(ids[0])
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        with working(quick):
            assert {running.wait_end(id)["status"] for id in ids} == {"SUCCEEDED"}


def test_an_execution_that_the_engine_cannot_advance_ends_with_the_reason(new_orca_settings: NewSettings, wait: Wait):
    class Broken(NoExpressions):
        def condition(self, execution: Execution, stage: StageExecution, expression: str) -> str:
            raise ArithmeticError("out of order")

    settings = new_orca_settings(executions={"ringAgainSeconds": 0.02})
    worker = Worker(settings, Silent())
    worker.use(Driver(Database(settings.database, "orca"), settings, Silent(), StageCatalogue.load(), Broken()))

    class Threaded(Silent):
        def advance(self, execution_ids: Iterable[str]) -> None:
            for each in execution_ids:
                thread.submit(worker.advance, each)

    client = httpx2.Client(base_url=settings.services.orca.url())
    with (
        ThreadPoolExecutor(1) as thread,
        serving(create_app(settings, Threaded()), settings.services.orca.port),
        client,
    ):
        running = Orca(settings, settings.services.orca.url(), client)
        ended = running.wait_end(running.start(wait("1", stageEnabled={"type": "expression", "expression": "x"})))
    assert ended["status"] == "TERMINAL"
    assert ended["cancellationReason"] == "The engine could not go on: ArithmeticError: out of order"
