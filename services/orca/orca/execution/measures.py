"""What executions, stages and tasks took, and how they ended, for Prometheus."""

from collections.abc import Collection, Iterable

from kork.clock import EpochMillis
from kork.telemetry import counter
from prometheus_client import Histogram

from orca.execution.changes import Event
from orca.execution.model import Execution, StageExecution

_LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOOK = (0.05, 0.25, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600, 86400)
_CALLS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STAGE_ENDS = frozenset({"orca:stage:complete", "orca:stage:failed", "orca:stage:skipped"})
_PROVIDERS = frozenset({"kubernetes", "aws", "gce", "ecs", "azure", "cloudfoundry", "cloudrun", "docker"})

_started = counter("orca_executions_started_total", "Executions that began to run", "type", "application")
_lag = Histogram(
    "orca_queue_message_lag_seconds", "From the request for an execution to its first advance", buckets=_LAGS
)
_stages = Histogram("orca_stage_duration_seconds", "Stages that ended", ("type", "status", "provider"), buckets=_TOOK)
_executions = Histogram("orca_execution_duration_seconds", "Executions that ended", ("type", "status"), buckets=_TOOK)
_tasks = Histogram("orca_task_duration_seconds", "Tasks that ended", ("task", "status"), buckets=_TOOK)
_calls = Histogram("orca_io_task_seconds", "Runs of I/O tasks", ("task", "result"), buckets=_CALLS)
given_up = counter("orca_executions_given_up_total", "Executions that the engine could not advance and ended")
failed_advances = counter("orca_advances_failed_total", "Advances and I/O tasks that ended by an error of the engine")


def measure(execution: Execution, events: Iterable[Event], types: Collection[str]) -> None:
    """Note what an advance has begun and ended. A stage type that isn't among `types` counts as "unknown"."""
    for event in events:
        if event.type in _STAGE_ENDS:
            stage = execution.stage_by_id(event.payload["stageId"])
            if stage is not None:
                _measure_stage(stage, stage.type if stage.type in types else "unknown")
        elif event.type in ("orca:pipeline:starting", "orca:orchestration:starting"):
            _measure_start(execution)
        elif event.type in ("orca:pipeline:complete", "orca:pipeline:failed") or (
            event.type in ("orca:orchestration:complete", "orca:orchestration:failed")
        ):
            labels = _executions.labels(execution.type, execution.status.value)
            _observe(labels, execution.start_time, execution.end_time)


def measure_call(task: str, result: str, seconds: float) -> None:
    """Note a run of an I/O task."""
    _calls.labels(task, result).observe(seconds)


def _measure_start(execution: Execution) -> None:
    _started.labels(execution.type, execution.application).inc()
    waits_its_turn = execution.limit_concurrent or execution.max_concurrent > 0
    if not waits_its_turn:
        _observe(_lag, execution.build_time, execution.start_time)


def _measure_stage(stage: StageExecution, type: str) -> None:
    given = stage.context.get("cloudProvider")
    provider = given if isinstance(given, str) and given in _PROVIDERS else "none"
    _observe(_stages.labels(type, stage.status.value, provider), stage.start_time or stage.end_time, stage.end_time)
    for task in stage.tasks:
        name = task.implementing_class.rsplit(".", 1)[-1]
        _observe(_tasks.labels(name, task.status.value), task.start_time, task.end_time)


def _observe(histogram: Histogram, since: EpochMillis | None, until: EpochMillis | None) -> None:
    if since is not None and until is not None:
        histogram.observe(max(0, until - since) / 1000)
