"""`java.lang.Math`. Where a function has no value, it is NaN; a result is as wide as the widest argument."""

import math
import random
from collections.abc import Callable
from typing import Any

from spel.errors import Thrown
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
    power,
    to_float,
    to_int_of,
    wrapped_int,
    wrapped_long,
)
from spel.objects import Method, to_text
from spel.texts import need_whole


def number_of(value: Any) -> Number:
    """Give the number that an argument is; a text is read."""
    if isinstance(value, str):
        return parse_real(value)
    if not is_number(value):
        raise TypeError(f"a number is needed here, not {to_text(value)[:100]}")
    return value


def double_of(value: Any) -> float:
    """Give the double that an argument is."""
    return as_double(number_of(value))


def _on_doubles(function: Callable[..., float]) -> Method:
    """Make a function of doubles; where it has no value, it is NaN, and beyond the range infinity."""

    def call(*values: Any) -> float:
        try:
            return float(function(*map(double_of, values)))
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return call


def _log(function: Callable[[float], float]) -> Method:
    return _on_doubles(lambda x: -math.inf if x == 0 else function(x))


def _pair(a: Any, b: Any, choose: Callable[[Number, Number], Number]) -> Number:
    """Choose one of two numbers; it is as wide as the wider of them."""
    first, second = number_of(a), number_of(b)
    if isinstance(first, float) or isinstance(second, float):
        if first != first or second != second:
            return math.nan
        chosen = as_double(choose(first, second))
        both = all(isinstance(each, Float) or is_int(each) for each in (first, second))
        return to_float(chosen) if both else chosen
    chosen = choose(first, second)
    return chosen if is_int(first) and is_int(second) else Long(chosen)


def _round(value: Any) -> Number:
    number = number_of(value)
    if isinstance(number, int):
        return number
    if isinstance(number, Float):
        return to_int_of(math.floor(number + 0.5) if math.isfinite(number) else number, INT_MIN, INT_MAX)
    return Long(to_int_of(math.floor(number + 0.5) if math.isfinite(number) else number, LONG_MIN, LONG_MAX))


def _abs(value: Any) -> Number:
    number = number_of(value)
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


MATH: dict[str, Method] = {
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
