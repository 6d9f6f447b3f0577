"""Java's numbers: whole ones that wrap, divisions that truncate, results as wide as their widest operand.

Python's `int` stands for Integer, and for Long or BigInteger where it doesn't fit; `Long` is a small number that is
a Long all the same. Python's `float` stands for Double; `Float` is a Float, held as the double that reads like it.

Source of the rules: Spring's operators for expressions (`OpPlus`, `OpDivide`, `OperatorPower` …).
"""

import math
import re
import struct
from typing import Any

from spel.errors import Thrown
from spel.limits import NUMBER_BITS

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)[fFdD]?)", re.ASCII)


class Long(int):
    """A whole number of 64 bits."""

    __slots__ = ()


class Float(float):
    """A number of 32 bits with a point."""

    __slots__ = ()


Number = int | float


def is_number(value: Any) -> bool:
    """Say whether a value is a number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_int(value: Any) -> bool:
    """Say whether a value is an Integer."""
    return isinstance(value, int) and not isinstance(value, bool | Long) and INT_MIN <= value <= INT_MAX


def is_long(value: Any) -> bool:
    """Say whether a value is a Long."""
    return isinstance(value, Long) or (isinstance(value, int) and not INT_MIN <= value <= INT_MAX and fits_long(value))


def fits_long(value: int) -> bool:
    """Say whether a whole number has at most 64 bits."""
    return LONG_MIN <= value <= LONG_MAX


def wrapped_int(value: int) -> int:
    """Give the lowest 32 bits, as Java does on overflow."""
    return (value + 2**31) % 2**32 - 2**31


def wrapped_long(value: int) -> Long:
    """Give the lowest 64 bits, as Java does on overflow."""
    return Long((value + 2**63) % 2**64 - 2**63)


def to_float(value: float) -> Float:
    """Round to 32 bits; the result reads as Java would write it."""
    if math.isnan(value) or math.isinf(value):
        return Float(value)
    try:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return Float(math.copysign(math.inf, value))
    for digits in range(6, 10):
        shortest = float(f"{rounded:.{digits}g}")
        if struct.unpack("f", struct.pack("f", min(max(shortest, -3.4028234e38), 3.4028234e38)))[0] == rounded:
            return Float(shortest)
    return Float(rounded)


def to_int_of(value: float, low: int, high: int) -> int:
    """Cast a double to a whole number: towards zero, held within the range, NaN to 0."""
    if math.isnan(value):
        return 0
    return max(low, min(high, int(value))) if not math.isinf(value) else (high if value > 0 else low)


def as_double(value: Number) -> float:
    """Give a number as a double; beyond its range, infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def calculate(operator: str, a: Number, b: Number) -> Number:
    """Apply `+ - * / % ^` to two numbers. Raises `Thrown` for a division of whole numbers by zero."""
    if operator == "^":
        return _power(a, b)
    if not isinstance(a, int) or not isinstance(b, int):
        double = _real(operator, as_double(a), as_double(b))
        single = all(isinstance(each, Float | int) for each in (a, b))
        return to_float(double) if single else double
    whole = _whole(operator, int(a), int(b))
    if not fits_long(a) or not fits_long(b):
        if whole.bit_length() > NUMBER_BITS:
            raise Thrown("java.lang.ArithmeticException", "BigInteger would overflow supported range")
        return whole
    return wrapped_long(whole) if is_long(a) or is_long(b) else wrapped_int(whole)


def negated(value: Number) -> Number:
    """Give `-value`."""
    if isinstance(value, Float):
        return Float(-value)
    if isinstance(value, float):
        return -value
    return calculate("-", Long(0) if is_long(value) else 0, value)


def _whole(operator: str, a: int, b: int) -> int:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case _ if b == 0:
            raise Thrown("java.lang.ArithmeticException", "/ by zero")
        case "/":
            return quotient(a, b)
        case _:
            return a - b * quotient(a, b)


def quotient(a: int, b: int) -> int:
    """Divide towards zero."""
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _real(operator: str, a: float, b: float) -> float:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            if b != 0:
                return a / b
            if a == 0 or math.isnan(a) or math.isnan(b):
                return math.nan
            return math.copysign(math.inf, a) * math.copysign(1, b)
        case _:
            return math.nan if b == 0 or math.isinf(a) or math.isnan(a) else math.fmod(a, b)


def _power(a: Number, b: Number) -> Number:
    result = power(as_double(a), as_double(b))
    if not isinstance(a, int) or not isinstance(b, int):
        single = all(isinstance(each, Float | int) for each in (a, b))
        return to_float(result) if single else result
    if result > INT_MAX or is_long(a) or is_long(b):
        return Long(to_int_of(result, LONG_MIN, LONG_MAX))
    return to_int_of(result, INT_MIN, INT_MAX)


def power(a: float, b: float) -> float:
    """Give `Math.pow(a, b)`."""
    if b != 0 and abs(a) == 1 and (math.isinf(b) or math.isnan(b)):
        return math.nan
    if a == 1 and math.isnan(b):
        return math.nan
    try:
        return math.pow(a, b)
    except OverflowError:
        odd = b == int(b) and int(b) % 2 == 1
        return -math.inf if a < 0 and odd else math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if b == int(b) and int(b) % 2 else math.inf
        return math.nan


def parse_whole(text: str | None, radix: int = 10, *, low: int = INT_MIN, high: int = INT_MAX) -> int:
    """Read a whole number as `Integer.parseInt` does. Raises `Thrown` (NumberFormatException)."""
    if text is None:
        raise Thrown("java.lang.NumberFormatException", "Cannot parse null string: null")
    if not 2 <= radix <= 36:
        raise Thrown("java.lang.NumberFormatException", f"radix {radix} is not from 2 to 36")
    value: int | None = None
    if len(text) <= 300 and (_WHOLE.fullmatch(text) if radix == 10 else text.isascii() and text.lstrip("+-").isalnum()):
        try:
            value = int(text, radix)
        except ValueError:
            value = None
    if value is None or not low <= value <= high:
        told = f" under radix {radix}" if radix != 10 else ""
        raise Thrown("java.lang.NumberFormatException", f'For input string: "{text[:100]}"{told}')
    return value


def parse_real(text: str | None) -> float:
    """Read a number as `Double.parseDouble` does. Raises `Thrown` (NumberFormatException)."""
    if text is None:
        raise Thrown("java.lang.NullPointerException", 'Cannot invoke "String.trim()" because "in" is null')
    trimmed = text.strip()
    if not trimmed:
        raise Thrown("java.lang.NumberFormatException", "empty String")
    found = _REAL.fullmatch(trimmed)
    if not found or len(trimmed) > 1100:
        raise Thrown("java.lang.NumberFormatException", f'For input string: "{text[:100]}"')
    return float(trimmed.rstrip("fFdD") if found.group(2) else trimmed)
