"""Whether an execution may start while others of its pipeline run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from kork.database import Database
from kork.testing.waiting import watch
from orca.execution.concurrency import Decision, Queue, Turn, Turns, decide
from orca.testing import pipeline
from orca.testing.running import Orca

Wait = Callable[..., dict[str, Any]]


def is_waiting(execution: dict[str, Any]) -> bool:
    return any(task["status"] == "RUNNING" for each in execution["stages"] for task in each["tasks"])


@contextmanager
def database_of(orca: Orca) -> Iterator[Database]:
    database = Database(orca.settings.database, schema="orca")
    yield database
    database.dispose()


def in_queue(orca: Orca, config_id: str) -> list[str]:
    with database_of(orca) as database, database.begin() as connection:
        return Turns(connection).waiting(config_id)


def queue(running: int = 0, older: int = 0, newer: int = 0, *, superseded: bool = False) -> Queue:
    return Queue(running, [f"o{n}" for n in range(older)], [f"n{n}" for n in range(newer)], superseded)


TURNS: list[tuple[dict[str, Any], Queue, Turn]] = [
    ({"limit_concurrent": True}, queue(), Turn.START),
    ({"limit_concurrent": True}, queue(running=1), Turn.WAIT),
    ({"max_concurrent": 2}, queue(running=1), Turn.START),
    ({"max_concurrent": 2}, queue(running=2), Turn.WAIT),
    ({"limit_concurrent": True}, queue(older=2), Turn.START),
    ({"limit_concurrent": True}, queue(newer=1), Turn.GIVE_UP),
    ({"limit_concurrent": True, "keep_waiting": True}, queue(older=1), Turn.WAIT),
    ({"limit_concurrent": True, "keep_waiting": True}, queue(newer=1), Turn.START),
    ({"limit_concurrent": True}, queue(superseded=True), Turn.GIVE_UP),
    ({"limit_concurrent": True}, queue(running=1, older=3), Turn.GIVE_UP),
]


@pytest.mark.parametrize(("fields", "state", "turn"), TURNS)
def test_whether_an_execution_may_start(fields: dict[str, Any], state: Queue, turn: Turn):
    execution = pipeline(pipeline_config_id="c", **fields)
    decision = decide(execution, state, max_waiting=3)
    assert decision.turn is turn
    assert (decision.reason is not None) == (turn is Turn.GIVE_UP)


def test_the_newest_takes_the_place_of_the_others():
    execution = pipeline(pipeline_config_id="c", limit_concurrent=True)
    assert decide(execution, queue(older=2), 50) == Decision(Turn.START, supersedes=["o0", "o1"])


def test_one_execution_at_a_time_the_newest_next(orca: Orca, wait: Wait):
    limited = {"id": "newest", "limitConcurrent": True}
    first = orca.start(wait("1", seconds=300), **limited)
    orca.wait(first, is_waiting)
    others = [orca.start(wait("1"), **limited) for _ in range(3)]
    watch(lambda: in_queue(orca, "newest"), lambda queued: queued == others)
    for id in others:
        assert orca.execution(id)["status"] == "NOT_STARTED"
    orca.client.put(f"/pipelines/{first}/cancel")
    ended = [orca.wait_end(id) for id in others]
    assert [each["status"] for each in ended] == ["CANCELED", "CANCELED", "SUCCEEDED"]
    assert {each["canceledBy"] for each in ended[:2]} == {"spinnaker"}
    assert "superseded" in ended[0]["cancellationReason"]


def test_executions_that_are_kept_waiting_run_in_their_order(orca: Orca, wait: Wait):
    limited = {"id": "kept", "limitConcurrent": True, "keepWaitingPipelines": True}
    ids = [orca.start(wait("1", seconds=0.05), **limited) for _ in range(4)]
    ended = [orca.wait_end(id) for id in ids]
    assert {each["status"] for each in ended} == {"SUCCEEDED"}
    for before, after in pairwise(ended):
        assert before["endTime"] <= after["startTime"]


def test_so_many_executions_at_a_time(orca: Orca, wait: Wait):
    limited = {"id": "two", "maxConcurrentExecutions": 2, "keepWaitingPipelines": True}
    ids = [orca.start(wait("1", seconds=300), **limited) for _ in range(3)]
    orca.wait(ids[0], is_waiting)
    orca.wait(ids[1], is_waiting)
    assert orca.execution(ids[2])["status"] == "NOT_STARTED"
    orca.client.put(f"/pipelines/{ids[1]}/cancel")
    orca.wait(ids[2], is_waiting)
    for id in ids:
        orca.client.put(f"/pipelines/{id}/cancel")
        orca.wait_end(id)


def test_an_execution_that_waits_its_turn_can_be_cancelled(orca: Orca, wait: Wait):
    limited = {"id": "turn", "limitConcurrent": True}
    first = orca.start(wait("1", seconds=300), **limited)
    orca.wait(first, is_waiting)
    second = orca.start(wait("1"), **limited)
    orca.client.put(f"/pipelines/{second}/cancel")
    assert orca.wait_end(second)["status"] == "CANCELED"
    assert orca.execution(first)["status"] == "RUNNING"
    orca.client.put(f"/pipelines/{first}/cancel")
    orca.wait_end(first)


def test_a_big_execution_runs_and_shows_all_of_its_stages(orca: Orca, wait: Wait):
    stages = [wait("0"), *(wait(str(n), after=["0"]) for n in range(1, 400))]
    stages.append(wait("end", after=[str(n) for n in range(1, 400)]))
    ended = orca.wait_end(orca.start(*stages), timeout=60)
    assert {each["status"] for each in ended["stages"]} == {"SUCCEEDED"}
    assert len(ended["stages"]) == 401
