"""What Prometheus is told of the engine."""

from collections.abc import Callable
from typing import Any

from orca.testing.running import Orca
from prometheus_client.parser import text_string_to_metric_families


def gauges(orca: Orca) -> dict[str, float]:
    """Read the gauges of orca's tables: `name` or `name/label's value`."""
    answer = orca.client.get("/metrics")
    assert answer.status_code == 200
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        if family.type == "gauge"
        for sample in family.samples
    }


def test_active_executions_are_counted_by_status_until_they_end(orca: Orca, wait: Callable[..., dict[str, Any]]):
    before = gauges(orca)
    running = orca.start(wait("1", seconds=3600))
    orca.wait(running, lambda seen: seen["stages"][0]["status"] == "RUNNING")
    during = gauges(orca)
    assert during["orca_executions_active/RUNNING"] == before["orca_executions_active/RUNNING"] + 1
    assert during["orca_executions_due"] == 0
    assert during["orca_oldest_due_seconds"] == 0
    orca.client.put(f"/pipelines/{running}/cancel").raise_for_status()
    orca.wait_end(running)
    assert gauges(orca)["orca_executions_active/RUNNING"] == before["orca_executions_active/RUNNING"]


def test_executions_that_wait_their_turn_are_counted(orca: Orca, wait: Callable[..., dict[str, Any]]):
    first = orca.start(wait("1", seconds=3600), id="turns", limitConcurrent=True, keepWaitingPipelines=True)
    orca.wait(first, lambda seen: seen["status"] == "RUNNING")
    second = orca.start(wait("1"), id="turns", limitConcurrent=True, keepWaitingPipelines=True)
    seen = gauges(orca)
    assert seen["orca_executions_active/NOT_STARTED"] == 1
    assert seen["orca_executions_waiting_turn"] == 1
    orca.client.put(f"/pipelines/{first}/cancel").raise_for_status()
    orca.wait_end(second)
    assert gauges(orca)["orca_executions_waiting_turn"] == 0
