"""The Java types that `T(…)` and `new` may name, as Python equivalents.

Source of the list: Spinnaker's allow-list for expressions. Everything else is refused by name.
"""

import math
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote_plus

from spel.methods import Method
from spel.objects import JavaObject, to_text


class _Instant(JavaObject):
    java_name = "java.time.Instant"

    def __init__(self, at: datetime) -> None:
        self.at = at

    def text(self) -> str:
        return self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")

    METHODS: ClassVar[Mapping[str, Method]] = {
        "toEpochMilli": lambda i: int(i.at.timestamp() * 1000),
        "getEpochSecond": lambda i: int(i.at.timestamp()),
        "plusSeconds": lambda i, n: _Instant(i.at + timedelta(seconds=n)),
        "minusSeconds": lambda i, n: _Instant(i.at - timedelta(seconds=n)),
        "plusMillis": lambda i, n: _Instant(i.at + timedelta(milliseconds=n)),
        "toString": to_text,
    }


class _LocalDate(JavaObject):
    java_name = "java.time.LocalDate"

    def __init__(self, day: date) -> None:
        self.at = day

    def text(self) -> str:
        return self.at.isoformat()

    METHODS: ClassVar[Mapping[str, Method]] = {
        "plusDays": lambda d, n: _LocalDate(d.at + timedelta(days=n)),
        "minusDays": lambda d, n: _LocalDate(d.at - timedelta(days=n)),
        "plusWeeks": lambda d, n: _LocalDate(d.at + timedelta(weeks=n)),
        "minusWeeks": lambda d, n: _LocalDate(d.at - timedelta(weeks=n)),
        "plusMonths": lambda d, n: _LocalDate(_add_months(d.at, n)),
        "minusMonths": lambda d, n: _LocalDate(_add_months(d.at, -n)),
        "plusYears": lambda d, n: _LocalDate(_add_months(d.at, 12 * n)),
        "getYear": lambda d: d.at.year,
        "getMonthValue": lambda d: d.at.month,
        "getDayOfMonth": lambda d: d.at.day,
        "getDayOfYear": lambda d: d.at.timetuple().tm_yday,
        "isBefore": lambda d, o: d.at < o.at,
        "isAfter": lambda d, o: d.at > o.at,
        "toEpochDay": lambda d: (d.at - date(1970, 1, 1)).days,
        "toString": to_text,
    }


class _LocalDateTime(JavaObject):
    java_name = "java.time.LocalDateTime"

    def __init__(self, at: datetime) -> None:
        self.at = at

    def text(self) -> str:
        return self.at.isoformat()

    METHODS: ClassVar[Mapping[str, Method]] = {
        "plusDays": lambda d, n: _LocalDateTime(d.at + timedelta(days=n)),
        "minusDays": lambda d, n: _LocalDateTime(d.at - timedelta(days=n)),
        "plusHours": lambda d, n: _LocalDateTime(d.at + timedelta(hours=n)),
        "minusHours": lambda d, n: _LocalDateTime(d.at - timedelta(hours=n)),
        "plusMinutes": lambda d, n: _LocalDateTime(d.at + timedelta(minutes=n)),
        "minusMinutes": lambda d, n: _LocalDateTime(d.at - timedelta(minutes=n)),
        "getHour": lambda d: d.at.hour,
        "getMinute": lambda d: d.at.minute,
        "toLocalDate": lambda d: _LocalDate(d.at.date()),
        "toString": to_text,
    }


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise ValueError(f"{day} plus {months} months is no date")


class _Date(JavaObject):
    java_name = "java.util.Date"

    def __init__(self, at: datetime) -> None:
        self.at = at

    def text(self) -> str:
        return f"{self.at.astimezone(UTC):%a %b %d %H:%M:%S UTC %Y}"

    METHODS: ClassVar[Mapping[str, Method]] = {
        "getTime": lambda d: int(d.at.timestamp() * 1000),
        "toString": to_text,
    }


_LETTERS: dict[str, Callable[[datetime, int], str]] = {
    "y": lambda d, n: f"{d.year % 100:02d}" if n == 2 else f"{d.year:04d}",
    "M": lambda d, n: f"{d:%B}" if n > 3 else f"{d:%b}" if n == 3 else f"{d.month:0{n}d}",
    "d": lambda d, n: f"{d.day:0{n}d}",
    "H": lambda d, n: f"{d.hour:0{n}d}",
    "h": lambda d, n: f"{(d.hour + 11) % 12 + 1:0{n}d}",
    "m": lambda d, n: f"{d.minute:0{n}d}",
    "s": lambda d, n: f"{d.second:0{n}d}",
    "S": lambda d, n: f"{d.microsecond // 1000:0{n}d}",
    "E": lambda d, n: f"{d:%A}" if n > 3 else f"{d:%a}",
    "a": lambda d, _: f"{d:%p}",
    "D": lambda d, n: f"{d.timetuple().tm_yday:0{n}d}",
    "Z": lambda _, __: "+0000",
    "z": lambda _, __: "UTC",
}
_PATTERN_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")


class _SimpleDateFormat(JavaObject):
    java_name = "java.text.SimpleDateFormat"

    def __init__(self, layout: str) -> None:
        self.layout = layout

    def text(self) -> str:
        return self.layout

    def format(self, when: Any) -> str:
        """Write a date in UTC."""
        at = when.at if isinstance(when, _Date) else datetime.fromtimestamp(float(when) / 1000, UTC)
        at = at.astimezone(UTC)
        out: list[str] = []
        for piece in _PATTERN_PIECE.finditer(self.layout):
            letter = piece.group(2)
            if letter is not None:
                if letter not in _LETTERS:
                    raise ValueError(f"the date pattern '{self.layout}' has an unknown letter '{letter}'")
                out.append(_LETTERS[letter](at, len(piece.group())))
            elif piece.group(1) is not None:
                out.append(piece.group(1).replace("''", "'") or "'")
            else:
                out.append(piece.group())
        return "".join(out)

    METHODS: ClassVar[Mapping[str, Method]] = {
        "format": lambda f, when: f.format(when),
        "parse": lambda f, text: _Date(_parse_date(f.layout, text)),
    }


def _parse_date(layout: str, text: str) -> datetime:
    directives = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    python = re.sub(r"[A-Za-z]+", lambda m: directives.get(m.group(), m.group()), layout.replace("'", ""))
    return datetime.strptime(text, python).replace(tzinfo=UTC)


class _Random(JavaObject):
    java_name = "java.util.Random"

    def text(self) -> str:
        return self.java_name

    METHODS: ClassVar[Mapping[str, Method]] = {
        "nextInt": lambda _, bound=2**31: random.randrange(int(bound)),
        "nextDouble": lambda _: random.random(),
        "nextBoolean": lambda _: random.random() < 0.5,
    }


class _Uuid(JavaObject):
    java_name = "java.util.UUID"

    def __init__(self, value: uuid.UUID) -> None:
        self.value = value

    def text(self) -> str:
        return str(self.value)

    METHODS: ClassVar[Mapping[str, Method]] = {"toString": to_text}


class _Unit(JavaObject):
    java_name = "java.time.temporal.ChronoUnit"

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds

    def text(self) -> str:
        return self.name

    METHODS: ClassVar[Mapping[str, Method]] = {
        "between": lambda u, a, b: int((b.at - a.at).total_seconds() / u.seconds),
        "toString": to_text,
    }


class _DayOfWeek(JavaObject):
    java_name = "java.time.DayOfWeek"

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number

    def text(self) -> str:
        return self.name

    METHODS: ClassVar[Mapping[str, Method]] = {"getValue": lambda d: d.number, "toString": to_text}


@dataclass(frozen=True)
class JavaType:
    """A type that may be named: its static methods, constants and constructor."""

    name: str
    statics: Mapping[str, Callable[..., Any]]
    constants: Mapping[str, Any]
    construct: Callable[..., Any] | None = None


def _parse_int(text: Any, radix: int = 10) -> int:
    return int(to_text(text), radix)


def _java_round(value: float) -> int:
    return math.floor(value + 0.5)


def _format(layout: str, *values: Any) -> str:
    arguments = list(values[0]) if len(values) == 1 and isinstance(values[0], list | tuple) else list(values)
    python = re.sub(r"%(\d+\$)?([-0,+ ]*\d*(?:\.\d+)?)([sdfxX%n])", r"%\2\3", layout).replace("%n", "\n")
    if any(int(width) > 10_000 for width in re.findall(r"\d+", python)):
        raise ValueError("a width above 10000 is not allowed")
    return python % tuple(to_text(v) if isinstance(v, bool) else v for v in arguments)


_MATH: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": lambda x: float(math.ceil(x)),
    "floor": lambda x: float(math.floor(x)),
    "max": max,
    "min": min,
    "pow": lambda a, b: float(a) ** float(b),
    "random": random.random,
    "round": _java_round,
    "sqrt": lambda x: math.sqrt(x),
}
_UNITS = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86400, "WEEKS": 604800, "MILLIS": 0.001}
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _whole(name: str, bits: int) -> JavaType:
    statics = {"parseInt": _parse_int, "parseLong": _parse_int, "valueOf": _parse_int, "toString": to_text}
    limits = {"MAX_VALUE": 2 ** (bits - 1) - 1, "MIN_VALUE": -(2 ** (bits - 1))}
    return JavaType(name, statics | {"max": max, "min": min}, limits, _parse_int)


TYPES: dict[str, JavaType] = {
    type.name: type
    for type in (
        JavaType(
            "java.lang.String",
            {
                "valueOf": to_text,
                "join": lambda sep, *xs: sep.join(
                    to_text(x) for x in (xs[0] if len(xs) == 1 and isinstance(xs[0], list) else xs)
                ),
                "format": _format,
            },
            {},
            lambda text="": to_text(text),
        ),
        _whole("java.lang.Integer", 32),
        _whole("java.lang.Long", 64),
        _whole("java.lang.Byte", 8),
        JavaType("java.lang.Double", {"parseDouble": float, "valueOf": float, "toString": to_text}, {}, float),
        JavaType(
            "java.lang.Boolean",
            {"parseBoolean": lambda t: str(t).lower() == "true", "valueOf": lambda t: to_text(t).lower() == "true"},
            {"TRUE": True, "FALSE": False},
        ),
        JavaType("java.lang.Math", _MATH, {"PI": math.pi, "E": math.e}),
        JavaType(
            "java.util.Date",
            {},
            {},
            lambda ms=None: _Date(_now() if ms is None else datetime.fromtimestamp(ms / 1000, UTC)),
        ),
        JavaType("java.util.Random", {}, {}, lambda *_: _Random()),
        JavaType(
            "java.util.UUID",
            {"randomUUID": lambda: _Uuid(uuid.uuid4()), "fromString": lambda t: _Uuid(uuid.UUID(t))},
            {},
        ),
        JavaType("java.text.SimpleDateFormat", {}, {}, lambda layout: _SimpleDateFormat(to_text(layout))),
        JavaType(
            "java.time.LocalDate",
            {
                "now": lambda *_: _LocalDate(_now().date()),
                "of": lambda y, m, d: _LocalDate(date(y, m, d)),
                "parse": lambda t: _LocalDate(date.fromisoformat(t)),
            },
            {},
        ),
        JavaType(
            "java.time.LocalDateTime",
            {
                "now": lambda *_: _LocalDateTime(_now().replace(tzinfo=None)),
                "parse": lambda t: _LocalDateTime(datetime.fromisoformat(t)),
            },
            {},
        ),
        JavaType(
            "java.time.Instant",
            {
                "now": lambda: _Instant(_now()),
                "parse": lambda t: _Instant(datetime.fromisoformat(t)),
                "ofEpochMilli": lambda ms: _Instant(datetime.fromtimestamp(ms / 1000, UTC)),
                "ofEpochSecond": lambda s: _Instant(datetime.fromtimestamp(s, UTC)),
            },
            {},
        ),
        JavaType("java.time.temporal.ChronoUnit", {}, {n: _Unit(n, s) for n, s in _UNITS.items()}),
        JavaType("java.time.DayOfWeek", {}, {n: _DayOfWeek(n, i + 1) for i, n in enumerate(_DAYS)}),
        JavaType("java.net.URLEncoder", {"encode": lambda t, _="UTF-8": quote_plus(to_text(t), safe="*-._")}, {}),
    )
}


def find_type(name: str) -> JavaType | None:
    """Find an allow-listed type; those of `java.lang` also by their short name."""
    return TYPES.get(name) or TYPES.get(f"java.lang.{name}")
