"""The Java types that `T(…)` and `new` may name, as Python equivalents.

Source of the list: Spinnaker's allow-list for expressions. Everything else is refused by name.
"""

import math
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote_plus

from spel import calendars, times
from spel.errors import Thrown
from spel.formatting import formatted
from spel.limits import check_length
from spel.numbers import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    Float,
    Long,
    Number,
    as_double,
    is_int,
    is_number,
    parse_real,
    parse_whole,
    power,
    to_float,
    to_int_of,
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


def _number(value: Any) -> Number:
    if isinstance(value, str):
        return parse_real(value)
    if not is_number(value):
        raise TypeError(f"a number is needed here, not {to_text(value)[:100]}")
    return value


def _double(value: Any) -> float:
    return as_double(_number(value))


def _on_doubles(function: Callable[..., float]) -> Method:
    """Make a function of doubles; where it has no value, it is NaN, and beyond the range infinity."""

    def call(*values: Any) -> float:
        try:
            return float(function(*map(_double, values)))
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return call


def _log(function: Callable[[float], float]) -> Method:
    return _on_doubles(lambda x: -math.inf if x == 0 else function(x))


def _pair(a: Any, b: Any, choose: Callable[[Number, Number], Number]) -> Number:
    """Choose one of two numbers; it is as wide as the wider of them."""
    first, second = _number(a), _number(b)
    if isinstance(first, float) or isinstance(second, float):
        if first != first or second != second:
            return math.nan
        chosen = as_double(choose(first, second))
        both = all(isinstance(each, Float) or is_int(each) for each in (first, second))
        return to_float(chosen) if both else chosen
    chosen = choose(first, second)
    return chosen if is_int(first) and is_int(second) else Long(chosen)


def _round(value: Any) -> Number:
    number = _number(value)
    if isinstance(number, int):
        return number
    if isinstance(number, Float):
        return to_int_of(math.floor(number + 0.5) if math.isfinite(number) else number, INT_MIN, INT_MAX)
    return Long(to_int_of(math.floor(number + 0.5) if math.isfinite(number) else number, LONG_MIN, LONG_MAX))


def _abs(value: Any) -> Number:
    number = _number(value)
    if isinstance(number, float):
        return to_float(abs(number)) if isinstance(number, Float) else abs(number)
    return wrapped_int(abs(number)) if is_int(number) else wrapped_long(abs(number))


def _whole_part(function: Callable[[float], int]) -> Method:
    return _on_doubles(lambda x: x if not math.isfinite(x) else math.copysign(float(function(x)), x))


def _exact(function: Callable[..., int]) -> Method:
    """Make a function of whole numbers that complains about an overflow."""

    def call(*values: Any) -> int:
        numbers = [need_whole(value) for value in values]
        wide = any(not is_int(value) for value in values)
        result = function(*numbers)
        low, high = (LONG_MIN, LONG_MAX) if wide else (INT_MIN, INT_MAX)
        if not low <= result <= high:
            raise Thrown("java.lang.ArithmeticException", f"{'long' if wide else 'integer'} overflow")
        return Long(result) if wide else result

    return call


def _nonzero(value: int) -> int:
    if value == 0:
        raise Thrown("java.lang.ArithmeticException", "/ by zero")
    return value


def _to_int_exact(value: Any) -> int:
    number = need_whole(value)
    if not INT_MIN <= number <= INT_MAX:
        raise Thrown("java.lang.ArithmeticException", "integer overflow")
    return int(number)


_MATH: dict[str, Method] = {
    "abs": _abs,
    "acos": _on_doubles(math.acos),
    "addExact": _exact(lambda a, b: a + b),
    "asin": _on_doubles(math.asin),
    "atan": _on_doubles(math.atan),
    "atan2": _on_doubles(math.atan2),
    "cbrt": _on_doubles(lambda x: math.copysign(abs(x) ** (1 / 3), x) if round(abs(x) ** (1 / 3)) ** 3 != abs(x)
                        else math.copysign(round(abs(x) ** (1 / 3)), x)),
    "ceil": _whole_part(math.ceil),
    "cos": _on_doubles(math.cos),
    "exp": _on_doubles(math.exp),
    "floor": _whole_part(math.floor),
    "floorDiv": _exact(lambda a, b: a // _nonzero(b)),
    "floorMod": _exact(lambda a, b: a % _nonzero(b)),
    "hypot": _on_doubles(math.hypot),
    "log": _log(math.log),
    "log10": _log(math.log10),
    "max": lambda a, b: _pair(a, b, max),
    "min": lambda a, b: _pair(a, b, min),
    "multiplyExact": _exact(lambda a, b: a * b),
    "negateExact": _exact(lambda a: -a),
    "pow": _on_doubles(power),
    "random": random.random,
    "rint": _on_doubles(lambda x: float(round(x))),
    "round": _round,
    "signum": _on_doubles(lambda x: math.copysign(1.0, x) if x else x),
    "sin": _on_doubles(math.sin),
    "sqrt": _on_doubles(math.sqrt),
    "subtractExact": _exact(lambda a, b: a - b),
    "tan": _on_doubles(math.tan),
    "toDegrees": _on_doubles(math.degrees),
    "toIntExact": _to_int_exact,
    "toRadians": _on_doubles(math.radians),
}  # fmt: skip


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
    return parse_real(value) if isinstance(value, str | None) else _double(value)


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
                "compare": lambda a, b: (_double(a) > _double(b)) - (_double(a) < _double(b)),
                "isFinite": lambda a: math.isfinite(_double(a)),
                "isInfinite": lambda a: math.isinf(_double(a)),
                "isNaN": lambda a: math.isnan(_double(a)),
                "max": lambda a, b: max(_double(a), _double(b)),
                "min": lambda a, b: min(_double(a), _double(b)),
                "parseDouble": _to_double,
                "sum": lambda a, b: _double(a) + _double(b),
                "toString": lambda a: to_text(_double(a)),
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
        JavaType("java.lang.Math", _MATH, {"PI": math.pi, "E": math.e}),
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
        JavaType("java.time.LocalDate", times.LOCAL_DATE, {"EPOCH": times.LocalDate(times.EPOCH)}),
        JavaType("java.time.LocalDateTime", times.LOCAL_DATE_TIME),
        JavaType("java.time.Instant", times.INSTANT, {"EPOCH": times.Instant(times.moment_of(0))}),
        JavaType("java.time.temporal.ChronoUnit", times.CHRONO_UNIT, {unit.name: unit for unit in times.UNITS}),
        JavaType("java.time.temporal.TemporalAdjusters", times.ADJUSTERS),
        JavaType("java.time.DayOfWeek", times.DAY_OF_WEEK, {day.name: day for day in times.DAYS}),
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
    "double": _double,
    "float": lambda item: to_float(_double(item)),
    "int": lambda item: wrapped_int(need_whole(item)),
    "java.lang.Double": _double,
    "java.lang.Integer": lambda item: wrapped_int(need_whole(item)),
    "java.lang.Long": lambda item: wrapped_long(need_whole(item)),
    "java.lang.String": lambda item: None if item is None else to_text(item),
    "long": lambda item: wrapped_long(need_whole(item)),
    "short": lambda item: wrapped_int(need_whole(item)),
}
