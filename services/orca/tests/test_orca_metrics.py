"""What Prometheus is told of the engine."""

from collections.abc import Callable
from typing import Any

from kork.database import Database
from kork.testing.waiting import watch
from orca.execution.backlog import Backlog
from orca.settings import OrcaSettings
from orca.testing.running import Orca
from prometheus_client.parser import text_string_to_metric_families

Seen = dict[str, float]


def samples(orca: Orca) -> Seen:
    """Read the metrics: `name` or `name/label's value/…`, in the order of the labels' names."""
    answer = orca.client.get("/metrics")
    assert answer.status_code == 200
    return {
        "/".join([sample.name, *(sample.labels[name] for name in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def wait_for(orca: Orca, condition: Callable[[Seen], object]) -> Seen:
    """Wait until the metrics are as wanted; gauges of tables are some seconds old."""
    return watch(lambda: samples(orca), condition, 60)


def test_active_executions_are_counted_by_status_until_they_end(orca: Orca, wait: Callable[..., dict[str, Any]]):
    running = orca.start(wait("1", seconds=3600))
    orca.wait(running, lambda seen: seen["stages"][0]["status"] == "RUNNING")
    during = wait_for(orca, lambda seen: seen["orca_executions_active/RUNNING/PIPELINE"] == 1)
    assert during["orca_executions_due"] == 0
    assert during["orca_oldest_due_seconds"] == 0
    assert during["orca_queue_depth"] >= 1
    assert during["orca_executions_active/RUNNING/ORCHESTRATION"] == 0
    orca.client.put(f"/pipelines/{running}/cancel").raise_for_status()
    orca.wait_end(running)
    wait_for(orca, lambda seen: seen["orca_executions_active/RUNNING/PIPELINE"] == 0)


def test_executions_that_wait_their_turn_are_counted(orca: Orca, wait: Callable[..., dict[str, Any]]):
    first = orca.start(wait("1", seconds=3600), id="turns", limitConcurrent=True, keepWaitingPipelines=True)
    orca.wait(first, lambda seen: seen["status"] == "RUNNING")
    second = orca.start(wait("1"), id="turns", limitConcurrent=True, keepWaitingPipelines=True)
    seen = wait_for(orca, lambda seen: seen["orca_executions_waiting_turn"] == 1)
    assert seen["orca_executions_active/NOT_STARTED/PIPELINE"] == 1
    orca.client.put(f"/pipelines/{first}/cancel").raise_for_status()
    orca.wait_end(second)
    wait_for(orca, lambda seen: seen["orca_executions_waiting_turn"] == 0)


def test_what_begins_and_ends_is_counted_and_timed(orca: Orca, wait: Callable[..., dict[str, Any]]):
    before = samples(orca)
    ended = orca.start(
        wait("1"),
        wait("2", after=["1"]),
        {"refId": "3", "type": "no such type", "requisiteStageRefIds": ["2"]},
        application="timed",
    )
    orca.wait_end(ended)

    def more(seen: Seen, name: str) -> float:
        return seen.get(name, 0) - before.get(name, 0)

    seen = wait_for(orca, lambda seen: more(seen, "orca_executions_completed_total/TERMINAL/PIPELINE") == 1)
    assert more(seen, "orca_executions_started_total/timed/PIPELINE") == 1
    assert more(seen, "orca_queue_message_lag_seconds_count") == 1
    assert more(seen, "orca_execution_duration_seconds_count/TERMINAL/PIPELINE") == 1
    assert more(seen, "orca_stage_duration_seconds_count/none/SUCCEEDED/wait") == 2
    assert more(seen, "orca_stage_duration_seconds_count/none/TERMINAL/unknown") == 1
    assert more(seen, "orca_task_duration_seconds_count/SUCCEEDED/WaitTask") == 2
    assert not any("no such type" in name for name in seen)


def test_the_tables_sizes_and_the_oldest_execution_are_told(orca: Orca, wait: Callable[..., dict[str, Any]]):
    ended = orca.execution(orca.wait_end(orca.start(wait("1")))["id"])
    seen = wait_for(orca, lambda seen: "orca_oldest_execution_timestamp_seconds/PIPELINE" in seen)
    assert 0 < seen["orca_oldest_execution_timestamp_seconds/PIPELINE"] <= ended["buildTime"] / 1000
    for table in ("execution", "stage", "outbox"):
        assert seen[f"orca_table_bytes/{table}"] > 0
        assert seen[f"orca_table_rows/{table}"] >= 0


def test_gauges_of_tables_are_counted_once_in_a_while_however_many_ask(orca: Orca):
    database = Database(orca.settings.database, schema="orca")
    try:
        backlog = Backlog(database, fresh_seconds=3600)
        first, second = list(backlog.collect()), list(backlog.collect())
        assert [id(each) for each in first] == [id(each) for each in second]
        assert len(first) > 5
    finally:
        database.dispose()


def test_without_postgres_the_rest_of_the_metrics_is_served(orca: Orca):
    away = OrcaSettings.model_validate({"database": {"url": "postgresql://postgres@127.0.0.1:1/nothing"}})
    database = Database(away.database, schema="orca")
    assert list(Backlog(database).collect()) == []
    database.dispose()
