"""The Java types that `T(…)` and `new` may name, as Python equivalents.

Source of the list: Spinnaker's allow-list for expressions. Everything else is refused by name.
"""

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote_plus

from spel import calendars, making_times, times
from spel.errors import Thrown
from spel.formatting import formatted
from spel.limits import check_length
from spel.mathematics import MATH, double_of
from spel.numbers import (
    Float,
    Long,
    is_number,
    parse_real,
    parse_whole,
    to_float,
    wrapped_int,
    wrapped_long,
)
from spel.objects import JavaArray, JavaObject, Method, to_text
from spel.texts import ByteArray, CharArray, TextArray, charset_of, need_text, need_whole


@dataclass(frozen=True)
class JavaType:
    """A type that may be named: its static methods, constants and constructor."""

    name: str
    statics: Mapping[str, Method] = field(default_factory=dict[str, Method])
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    construct: Callable[..., Any] | None = None


class Uuid(JavaObject):
    """`java.util.UUID`"""

    java_name = "java.util.UUID"

    def __init__(self, value: uuid.UUID) -> None:
        self.value = value

    def text(self) -> str:
        return str(self.value)

    def key(self) -> Any:
        return self.value.int

    METHODS: ClassVar[Mapping[str, Method]] = {
        "compareTo": lambda u, o: (u.value > o.value) - (u.value < o.value),
        "equals": lambda u, o: isinstance(o, Uuid) and u.value == o.value,
        "getLeastSignificantBits": lambda u: wrapped_long(u.value.int),
        "getMostSignificantBits": lambda u: wrapped_long(u.value.int >> 64),
        "toString": lambda u: u.text(),
        "version": lambda u: u.value.version or 0,
    }


def _uuid_of_bytes(items: Any) -> Uuid:
    if not isinstance(items, ByteArray):
        raise TypeError("bytes are needed here, as 'text'.getBytes() gives them")
    import hashlib

    digest = hashlib.md5(bytes(item % 256 for item in items), usedforsecurity=False).digest()
    return Uuid(uuid.UUID(bytes=digest, version=3))


def _uuid_of_text(text: Any) -> Uuid:
    written = need_text(text)
    parts = written.split("-")
    try:
        if len(parts) != 5 or len(written) > 36:
            raise ValueError(written)
        sizes = (8, 4, 4, 4, 12)
        digits = "".join(f"{int(part, 16):0{size}x}"[-size:] for part, size in zip(parts, sizes, strict=True))
        return Uuid(uuid.UUID(digits))
    except ValueError as error:
        raise Thrown("java.lang.IllegalArgumentException", f"Invalid UUID string: {written[:100]}") from error


def _joined(separator: Any, *items: Any) -> str:
    parts: list[Any] = list(items[0]) if len(items) == 1 and isinstance(items[0], list | tuple) else list(items)
    texts = [to_text(part) for part in parts]
    between = need_text(separator)
    check_length(sum(map(len, texts)) + len(between) * max(0, len(texts) - 1))
    return between.join(texts)


def _text_of(value: Any = "") -> str:
    if isinstance(value, CharArray):
        return "".join(value)
    if isinstance(value, ByteArray):
        return bytes(item % 256 for item in value).decode("utf-8", "replace")
    return to_text(value)


def _digits(value: int, radix: int, bits: int | None) -> str:
    number = value % 2**bits if bits else abs(value)
    digits = ""
    while number or not digits:
        number, digit = divmod(number, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"-{digits}" if value < 0 and not bits else digits


def _whole(name: str, short: str, bits: int) -> JavaType:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    made: Callable[[int], int] = Long if bits == 64 else int

    def parse(text: Any, radix: Any = 10) -> int:
        if is_number(text):
            if not isinstance(text, int) or not low <= text <= high:
                raise Thrown("java.lang.NumberFormatException", f'For input string: "{to_text(text)[:100]}"')
            return made(text)
        return made(parse_whole(None if text is None else to_text(text), need_whole(radix), low=low, high=high))

    def written(value: Any, radix: Any = 10) -> str:
        base = need_whole(radix)
        return _digits(need_whole(value), base if 2 <= base <= 36 else 10, None)

    statics: dict[str, Method] = {
        f"parse{short}": parse,
        "bitCount": lambda v: (need_whole(v) % 2**bits).bit_count(),
        "compare": lambda a, b: (need_whole(a) > need_whole(b)) - (need_whole(a) < need_whole(b)),
        "max": lambda a, b: made(max(need_whole(a), need_whole(b))),
        "min": lambda a, b: made(min(need_whole(a), need_whole(b))),
        "signum": lambda v: (need_whole(v) > 0) - (need_whole(v) < 0),
        "sum": lambda a, b: (wrapped_long if bits == 64 else wrapped_int)(need_whole(a) + need_whole(b)),
        "toBinaryString": lambda v: _digits(need_whole(v), 2, bits),
        "toHexString": lambda v: _digits(need_whole(v), 16, bits),
        "toOctalString": lambda v: _digits(need_whole(v), 8, bits),
        "toString": written,
        "valueOf": parse,
    }
    return JavaType(name, statics, {"MAX_VALUE": made(high), "MIN_VALUE": made(low), "SIZE": bits}, parse)


def _to_double(value: Any) -> float:
    return parse_real(value) if isinstance(value, str | None) else double_of(value)


def _to_boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else isinstance(value, str) and value.lower() == "true"


TYPES: dict[str, JavaType] = {
    kind.name: kind
    for kind in (
        JavaType(
            "java.lang.String",
            {
                "copyValueOf": _text_of,
                "format": lambda layout, *values: formatted(need_text(layout), *values),
                "join": _joined,
                "valueOf": _text_of,
            },
            {},
            _text_of,
        ),
        _whole("java.lang.Integer", "Int", 32),
        _whole("java.lang.Long", "Long", 64),
        _whole("java.lang.Byte", "Byte", 8),
        JavaType(
            "java.lang.Double",
            {
                "compare": lambda a, b: (double_of(a) > double_of(b)) - (double_of(a) < double_of(b)),
                "isFinite": lambda a: math.isfinite(double_of(a)),
                "isInfinite": lambda a: math.isinf(double_of(a)),
                "isNaN": lambda a: math.isnan(double_of(a)),
                "max": lambda a, b: max(double_of(a), double_of(b)),
                "min": lambda a, b: min(double_of(a), double_of(b)),
                "parseDouble": _to_double,
                "sum": lambda a, b: double_of(a) + double_of(b),
                "toString": lambda a: to_text(double_of(a)),
                "valueOf": _to_double,
            },
            {
                "MAX_VALUE": 1.7976931348623157e308,
                "MIN_VALUE": 5e-324,
                "NaN": math.nan,
                "NEGATIVE_INFINITY": -math.inf,
                "POSITIVE_INFINITY": math.inf,
            },
            _to_double,
        ),
        JavaType(
            "java.lang.Boolean",
            {
                "compare": lambda a, b: int(_to_boolean(a)) - int(_to_boolean(b)),
                "logicalAnd": lambda a, b: _to_boolean(a) and _to_boolean(b),
                "logicalOr": lambda a, b: _to_boolean(a) or _to_boolean(b),
                "logicalXor": lambda a, b: _to_boolean(a) != _to_boolean(b),
                "parseBoolean": _to_boolean,
                "toString": lambda a: to_text(_to_boolean(a)),
                "valueOf": _to_boolean,
            },
            {"TRUE": True, "FALSE": False},
            _to_boolean,
        ),
        JavaType("java.lang.Math", MATH, {"PI": math.pi, "E": math.e}),
        JavaType("java.util.Date", {}, {}, calendars.make_date),
        JavaType("java.util.Random", {}, {}, calendars.Random),
        JavaType(
            "java.util.UUID",
            {
                "fromString": _uuid_of_text,
                "nameUUIDFromBytes": _uuid_of_bytes,
                "randomUUID": lambda: Uuid(uuid.uuid4()),
            },
        ),
        JavaType("java.text.SimpleDateFormat", {}, {}, calendars.SimpleDateFormat),
        JavaType("java.time.LocalDate", making_times.LOCAL_DATE, {"EPOCH": times.LocalDate(times.EPOCH)}),
        JavaType("java.time.LocalDateTime", making_times.LOCAL_DATE_TIME),
        JavaType("java.time.Instant", making_times.INSTANT, {"EPOCH": times.Instant(times.moment_of(0))}),
        JavaType("java.time.temporal.ChronoUnit", making_times.CHRONO_UNIT, {unit.name: unit for unit in times.UNITS}),
        JavaType("java.time.temporal.TemporalAdjusters", making_times.ADJUSTERS),
        JavaType("java.time.DayOfWeek", making_times.DAY_OF_WEEK, {day.name: day for day in times.DAYS}),
        JavaType(
            "java.net.URLEncoder",
            {"encode": lambda text, charset="UTF-8": _url_encoded(need_text(text), charset)},
        ),
    )
}
PRIMITIVES: dict[str, Any] = {
    "boolean": False, "byte": 0, "short": 0, "int": 0, "long": Long(0), "float": Float(0), "double": 0.0, "char": "\0",
}  # fmt: skip


def _url_encoded(text: str, charset: Any) -> str:
    return quote_plus(text.encode(charset_of(charset), "replace"), safe="*-._").replace("~", "%7E")


def find_type(name: str) -> JavaType | None:
    """Find an allow-listed type; those of `java.lang` also by their short name."""
    return TYPES.get(name) or TYPES.get(f"java.lang.{name}")


def new_array(name: str, items: list[Any]) -> JavaArray:
    """Make an array of a type that may be named, its elements converted. Raises `LookupError` for another type."""
    if name not in PRIMITIVES:
        found = find_type(name)
        if found is None:
            raise LookupError(name)
        name = found.name
    array = {"byte": ByteArray, "char": CharArray, "java.lang.String": TextArray}.get(name, JavaArray)()
    convert = _CONVERTED.get(name, lambda item: item)
    array.extend(convert(item) for item in items)
    return array


_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "boolean": _to_boolean,
    "byte": lambda item: wrapped_int(need_whole(item)),
    "char": lambda item: need_text(item)[:1],
    "double": double_of,
    "float": lambda item: to_float(double_of(item)),
    "int": lambda item: wrapped_int(need_whole(item)),
    "java.lang.Double": double_of,
    "java.lang.Integer": lambda item: wrapped_int(need_whole(item)),
    "java.lang.Long": lambda item: wrapped_long(need_whole(item)),
    "java.lang.String": lambda item: None if item is None else to_text(item),
    "long": lambda item: wrapped_long(need_whole(item)),
    "short": lambda item: wrapped_int(need_whole(item)),
}
