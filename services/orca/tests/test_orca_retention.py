"""Ended executions go by age and by count, never too early, and never without having been archived."""

import gzip
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kork.database import Database
from kork.ids import new_ulid
from orca.execution.model import ExecutionType
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.retention.archive import Folder, name_of
from orca.retention.rules import DAY_MS, Group, Limit, Past, orchestration_limit, pipeline_limit, removable
from orca.retention.settings import OldPipelineCleanup, TopApplicationExecutionCleanup
from orca.retention.store import History
from orca.retention.sweep import Retention
from orca.settings import OrcaSettings
from orca.testing.builders import pipeline, stage
from sqlalchemy import text

NOW = 20_000 * DAY_MS + 3_600_000


@pytest.fixture(scope="module")
def database(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Database]:
    database = Database(new_orca_settings().database, schema="orca")
    yield database
    database.dispose()


@pytest.fixture
def application(database: Database) -> str:
    """An application in an empty database."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE execution CASCADE"))
    return f"app-{new_ulid().lower()}"


def add(
    database: Database,
    application: str,
    days_old: float,
    *,
    status: Status = Status.SUCCEEDED,
    kind: ExecutionType = "PIPELINE",
    config: str | None = "config",
    **trigger: Any,
) -> str:
    """Store an execution that was built so many days before `NOW`."""
    made = pipeline(stage("1", value=days_old), status=status, pipeline_config_id=config)
    made.type, made.application, made.build_time = kind, application, round(NOW - days_old * DAY_MS)
    made.trigger.update(trigger)
    if kind == "ORCHESTRATION":
        made.pipeline_config_id = None
    if status.is_complete:
        made.end_time = made.build_time + 1000
    with database.begin() as connection:
        ExecutionStore(connection).insert(made)
    return made.id


def stored(database: Database, application: str) -> set[str]:
    with database.connect() as connection:
        rows = connection.execute(text("SELECT id FROM execution WHERE application = :a"), {"a": application})
        return {row[0] for row in rows}


def retention(
    database: Database, pollers: dict[str, Any], *, archive: Any = None, folder: Path | None = None
) -> Retention:
    values: dict[str, Any] = {"pollers": pollers, "executions": {"archive": {"folder": folder}}}
    return Retention(database, OrcaSettings.model_validate(values), archive=archive, now=lambda: NOW)


BY_AGE = {"oldPipelineCleanup": {"enabled": True, "minimumPipelineExecutions": 2}}


def test_old_executions_go_and_the_newest_of_each_pipeline_stay(database: Database, application: str):
    for days in (400, 40, 31):
        add(database, application, days)
    stay = {add(database, application, days) for days in (30, 29, 1)}
    stay |= {add(database, application, days, config="other") for days in (500, 400)}
    add(database, application, 900, config="other")
    retention(database, BY_AGE).sweep()
    assert stored(database, application) == stay


def test_pipelines_without_a_configuration_are_counted_together(database: Database, application: str):
    for days in (90, 80):
        add(database, application, days, config=None)
    stay = {add(database, application, days, config=None) for days in (70, 60)}
    stay |= {add(database, application, days, kind="ORCHESTRATION") for days in (90, 80, 70)}
    retention(database, BY_AGE).sweep()
    assert stored(database, application) == stay


@pytest.mark.parametrize("status", [each for each in Status if not each.is_complete])
def test_what_has_not_ended_stays(database: Database, application: str, status: Status):
    stay = {add(database, application, 100, status=status)}
    stay |= {add(database, application, days) for days in (60, 50)}
    add(database, application, 90)
    retention(database, BY_AGE).sweep()
    assert stored(database, application) == stay


def test_what_an_open_execution_was_started_by_stays(database: Database, application: str):
    parent = add(database, application, 100)
    stay = {parent, *(add(database, application, days) for days in (60, 50))}
    stay |= {add(database, application, 1, status=Status.RUNNING, config="child", parentExecutionId=parent)}
    add(database, application, 90)
    retention(database, BY_AGE).sweep()
    assert stored(database, application) == stay


def test_exceptional_applications_keep_their_history_longer(database: Database, application: str):
    pollers = {"oldPipelineCleanup": BY_AGE["oldPipelineCleanup"] | {"exceptionalApplications": [application]}}
    stay = {add(database, application, days) for days in (364, 200, 100)}
    add(database, application, 367)
    retention(database, pollers).sweep()
    assert stored(database, application) == stay


def test_orchestrations_go_by_count_and_pipelines_do_not(database: Database, application: str):
    other = f"{application}-special"
    stay = {add(database, application, days, kind="ORCHESTRATION") for days in (1, 2)}
    stay |= {add(database, application, 300)}
    for days in (3, 4, 100):
        add(database, application, days, kind="ORCHESTRATION")
    special = [add(database, other, days, kind="ORCHESTRATION") for days in (1, 2, 3)]
    cleanup = {"enabled": True, "threshold": 2, "exceptionApplicationThresholds": {other: 1}}
    retention(database, {"topApplicationExecutionCleanup": cleanup}).sweep()
    assert stored(database, application) == stay
    assert stored(database, other) == {special[0]}


def test_nothing_goes_unless_it_is_switched_on(database: Database, application: str):
    stay = {add(database, application, days) for days in range(100, 110)}
    assert not retention(database, {}).is_on
    retention(database, {}).sweep()
    assert stored(database, application) == stay


def test_one_process_removes_at_a_time(database: Database, application: str):
    stay = {add(database, application, days) for days in range(100, 110)}
    with History(database).lead() as leads:
        assert leads
        assert retention(database, BY_AGE).sweep() == 0
    assert stored(database, application) == stay
    retention(database, BY_AGE).sweep()
    assert len(stored(database, application)) == 2


# --- the archive


def lines(folder: Path, application: str) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for file in sorted((folder / "pipelines" / application).glob("*.jsonl.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def test_what_goes_is_in_the_archive_one_line_each_and_many_to_a_file(
    database: Database, application: str, tmp_path: Path
):
    gone = {add(database, application, 100 + n / 100, config=f"config {n % 3}") for n in range(16)}
    pollers = {"oldPipelineCleanup": {"enabled": True, "minimumPipelineExecutions": 0, "chunkSize": 10}}
    retention(database, pollers, folder=tmp_path).sweep()
    assert stored(database, application) == set()
    found = lines(tmp_path, application)
    assert {each["id"] for each in found} == gone
    assert len(found) == 16
    assert len(list((tmp_path / "pipelines" / application).iterdir())) == 2
    assert found[0]["stages"][0]["context"]["value"] >= 100


class BreaksAfter:
    """An archive that keeps, and whose process dies then."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def keep(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        self._folder.keep(name, documents)
        raise KeyboardInterrupt


def test_a_crash_between_the_archive_and_the_removal_loses_and_doubles_nothing(
    database: Database, application: str, tmp_path: Path
):
    gone = {add(database, application, 100 + n) for n in range(5)}
    pollers = {"oldPipelineCleanup": {"enabled": True, "minimumPipelineExecutions": 0}}
    with pytest.raises(KeyboardInterrupt):
        retention(database, pollers, archive=BreaksAfter(Folder(tmp_path))).sweep()
    assert stored(database, application) == gone
    retention(database, pollers, folder=tmp_path).sweep()
    assert stored(database, application) == set()
    assert sorted(each["id"] for each in lines(tmp_path, application)) == sorted(gone)


def test_what_can_not_be_archived_stays(database: Database, application: str, tmp_path: Path):
    stay = {add(database, application, 100 + n) for n in range(5)}
    (tmp_path / "pipelines").write_text("in the way")
    retention(database, BY_AGE, folder=tmp_path).try_sweep()
    assert stored(database, application) == stay
    assert [path.name for path in tmp_path.iterdir()] == ["pipelines"]


class Restarts:
    """An archive during which an execution is restarted."""

    def __init__(self, database: Database, execution_id: str) -> None:
        self._database = database
        self._id = execution_id

    def keep(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        list(documents)
        with self._database.begin() as connection:
            change = "UPDATE execution SET status = 'RUNNING', end_time = NULL WHERE id = :id"
            connection.execute(text(change), {"id": self._id})


def test_an_execution_that_is_restarted_meanwhile_stays(database: Database, application: str):
    restarted = add(database, application, 120)
    add(database, application, 110)
    stay = {restarted, *(add(database, application, days) for days in (100, 90))}
    retention(database, BY_AGE, archive=Restarts(database, restarted)).sweep()
    assert stored(database, application) == stay


def test_a_half_written_file_is_never_seen_under_its_name(tmp_path: Path):
    def documents() -> Iterator[dict[str, Any]]:
        yield {"id": "1"}
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        Folder(tmp_path).keep("pipelines/app/x.jsonl.gz", documents())
    assert list((tmp_path / "pipelines" / "app").iterdir()) == []


@pytest.mark.parametrize("application", ["..", "a/b", "../../etc", "ü b", "."])
def test_names_of_files_stay_within_the_archive(application: str):
    name = name_of(Group("PIPELINE", application), [Past("1", Status.SUCCEEDED, NOW)])
    kind, folder, file = name.split("/")
    assert (kind, file.startswith("2024-10-04-")) == ("pipelines", True)
    assert folder not in (".", "..")


def test_a_sweep_ends_between_two_steps_when_its_process_does(database: Database, application: str):
    stay = {add(database, application, 100 + n) for n in range(6)}
    sweeping = retention(database, BY_AGE)
    sweeping.stop()
    done = threading.Thread(target=sweeping.try_sweep)
    done.start()
    done.join(60)
    assert not done.is_alive()
    assert stored(database, application) == stay


# --- the rule, and the same in SQL

PAST = st.builds(
    Past,
    id=st.builds(new_ulid),
    status=st.sampled_from(Status),
    build_time=st.integers(0, 20),
    end_time=st.none() | st.integers(0, 20),
    restored_at=st.none() | st.integers(0, 20),
)
LIMIT = st.builds(
    Limit, keep=st.integers(0, 5), before=st.none() | st.integers(0, 20), restored_before=st.integers(0, 20)
)


@given(past=st.lists(PAST, max_size=12), limit=LIMIT, data=st.data(), page=st.integers(1, 5))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("group", [("PIPELINE", "config"), ("PIPELINE", None), ("ORCHESTRATION", None)])
def test_the_store_chooses_what_the_rule_chooses(
    database: Database, group: tuple[ExecutionType, str | None], past: list[Past], limit: Limit, data: Any, page: int
):
    of = Group(group[0], f"app-{new_ulid()}", group[1])
    needed = set(data.draw(st.lists(st.sampled_from([each.id for each in past]), max_size=2))) if past else set()
    with database.begin() as connection:
        for each in past:
            connection.execute(
                text(
                    "INSERT INTO execution (id, type, application, pipeline_config_id, status, build_time, end_time,"
                    " restored_at, trigger, body)"
                    " VALUES (:id, :kind, :app, :config, :status, :built, :ended, :restored, '{}', '{}')"
                ),
                {
                    "id": each.id,
                    "kind": of.kind,
                    "app": of.application,
                    "config": of.pipeline_config_id,
                    "status": each.status.value,
                    "built": each.build_time,
                    "ended": each.end_time,
                    "restored": each.restored_at,
                },
            )
    assert list(History(database).removable(of, limit, needed, page)) == removable(past, limit, needed)


def test_limits_are_those_of_the_settings():
    pipelines = OldPipelineCleanup(threshold_days=10, minimum_pipeline_executions=3, exceptional_applications=["big"])
    tasks = TopApplicationExecutionCleanup(threshold=7, exception_application_thresholds={"big": 9})
    assert pipeline_limit(pipelines, "app", NOW) == Limit(3, 19_990 * DAY_MS, 19_990 * DAY_MS)
    assert pipeline_limit(pipelines, "big", NOW).before == (20_000 - 365) * DAY_MS
    assert orchestration_limit(tasks, pipelines, "app", NOW) == Limit(7, None, 19_990 * DAY_MS)
    assert orchestration_limit(tasks, pipelines, "big", NOW).keep == 9
