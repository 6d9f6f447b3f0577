"""Which executions may go. Pure; the store says the same in SQL.

Source of the rules: Spinnaker's Orca, `OldPipelineCleanupPollingNotificationAgent` and
`TopApplicationExecutionCleanupPollingNotificationAgent`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kork.clock import EpochMillis

from orca.execution.model import ExecutionType
from orca.execution.status import Status
from orca.retention.settings import OldPipelineCleanup, TopApplicationExecutionCleanup

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Past:
    """An execution as far as its removal depends on it; times in epoch ms."""

    id: str
    status: Status
    build_time: EpochMillis
    end_time: EpochMillis | None = None
    restored_at: EpochMillis | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Executions that are counted together: those of a pipeline, or the orchestrations of an application."""

    kind: ExecutionType
    application: str
    pipeline_config_id: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """What stays of a group: the `keep` newest ended ones, those built since `before` (if set), and those that were
    restored since `restored_before`."""

    keep: int
    before: EpochMillis | None
    restored_before: EpochMillis


def removable(executions: Iterable[Past], limit: Limit, needed: Collection[str]) -> list[Past]:
    """Choose, of one group, what may go, the oldest first. What has not ended stays, and so does what an
    open execution needs."""
    ended = sorted(
        (each for each in executions if each.status.is_complete),
        key=lambda each: (each.build_time, each.id),
        reverse=True,
    )
    return [
        each
        for each in reversed(ended[limit.keep :])
        if (limit.before is None or each.build_time < limit.before)
        and (each.restored_at is None or each.restored_at < limit.restored_before)
        and each.id not in needed
    ]


def pipeline_limit(settings: OldPipelineCleanup, application: str, now: EpochMillis) -> Limit:
    """Say what stays of each pipeline of an application. Days are whole ones, so that a pipeline's executions of a
    day go together, once a day."""
    before = _days_ago(settings, application, now)
    return Limit(settings.minimum_pipeline_executions, before, before)


def orchestration_limit(
    settings: TopApplicationExecutionCleanup, pipelines: OldPipelineCleanup, application: str, now: EpochMillis
) -> Limit:
    """Say what stays of an application's orchestrations; what was restored stays as long as a pipeline's would."""
    keep = settings.exception_application_thresholds.get(application, settings.threshold)
    return Limit(keep, None, _days_ago(pipelines, application, now))


def _days_ago(settings: OldPipelineCleanup, application: str, now: EpochMillis) -> EpochMillis:
    exceptional = application in settings.exceptional_applications
    days = settings.exceptional_applications_threshold_days if exceptional else settings.threshold_days
    return (now // DAY_MS - days) * DAY_MS
