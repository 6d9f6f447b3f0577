"""java.time: LocalDate, LocalDateTime, Instant, ChronoUnit, DayOfWeek, TemporalAdjusters.

Years from 1 to 9999, time to the microsecond.
"""

import calendar
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar

from spel.errors import Thrown
from spel.numbers import Long, quotient
from spel.objects import JavaEnum, JavaObject, Method
from spel.texts import need_whole

FAULT = "java.time.DateTimeException"
_UNSUPPORTED = "java.time.temporal.UnsupportedTemporalTypeException"
EPOCH = date(1970, 1, 1)
_MICROS = {
    "NANOS": 0, "MICROS": 1, "MILLIS": 1_000, "SECONDS": 1_000_000, "MINUTES": 60_000_000, "HOURS": 3_600_000_000,
    "HALF_DAYS": 43_200_000_000, "DAYS": 86_400_000_000, "WEEKS": 604_800_000_000,
}  # fmt: skip
_MONTHS = {"MONTHS": 1, "YEARS": 12, "DECADES": 120, "CENTURIES": 1200, "MILLENNIA": 12000}
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_TEXTS = {
    "MILLENNIA": "Millennia", "HALF_DAYS": "HalfDays", "ERAS": "Eras", "FOREVER": "Forever",
}  # fmt: skip

A = TypeVar("A", bound=date)


def now() -> datetime:
    """Say the time, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


class _Temporal(JavaObject, Generic[A]):
    """A date, or a date with a time."""

    def __init__(self, at: A) -> None:
        self.at: A = at

    def key(self) -> Any:
        return self.at


class Instant(_Temporal[datetime]):
    """`java.time.Instant`"""

    java_name = "java.time.Instant"

    def text(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{_fraction(self.at.microsecond)}Z"

    def json(self) -> int:
        return millis_of(self.at)


class LocalDate(_Temporal[date]):
    """`java.time.LocalDate`"""

    java_name = "java.time.LocalDate"

    def text(self) -> str:
        return self.at.isoformat()


class LocalDateTime(_Temporal[datetime]):
    """`java.time.LocalDateTime`"""

    java_name = "java.time.LocalDateTime"

    def text(self) -> str:
        seconds = f":{self.at.second:02d}" if self.at.second or self.at.microsecond else ""
        return f"{self.at.date().isoformat()}T{self.at:%H:%M}{seconds}{_fraction(self.at.microsecond)}"


class ChronoUnit(JavaEnum):
    """`java.time.temporal.ChronoUnit`"""

    java_name = "java.time.temporal.ChronoUnit"

    def text(self) -> str:
        return _TEXTS.get(self.name, self.name.capitalize())


class DayOfWeek(JavaEnum):
    """`java.time.DayOfWeek`"""

    java_name = "java.time.DayOfWeek"


class Adjuster(JavaObject):
    """What `TemporalAdjusters` makes: from one date to another."""

    java_name = "java.time.temporal.TemporalAdjuster"

    def __init__(self, adjust: Callable[[date], date]) -> None:
        self.adjust = adjust

    def text(self) -> str:
        return self.java_name


def _fraction(micros: int) -> str:
    if not micros:
        return ""
    return f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"


def millis_of(at: datetime) -> Long:
    """Give the epoch milliseconds."""
    return Long((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def moment_of(millis: int) -> datetime:
    """Give the time at epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)


def _unit(unit: Any) -> str:
    if not isinstance(unit, ChronoUnit):
        raise TypeError("a ChronoUnit is needed here")
    return unit.name


def plus(at: A, amount: Any, unit: str) -> A:
    """Add an amount of a ChronoUnit, named `unit`."""
    count = need_whole(amount)
    if unit in _MONTHS:
        return plus_months(at, count * _MONTHS[unit])
    if unit not in _MICROS or (not isinstance(at, datetime) and unit not in ("DAYS", "WEEKS")):
        raise Thrown(_UNSUPPORTED, f"Unsupported unit: {unit.capitalize()}")
    micros = count // 1000 if unit == "NANOS" else count * _MICROS[unit]
    try:
        return at + timedelta(microseconds=micros)
    except OverflowError as error:
        raise Thrown(FAULT, f"{at} plus {count} {unit} is beyond the years 1 to 9999") from error


def plus_months(at: A, months: int) -> A:
    """Add months; a day that the month doesn't have becomes its last."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise Thrown(FAULT, f"{at} plus {months} months is beyond the years 1 to 9999")
    return at.replace(year, month + 1, min(at.day, calendar.monthrange(year, month + 1)[1]))


def _between(unit: str, a: date, b: date) -> Long:
    if unit in _MONTHS:
        months = (b.year - a.year) * 12 + b.month - a.month
        rest_a, rest_b = a.replace(2000, 1), b.replace(2000, 1)
        if months > 0 and rest_b < rest_a:
            months -= 1
        elif months < 0 and rest_b > rest_a:
            months += 1
        return Long(quotient(months, _MONTHS[unit]))
    if unit not in _MICROS:
        raise Thrown(_UNSUPPORTED, f"Unsupported unit: {unit.capitalize()}")
    if not isinstance(a, datetime) and unit not in ("DAYS", "WEEKS"):
        raise Thrown(_UNSUPPORTED, f"Unsupported unit: {unit.capitalize()}")
    micros = (b - a) // timedelta(microseconds=1)
    return Long(micros * 1000 if unit == "NANOS" else quotient(micros, _MICROS[unit]))


def between(unit: ChronoUnit, a: Any, b: Any) -> Long:
    """Count whole units from `a` to `b`, as `ChronoUnit.between` does."""
    if not isinstance(a, _Temporal) or not isinstance(b, _Temporal):
        raise TypeError("two dates are needed here")
    first: Any = a.at  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    second: Any = b.at  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(a, LocalDate) and isinstance(b, LocalDateTime):
        second = second.date()
    elif type(a) is not type(b):  # pyright: ignore[reportUnknownArgumentType]
        raise Thrown(FAULT, f"Unable to obtain {a.java_name.rsplit('.', 1)[-1]} from {b.java_name}")
    return _between(unit.name, first, second)


def _truncated(at: datetime, unit: Any) -> datetime:
    name = _unit(unit)
    if name in _MONTHS or name not in _MICROS or name == "WEEKS":
        raise Thrown(_UNSUPPORTED, "Unit is too large to be used for truncation")
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    size = max(1, _MICROS[name])
    micros = (at - midnight) // timedelta(microseconds=1)
    return midnight + timedelta(microseconds=micros // size * size)


def _replaced(at: A, **fields: Any) -> A:
    values = {name: need_whole(value) for name, value in fields.items()}
    if "year" in values or "month" in values:
        year, month = values.get("year", at.year), values.get("month", at.month)
        if 1 <= year <= 9999 and 1 <= month <= 12:
            values["day"] = min(at.day, calendar.monthrange(year, month)[1])
    try:
        return at.replace(**values)
    except (ValueError, OverflowError) as error:
        raise Thrown(FAULT, f"Invalid date: {error}") from error


def with_day_of_year(at: A, day: Any) -> A:
    """Give the day of the same year of that number, from 1."""
    number = need_whole(day)
    if not 1 <= number <= (366 if calendar.isleap(at.year) else 365):
        raise Thrown(FAULT, f"Invalid value for DayOfYear: {number}")
    return at.replace(month=1, day=1) + timedelta(days=number - 1)


def _adjusted(at: A, adjuster: Any) -> A:
    if not isinstance(adjuster, Adjuster):
        raise TypeError("an adjuster is needed here, as TemporalAdjusters makes them")
    day = adjuster.adjust(date(at.year, at.month, at.day))
    return at.replace(day.year, day.month, day.day)


def _same(kind: type[_Temporal[A]], change: Callable[..., A]) -> Method:
    """Make a method that gives another date of the same kind."""
    return lambda d, *arguments: kind(change(d.at, *arguments))


def _arithmetic(kind: type[_Temporal[A]], units: str) -> dict[str, Method]:
    methods: dict[str, Method] = {
        "plus": _same(kind, lambda at, n, unit: plus(at, n, _unit(unit))),
        "minus": _same(kind, lambda at, n, unit: plus(at, -need_whole(n), _unit(unit))),
    }
    for name in units.split():
        unit = name.upper()
        methods[f"plus{name}"] = _same(kind, lambda at, n, unit=unit: plus(at, n, unit))
        methods[f"minus{name}"] = _same(kind, lambda at, n, unit=unit: plus(at, -need_whole(n), unit))
    return methods


def _comparing(kind: type[_Temporal[A]]) -> dict[str, Method]:
    def order(d: _Temporal[A], other: Any) -> int:
        if not isinstance(other, kind):
            raise TypeError("another date of the same type is needed here")
        return (d.at > other.at) - (d.at < other.at)

    return {
        "compareTo": order,
        "equals": lambda d, o: isinstance(o, kind) and d.at == o.at,
        "hashCode": lambda d: hash(d.at) % 2**31,
        "isAfter": lambda d, o: order(d, o) > 0,
        "isBefore": lambda d, o: order(d, o) < 0,
        "isEqual": lambda d, o: order(d, o) == 0,
        "toString": lambda d: d.text(),
        "until": lambda d, o, unit: between(unit, d, o),
    }


def _reading(kind: type[_Temporal[A]]) -> dict[str, Method]:
    return {
        "getDayOfMonth": lambda d: d.at.day,
        "getDayOfWeek": lambda d: DAYS[d.at.weekday()],
        "getDayOfYear": lambda d: d.at.timetuple().tm_yday,
        "getMonthValue": lambda d: d.at.month,
        "getYear": lambda d: d.at.year,
        "with": _same(kind, _adjusted),
        "withDayOfMonth": _same(kind, lambda at, n: _replaced(at, day=n)),
        "withDayOfYear": _same(kind, with_day_of_year),
        "withMonth": _same(kind, lambda at, n: _replaced(at, month=n)),
        "withYear": _same(kind, lambda at, n: _replaced(at, year=n)),
    }


def _at_time(d: LocalDate, hour: Any, minute: Any, second: Any = 0) -> LocalDateTime:
    return LocalDateTime(made(datetime, d.at.year, d.at.month, d.at.day, hour, minute, second))


def made(kind: Callable[..., A], *parts: Any) -> A:
    """Make a date of its parts; raise `Thrown` (DateTimeException)."""
    try:
        return kind(*map(need_whole, parts))
    except (ValueError, OverflowError) as error:
        raise Thrown(FAULT, f"Invalid date: {error}") from error


LocalDate.METHODS = {
    **_arithmetic(LocalDate, "Days Weeks Months Years"),
    **_comparing(LocalDate),
    **_reading(LocalDate),
    "atStartOfDay": lambda d: LocalDateTime(datetime(d.at.year, d.at.month, d.at.day)),
    "atTime": _at_time,
    "isLeapYear": lambda d: calendar.isleap(d.at.year),
    "lengthOfMonth": lambda d: calendar.monthrange(d.at.year, d.at.month)[1],
    "lengthOfYear": lambda d: 366 if calendar.isleap(d.at.year) else 365,
    "toEpochDay": lambda d: Long((d.at - EPOCH).days),
}
LocalDateTime.METHODS = {
    **_arithmetic(LocalDateTime, "Nanos Seconds Minutes Hours Days Weeks Months Years"),
    **_comparing(LocalDateTime),
    **_reading(LocalDateTime),
    "getHour": lambda d: d.at.hour,
    "getMinute": lambda d: d.at.minute,
    "getNano": lambda d: d.at.microsecond * 1000,
    "getSecond": lambda d: d.at.second,
    "toLocalDate": lambda d: LocalDate(d.at.date()),
    "truncatedTo": _same(LocalDateTime, _truncated),
    "withHour": _same(LocalDateTime, lambda at, n: _replaced(at, hour=n)),
    "withMinute": _same(LocalDateTime, lambda at, n: _replaced(at, minute=n)),
    "withNano": _same(LocalDateTime, lambda at, n: _replaced(at, microsecond=need_whole(n) // 1000)),
    "withSecond": _same(LocalDateTime, lambda at, n: _replaced(at, second=n)),
}
Instant.METHODS = {
    **_arithmetic(Instant, "Nanos Millis Seconds"),
    **_comparing(Instant),
    "getEpochSecond": lambda i: Long(millis_of(i.at) // 1000),
    "getNano": lambda i: i.at.microsecond * 1000,
    "toEpochMilli": lambda i: millis_of(i.at),
    "truncatedTo": _same(Instant, _truncated),
}
_ENUM: dict[str, Method] = {
    "compareTo": lambda e, o: e.ordinal - o.ordinal,
    "equals": lambda e, o: e is o,
    "hashCode": lambda e: e.ordinal,
    "name": lambda e: e.name,
    "ordinal": lambda e: e.ordinal,
    "toString": lambda e: e.text(),
}
JavaEnum.METHODS = _ENUM
ChronoUnit.METHODS = {
    **_ENUM,
    "between": between,
    "isDateBased": lambda u: u.name in _MONTHS or u.name in ("DAYS", "WEEKS", "ERAS"),
    "isTimeBased": lambda u: u.name in _MICROS and u.name not in ("DAYS", "WEEKS"),
}
DayOfWeek.METHODS = {
    **_ENUM,
    "getValue": lambda d: d.ordinal + 1,
    "minus": lambda d, n: DAYS[(d.ordinal - need_whole(n)) % 7],
    "plus": lambda d, n: DAYS[(d.ordinal + need_whole(n)) % 7],
}
DAYS = [DayOfWeek(name, ordinal) for ordinal, name in enumerate(_DAYS)]
UNITS = [ChronoUnit(name, ordinal) for ordinal, name in enumerate([*_MICROS, *_MONTHS, "ERAS", "FOREVER"])]
