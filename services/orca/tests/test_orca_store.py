"""Executions survive their way through Postgres, and an advance writes only what changed."""

import dataclasses
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kork.database import Database
from kork.ids import new_ulid
from orca.execution.model import Execution, Paused, StageExecution, TaskExecution
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.settings import OrcaSettings
from sqlalchemy import text

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MAP = st.dictionaries(TEXT, JSON, max_size=3)
TIME = st.none() | st.integers(1, 2**45)
TASK = st.builds(
    TaskExecution,
    id=st.sampled_from(["1", "2"]),
    name=TEXT,
    implementing_class=TEXT,
    status=st.sampled_from(Status),
    start_time=TIME,
    end_time=TIME,
    stage_start=st.booleans(),
    loop_end=st.booleans(),
    exception_details=MAP,
    attempt=st.integers(0, 9),
    due_at=TIME,
    in_flight=st.booleans(),
)
STAGE = st.builds(
    StageExecution,
    id=st.builds(new_ulid),
    ref_id=TEXT,
    type=TEXT,
    name=TEXT,
    context=MAP,
    outputs=MAP,
    tasks=st.lists(TASK, max_size=2),
    status=st.sampled_from(Status),
    start_time=TIME,
    start_time_expiry=TIME,
    requisites=st.lists(TEXT, max_size=2),
    synthetic_owner=st.sampled_from([None, "STAGE_BEFORE", "STAGE_AFTER"]),
    parent_id=st.none() | TEXT,
    scheduled_time=TIME,
    last_modified=st.none() | MAP,
    additional_metric_tags=st.none() | MAP,
    planned=st.sets(st.sampled_from(["after", "failure"])),
)
EXECUTION = st.builds(
    Execution,
    type=st.sampled_from(["PIPELINE", "ORCHESTRATION"]),
    id=st.builds(new_ulid),
    application=TEXT,
    stages=st.lists(STAGE, max_size=4),
    name=st.none() | TEXT,
    description=st.none() | TEXT,
    trigger=MAP,
    status=st.sampled_from(Status),
    build_time=st.integers(1, 2**45),
    start_time=TIME,
    canceled=st.booleans(),
    canceled_by=st.none() | TEXT,
    limit_concurrent=st.booleans(),
    max_concurrent=st.integers(0, 5),
    authentication=MAP,
    notifications=st.lists(MAP, max_size=2),
    initial_config=MAP,
    template_variables=st.none() | MAP,
    paused=st.none() | st.builds(Paused, paused_by=st.none() | TEXT, pause_time=TIME),
    source=st.none() | MAP,
)


@pytest.fixture(scope="module")
def database(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Database]:
    database = Database(new_orca_settings().database, schema="orca")
    yield database
    database.dispose()


def fields(item: Any) -> Any:
    """All fields of an execution, a stage or a task."""
    if isinstance(item, list):
        return [fields(each) for each in item]
    if isinstance(item, Execution | StageExecution | TaskExecution | Paused):
        return {
            each.name: fields(getattr(item, each.name)) for each in dataclasses.fields(item) if each.name != "_index"
        }
    return item


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(execution=EXECUTION, data=st.data())
def test_an_execution_comes_back_as_it_was_stored_and_changed(
    database: Database, execution: Execution, data: st.DataObject
):
    execution.number()
    expected = deepcopy(fields(execution))
    with database.begin() as connection:
        assert ExecutionStore(connection).insert(execution)
    with database.begin() as connection:
        assert not ExecutionStore(connection).insert(execution)
        locked = ExecutionStore(connection).lock(execution.id, wait=False)
        assert locked is not None
        assert fields(locked.execution) == expected
        changed = (
            data.draw(st.lists(st.sampled_from(locked.execution.stages), unique_by=id)) if execution.stages else []
        )
        for stage in changed:
            stage.status, stage.context = data.draw(st.sampled_from(Status)), data.draw(MAP)
            stage.tasks = data.draw(st.lists(TASK, max_size=2))
        locked.execution.status = data.draw(st.sampled_from(Status))
        locked.execution.canceled_by = data.draw(st.none() | TEXT)
        expected = deepcopy(fields(locked.execution))
        ExecutionStore(connection).save(locked.loaded, [stage.id for stage in changed], [], head=True)
    with database.begin() as connection:
        loaded = ExecutionStore(connection).load(execution.id)
        assert loaded is not None
        assert fields(loaded.execution) == expected
        ExecutionStore(connection).delete(execution.id)
    with database.connect() as connection:
        left = text("SELECT count(*) FROM stage WHERE execution_id = :id")
        assert connection.execute(left, {"id": execution.id}).scalar() == 0


def test_a_big_context_that_did_not_change_is_not_written_again(database: Database):
    big = {"manifest": "".join(new_ulid() for _ in range(20_000))}
    stage = StageExecution(new_ulid(), "1", "wait", "w", context=big)
    execution = Execution("PIPELINE", new_ulid(), "app", [stage], build_time=1)
    with database.begin() as connection:
        ExecutionStore(connection).insert(execution)

    def wal() -> int:
        with database.connect() as connection:
            return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar() or 0)

    before = wal()
    with database.begin() as connection:
        locked = ExecutionStore(connection).lock(execution.id, wait=True)
        assert locked is not None
        locked.execution.stages[0].status = Status.RUNNING
        ExecutionStore(connection).save(locked.loaded, [stage.id], [], head=True)
    assert wal() - before < 20_000
    with database.connect() as connection:
        loaded = ExecutionStore(connection).load(execution.id)
        assert loaded is not None
        assert loaded.execution.stages[0].context == big
