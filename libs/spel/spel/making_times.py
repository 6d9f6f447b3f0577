"""The static methods of java.time: how dates are made and read, days and units found, dates adjusted."""

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any

from spel.errors import Thrown
from spel.objects import Method
from spel.texts import need_text, need_whole
from spel.times import (
    DAYS,
    EPOCH,
    FAULT,
    UNITS,
    A,
    Adjuster,
    ChronoUnit,
    DayOfWeek,
    Instant,
    LocalDate,
    LocalDateTime,
    made,
    moment_of,
    now,
    plus,
    plus_months,
    with_day_of_year,
)


def _parsed(kind: type[A], text: Any, example: str) -> A:
    written = need_text(text)
    try:
        if len(written) < 10 or written[4] != "-" or (kind is datetime and len(written) < 16):
            raise ValueError(written)
        return kind.fromisoformat(written)
    except ValueError as error:
        raise Thrown(
            "java.time.format.DateTimeParseException",
            f"Text '{written[:100]}' could not be parsed at index 0 (it is written as {example})",
        ) from error


def _instant(text: Any) -> Instant:
    at = _parsed(datetime, text, "2026-01-31T12:00:00Z")
    if at.tzinfo is None:
        raise Thrown("java.time.format.DateTimeParseException", f"Text '{text}' has no zone (a Z at its end)")
    return Instant(at.astimezone(UTC))


def _local(text: Any) -> LocalDateTime:
    at = _parsed(datetime, text, "2026-01-31T12:00")
    if at.tzinfo is not None:
        raise Thrown("java.time.format.DateTimeParseException", f"Text '{text}' has a zone, a LocalDateTime has none")
    return LocalDateTime(at)


def _moment(millis: int) -> Instant:
    try:
        return Instant(moment_of(millis))
    except OverflowError as error:
        raise Thrown(FAULT, "Instant exceeds minimum or maximum instant") from error


LOCAL_DATE: dict[str, Method] = {
    "now": lambda: LocalDate(now().date()),
    "of": lambda y, m, d: LocalDate(made(date, y, m, d)),
    "ofEpochDay": lambda n: LocalDate(plus(EPOCH, n, "DAYS")),
    "ofYearDay": lambda y, n: LocalDate(with_day_of_year(made(date, y, 1, 1), n)),
    "parse": lambda text: LocalDate(_parsed(date, text, "2026-01-31")),
}
LOCAL_DATE_TIME: dict[str, Method] = {
    "now": lambda: LocalDateTime(now().replace(tzinfo=None)),
    "of": lambda y, mo, d, h, mi, s=0, n=0: LocalDateTime(made(datetime, y, mo, d, h, mi, s, need_whole(n) // 1000)),
    "parse": _local,
}
INSTANT: dict[str, Method] = {
    "now": lambda: Instant(now()),
    "ofEpochMilli": lambda ms: _moment(need_whole(ms)),
    "ofEpochSecond": lambda s, n=0: _moment(need_whole(s) * 1000 + need_whole(n) // 1_000_000),
    "parse": _instant,
}


def enum_named(constants: list[Any], java_name: str) -> Method:
    """Make the `valueOf` of an enum."""

    def find(name: Any) -> Any:
        for constant in constants:
            if constant.name == name:
                return constant
        raise Thrown("java.lang.IllegalArgumentException", f"No enum constant {java_name}.{need_text(name)[:100]}")

    return find


def day_numbered(number: Any) -> DayOfWeek:
    """Give the day of the week of a number from 1 (Monday)."""
    value = need_whole(number)
    if not 1 <= value <= 7:
        raise Thrown(FAULT, f"Invalid value for DayOfWeek: {value}")
    return DAYS[value - 1]


def _day_of(other: Any) -> DayOfWeek:
    if not isinstance(other, LocalDate | LocalDateTime):
        raise TypeError("a date is needed here")
    return DAYS[other.at.weekday()]


DAY_OF_WEEK: dict[str, Method] = {
    "from": _day_of,
    "of": day_numbered,
    "valueOf": enum_named(DAYS, DayOfWeek.java_name),
    "values": lambda: list(DAYS),
}
CHRONO_UNIT: dict[str, Method] = {
    "valueOf": enum_named(UNITS, ChronoUnit.java_name),
    "values": lambda: list(UNITS),
}


def _weekday(day: Any) -> int:
    if not isinstance(day, DayOfWeek):
        raise TypeError("a DayOfWeek is needed here")
    return day.ordinal


def _to_weekday(day: Any, direction: int, same: bool) -> Adjuster:
    wanted = _weekday(day)

    def adjust(at: date) -> date:
        days = (wanted - at.weekday()) * direction % 7
        return at + timedelta(days=direction * (days if days or same else 7))

    return Adjuster(adjust)


def _in_month(ordinal: Any, day: Any) -> Adjuster:
    number, wanted = need_whole(ordinal), _weekday(day)

    def adjust(at: date) -> date:
        if number < 0:
            last = at.replace(day=calendar.monthrange(at.year, at.month)[1])
            return last - timedelta(days=(last.weekday() - wanted) % 7) + timedelta(weeks=number + 1)
        first = at.replace(day=1)
        return first + timedelta(days=(wanted - first.weekday()) % 7) + timedelta(weeks=number - 1)

    return Adjuster(adjust)


ADJUSTERS: dict[str, Method] = {
    "dayOfWeekInMonth": _in_month,
    "firstDayOfMonth": lambda: Adjuster(lambda at: at.replace(day=1)),
    "firstDayOfNextMonth": lambda: Adjuster(lambda at: plus_months(at.replace(day=1), 1)),
    "firstDayOfNextYear": lambda: Adjuster(lambda at: plus_months(at.replace(month=1, day=1), 12)),
    "firstDayOfYear": lambda: Adjuster(lambda at: at.replace(month=1, day=1)),
    "firstInMonth": lambda day: _in_month(1, day),
    "lastDayOfMonth": lambda: Adjuster(lambda at: at.replace(day=calendar.monthrange(at.year, at.month)[1])),
    "lastDayOfYear": lambda: Adjuster(lambda at: at.replace(month=12, day=31)),
    "lastInMonth": lambda day: _in_month(-1, day),
    "next": lambda day: _to_weekday(day, 1, False),
    "nextOrSame": lambda day: _to_weekday(day, 1, True),
    "previous": lambda day: _to_weekday(day, -1, False),
    "previousOrSame": lambda day: _to_weekday(day, -1, True),
}
