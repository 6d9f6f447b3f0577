"""Quartz cron expressions, and when they fire next. Pure.

Source: Quartz' CronExpression, as Spinnaker's cron triggers use it: seconds, minutes, hours, day of month,
month, day of week (Sunday is 1) and an optional year; `? * , - / L W #`. Spinnaker's own `H` in the first
three fields stands for a number that belongs to the trigger.
"""

import calendar
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_MONTHS = {
    name: n
    for n, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_DAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_LAST_YEAR = 2199
_ITEM = re.compile(r"(?P<from>\*|\w+)?(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?", re.ASCII)


class InvalidCron(ValueError):
    """The expression is not one of Quartz'; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]
    wraps: bool = True


_SECONDS = _Field("seconds", 0, 59, {})
_MINUTES = _Field("minutes", 0, 59, {})
_HOURS = _Field("hours", 0, 23, {})
_DAY_OF_MONTH = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 1, 7, _DAYS)
_YEAR = _Field("year", 1970, _LAST_YEAR, {}, wraps=False)


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    """`numbers`, or the last day minus `before_last`, or the weekday (Mon-Fri) `nearest` to a day, or the last one."""

    numbers: frozenset[int] = frozenset()
    before_last: int | None = None
    nearest: int | None = None
    last_weekday: bool = False

    def of(self, year: int, month: int) -> set[int]:
        """Give the days of a month."""
        length = calendar.monthrange(year, month)[1]
        if self.nearest is not None:
            return {_nearest_weekday(year, month, min(self.nearest, length), length)}
        if self.before_last is None:
            return {day for day in self.numbers if day <= length}
        day = length - self.before_last
        if day < 1:
            return set()
        return {_nearest_weekday(year, month, day, length)} if self.last_weekday else {day}


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """`numbers` (Sunday is 1); `last` of the month or its `nth` when set, which go with one number only."""

    numbers: frozenset[int]
    last: bool = False
    nth: int | None = None

    def of(self, year: int, month: int) -> set[int]:
        """Give the days of a month."""
        first, length = calendar.monthrange(year, month)
        days = {day for day in range(1, length + 1) if (first + day) % 7 + 1 in self.numbers}
        if self.last:
            return {max(days)}
        if self.nth is not None:
            ordered = sorted(days)
            return set(ordered[self.nth - 1 : self.nth])
        return days


@dataclass(frozen=True, slots=True)
class CronExpression:
    """A parsed expression. The tuples are sorted; one of the two kinds of days decides, the other is `?`."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    days: DaysOfMonth | DaysOfWeek

    def next_after(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Give the first fire time after `moment` (aware), in UTC, or None when there is none.

        A local time that the clock skips fires as much later as the clock jumps; one that the clock shows twice
        fires the first time. An expression that fires in every hour just goes on: it neither skips nor repeats.
        """
        start = moment.astimezone(zone).date() - timedelta(days=1)
        for day in self._days_from(start):
            fires = [fire for hour in self.hours if (fire := self._first_in(day, hour, zone, moment)) is not None]
            if fires:
                return min(fires)
        return None

    def _days_from(self, start: date) -> Iterator[date]:
        for year in self.years[bisect_left(self.years, start.year) :]:
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in sorted(self.days.of(year, month)):
                    if date(year, month, day) >= start:
                        yield date(year, month, day)

    def _first_in(self, day: date, hour: int, zone: tzinfo, after: datetime) -> datetime | None:
        """Give the first fire time after `after` within one local hour."""
        begin = datetime.combine(day, time(hour), zone)
        end = datetime.combine(day, time(hour, 59, 59), zone)
        offsets = {moment.replace(fold=fold).utcoffset() for moment in (begin, end) for fold in (0, 1)}
        if len(offsets) > 1:
            moments = (m for local in self._times(begin) for m in self._instants(local, zone))
            return min((m for m in moments if m > after), default=None)
        first = begin.astimezone(UTC)
        if first + timedelta(hours=1) <= after:
            return None
        passed = (after - first) // timedelta(seconds=1) + 1 if after >= first else 0
        minute, second = divmod(passed, 60)
        at = bisect_left(self.minutes, minute)
        if at < len(self.minutes) and self.minutes[at] == minute:
            seconds = self.seconds[bisect_left(self.seconds, second) :]
            if seconds:
                return first + timedelta(minutes=minute, seconds=seconds[0])
            at += 1
        if at == len(self.minutes):
            return None
        return first + timedelta(minutes=self.minutes[at], seconds=self.seconds[0])

    def _times(self, begin: datetime) -> Iterator[datetime]:
        for minute in self.minutes:
            for second in self.seconds:
                yield begin.replace(minute=minute, second=second)

    def _instants(self, local: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Give the instants at which a local time near a change of the clock fires."""
        every_hour = len(self.hours) == 24
        first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        exists = first.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
        if exists:
            yield first
            if every_hour and second != first:
                yield second
        elif not every_hour:
            yield first


def parse(text: str, trigger_id: str = "") -> CronExpression:
    """Parse an expression; raise `InvalidCron`. `trigger_id` decides what `H` stands for."""
    fields = text.split()
    if len(fields) not in (6, 7):
        raise InvalidCron(
            f"'{text}' has {len(fields)} fields; a cron expression has 6 or 7: seconds, minutes, hours, "
            "day of month, month, day of week and, if wanted, the year."
        )
    for n, size in enumerate((60, 60, 24)):
        if fields[n] == "H":
            fields[n] = str(abs(_java_hash(trigger_id)) % size)
    return CronExpression(
        text=text,
        seconds=_numbers(fields[0], _SECONDS),
        minutes=_numbers(fields[1], _MINUTES),
        hours=_numbers(fields[2], _HOURS),
        months=_numbers(fields[4], _MONTH),
        years=_numbers(fields[6] if len(fields) == 7 else "*", _YEAR),
        days=_days(fields[3], fields[5]),
    )


def _days(of_month: str, of_week: str) -> DaysOfMonth | DaysOfWeek:
    if of_month == "?" and of_week == "?":
        raise InvalidCron("'?' can stand for the day of month or for the day of week, not for both.")
    if of_month != "?" and of_week != "?":
        raise InvalidCron("A day of month and a day of week can't both be given: write '?' for one of them.")
    return _days_of_month(of_month.upper()) if of_week == "?" else _days_of_week(of_week.upper())


def _days_of_month(text: str) -> DaysOfMonth:
    if match := re.fullmatch(r"L(?:-(\d{1,2}))?(W)?", text):
        before = int(match[1] or 0)
        if before > 30:
            raise _wrong(_DAY_OF_MONTH, text, "the offset from the last day can't be over 30")
        return DaysOfMonth(before_last=before, last_weekday=bool(match[2]))
    if text == "LW":
        return DaysOfMonth(before_last=0, last_weekday=True)
    if match := re.fullmatch(r"(\d{1,2})W", text):
        return DaysOfMonth(nearest=_value(match[1], _DAY_OF_MONTH, text))
    if "L" in text or "W" in text:
        raise _wrong(_DAY_OF_MONTH, text, "'L' and 'W' go with a single day, not with a list or a range")
    return DaysOfMonth(frozenset(_numbers(text, _DAY_OF_MONTH)))


def _days_of_week(text: str) -> DaysOfWeek:
    if text == "L":
        return DaysOfWeek(frozenset({7}))
    if match := re.fullmatch(r"(\w+)#(\d)", text, re.ASCII):
        nth = int(match[2])
        if not 1 <= nth <= 5:
            raise _wrong(_DAY_OF_WEEK, text, "the number after '#' must be from 1 to 5")
        return DaysOfWeek(frozenset({_value(match[1], _DAY_OF_WEEK, text)}), nth=nth)
    if match := re.fullmatch(r"([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)L", text):
        return DaysOfWeek(frozenset({_value(match[1], _DAY_OF_WEEK, text)}), last=True)
    if "#" in text:
        raise _wrong(_DAY_OF_WEEK, text, "'#' goes with a single day, not with a list or a range")
    return DaysOfWeek(frozenset(_numbers(text, _DAY_OF_WEEK)))


def _numbers(text: str, field: _Field) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.upper().split(","):
        found |= set(_item(item, text, field))
    return tuple(sorted(found))


def _item(item: str, text: str, field: _Field) -> Iterator[int]:
    match = _ITEM.fullmatch(item)
    if not item or match is None or (match["to"] and match["from"] in (None, "*")):
        raise _wrong(field, text, f"'{item}' is neither a number, a name, a range nor a step")
    step = int(match["step"]) if match["step"] else 1
    size = field.high - field.low + 1
    if step < 1 or step > size:
        raise _wrong(field, text, f"the step must be from 1 to {size}")
    if match["from"] in (None, "*"):
        low, high = field.low, field.high
    else:
        low = _value(match["from"], field, text)
        high = field.high if match["step"] else low
        if match["to"]:
            high = _value(match["to"], field, text)
    if high < low:
        if not field.wraps:
            raise _wrong(field, text, f"the range '{item}' runs backwards")
        high += size
    return ((n - field.low) % size + field.low for n in range(low, high + 1, step))


def _value(word: str, field: _Field, text: str) -> int:
    value = field.names.get(word)
    if value is None:
        if not word.isdigit() or len(word) > 4:
            raise _wrong(field, text, f"'{word}' is neither a number nor a name that is known here")
        value = int(word)
    if not field.low <= value <= field.high:
        raise _wrong(field, text, f"{word} is not from {field.low} to {field.high}")
    return value


def _wrong(field: _Field, text: str, why: str) -> InvalidCron:
    return InvalidCron(f"The {field.name} '{text}' can't be used: {why}.")


def _nearest_weekday(year: int, month: int, day: int, length: int) -> int:
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else 3
    if weekday == calendar.SUNDAY:
        return day + 1 if day < length else day - 2
    return day


def _java_hash(text: str) -> int:
    value = 0
    for unit in memoryview(text.encode("utf-16-le")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
