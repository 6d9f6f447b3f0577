"""Restricted execution windows: the hours and days in which a stage may run (spec 1.12). Pure.

Source of the rules: Spinnaker's Orca, `RestrictExecutionDuringTimeWindow`, `TimeWindowCalculator`. There a
stage asks again every 30 s, so that it starts at the first minute that is inside a window; that minute is
computed here. A window that ends before it begins goes over midnight; each half counts for its own day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from orca.execution.model import EpochMillis, JsonMap

_LAST = time(23, 59)
_DAYS_AHEAD = 8


class WrongWindow(ValueError):
    """A window that can't be understood, or that never opens; the message names the field."""


@dataclass(frozen=True, slots=True, order=True)
class TimeWindow:
    """From `start` to the end of the minute `end`, within a day."""

    start: time
    end: time

    def holds(self, at: time) -> bool:
        """Say whether the minute of `at` is inside."""
        return self.start <= at.replace(second=0, microsecond=0, fold=0) <= self.end


@dataclass(frozen=True, slots=True)
class ExecutionWindow:
    """When a stage may run: `windows` of each of the `days` (1 = Sunday … 7 = Saturday; none means all)."""

    windows: tuple[TimeWindow, ...]
    days: frozenset[int]

    def allows(self, day: date) -> bool:
        """Say whether a day is one of those."""
        return not self.days or day.isoweekday() % 7 + 1 in self.days


def read_window(document: Any) -> ExecutionWindow:
    """Read `restrictedExecutionWindow`; raises `WrongWindow`."""
    if not isinstance(document, dict):
        raise WrongWindow(f"restrictedExecutionWindow must be an object, not {document!r:.100}")
    given = cast(JsonMap, document)
    days = frozenset(_number(day, f"days[{n}]", 1, 7) for n, day in enumerate(_listed(given.get("days"), "days")))
    windows: list[TimeWindow] = []
    for n, each in enumerate(_listed(given.get("whitelist"), "whitelist")):
        windows += _halves(each, f"whitelist[{n}]")
    if not windows and not days:
        raise WrongWindow("Couldn't calculate a suitable time: restrictedExecutionWindow names no hours and no days")
    return ExecutionWindow(tuple(sorted(windows)) or (TimeWindow(time(0, 0), _LAST),), days)


def next_time_inside(window: ExecutionWindow, now: EpochMillis, zone: ZoneInfo) -> EpochMillis:
    """Give the first moment, from `now` on, that is inside a window (epoch ms); `now` itself when it is."""
    at = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone)
    if _is_inside(window, at):
        return now
    starts = (
        start
        for ahead in range(_DAYS_AHEAD)
        if window.allows(day := at.date() + timedelta(days=ahead))
        for start in _starts(window, day, zone)
        if start > at.astimezone(UTC) and _is_inside(window, start.astimezone(zone))
    )
    first = min(starts, default=None)
    if first is None:
        raise WrongWindow("Couldn't calculate a suitable time within given time windows")
    return round(first.timestamp() * 1000)


def _is_inside(window: ExecutionWindow, at: datetime) -> bool:
    return window.allows(at.date()) and any(each.holds(at.time()) for each in window.windows)


def _starts(window: ExecutionWindow, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Give the beginnings of a day's windows; an hour that the clock repeats begins twice."""
    for each in window.windows:
        for fold in (0, 1):
            yield datetime.combine(day, each.start.replace(fold=fold), zone).astimezone(UTC)


def _halves(document: Any, where: str) -> list[TimeWindow]:
    if not isinstance(document, dict):
        raise WrongWindow(f"{where} must be an object, not {document!r:.100}")
    given = cast(JsonMap, document)
    start, end = (
        time(
            _number(given.get(f"{edge}Hour", 0), f"{where}.{edge}Hour", 0, 23),
            _number(given.get(f"{edge}Min", 0), f"{where}.{edge}Min", 0, 59),
        )
        for edge in ("start", "end")
    )
    return [TimeWindow(start, end)] if start <= end else [TimeWindow(start, _LAST), TimeWindow(time(0, 0), end)]


def _listed(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongWindow(f"{where} must be an array, not {value!r:.100}")
    return cast(list[Any], value)


def _number(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, str) and value.strip().isdigit() and len(value) < 5:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise WrongWindow(f"{where} must be a number from {low} to {high}, not {value!r:.100}")
    return value


@dataclass(frozen=True, slots=True)
class Jitter:
    """A random wait after the window has opened, in seconds."""

    least: int
    most: int

    def seconds(self, seed: str) -> int:
        """Give the wait for a stage: the same one each time that it is asked for."""
        from random import Random

        return Random(seed).randint(self.least, self.most)


def read_jitter(document: Any, trigger_type: str) -> Jitter | None:
    """Read `restrictedExecutionWindow.jitter`; `None` when it is off or can't be understood, as in Orca."""
    given: Any = cast(JsonMap, document).get("jitter") if isinstance(document, dict) else None
    if not isinstance(given, dict):
        return None
    jitter = cast(JsonMap, given)
    if jitter.get("enabled") is not True or (jitter.get("skipManual") is True and trigger_type == "manual"):
        return None
    try:
        least = _number(jitter.get("minDelay") or 0, "minDelay", 0, 86_400_000)
        most = _number(jitter.get("maxDelay") or 0, "maxDelay", 0, 86_400_000)
    except WrongWindow:
        return None
    return Jitter(least, most) if 0 < most >= least else None
