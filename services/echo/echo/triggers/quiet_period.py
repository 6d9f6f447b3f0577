"""The quiet period: a time in which some triggers start nothing. Pure."""

from datetime import UTC, datetime

from kork.clock import EpochMillis
from kork.documents import Document

from echo.settings import QuietPeriodSettings


def _ms(moment: datetime | None) -> EpochMillis:
    if moment is None:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def describe(settings: QuietPeriodSettings, now: EpochMillis) -> Document:
    """Give the period as Echo answers it: `startTime` and `endTime` in ms, `enabled`, `inQuietPeriod`."""
    start, end = _ms(settings.start_iso), _ms(settings.end_iso)
    enabled = settings.enabled and start > 0 and end > 0
    return {"startTime": start, "endTime": end, "enabled": enabled, "inQuietPeriod": enabled and start <= now <= end}


def is_suppressed(pipeline: Document, trigger: Document, settings: QuietPeriodSettings, now: EpochMillis) -> bool:
    """Say whether a trigger starts nothing now: the period is on, lists its type, and the pipeline respects it."""
    return (
        describe(settings, now)["inQuietPeriod"]
        and pipeline.get("respectQuietPeriod") is True
        and trigger.get("type") in settings.suppressed_trigger_types
    )
