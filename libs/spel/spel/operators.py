"""Operators on values. Each raises `Fault` with Spring's words for what it can't do.

Source of the rules: Spring's operators for expressions.
"""

from typing import Any, cast

from spel.errors import Thrown
from spel.limits import check_length
from spel.numbers import Number, calculate, is_int, is_number, negated
from spel.objects import (
    JavaEnum,
    JavaObject,
    SpelObject,
    converted_text,
    equal,
    to_text,
    type_name,
)
from spel.patterns import matches
from spel.texts import compare as compare_texts
from spel.types import JavaType

_NAMES = {"+": "ADD", "-": "SUBTRACT", "*": "MULTIPLY", "/": "DIVIDE", "%": "MODULUS", "^": "POWER"}
_TRUE, _FALSE = ("true", "on", "yes", "1"), ("false", "off", "no", "0")


class Fault(Exception):
    """An operator can't be applied; the message is Spring's."""


def no_conversion(value: Any, wanted: str) -> Fault:
    """Say that a value can't be converted."""
    return Fault(f"EL1001E: Type conversion problem, cannot convert from {type_name(value)} to {wanted}")


def truth(value: Any) -> bool:
    """Convert to true or false as Spring does: true, on, yes, 1."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    raise no_conversion(value, "boolean" if value is None else "java.lang.Boolean")


def text_for_sum(value: Any) -> str:
    """Give what `+` adds to a text: a list as its elements with commas, a map as Java writes it."""
    if isinstance(value, dict):
        return to_text(cast(Any, value))
    try:
        return "null" if value is None else converted_text(value)
    except TypeError:
        raise no_conversion(value, "java.lang.String") from None


def arithmetic(operator: str, left: Any, right: Any) -> Any:
    """Apply `+ - * / % ^`."""
    if is_number(left) and is_number(right):
        return calculate(operator, cast(Number, left), cast(Number, right))
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        first, second = text_for_sum(left), text_for_sum(right)
        check_length(len(first) + len(second))
        return first + second
    if operator == "*" and isinstance(left, str) and is_int(right):
        if right < 0:
            raise Fault(f"EL1081E: Repeat count '{right}' must not be negative")
        check_length(len(left) * right)
        return left * right
    if operator == "-" and isinstance(left, str) and len(left) == 1 and is_int(right):
        return chr((ord(left) - right) % 0x10000).encode("utf-16", "replace").decode("utf-16")
    raise _unsupported(_NAMES[operator], left, right)


def _unsupported(name: str, left: Any, right: Any) -> Fault:
    return Fault(
        f"EL1030E: The operator '{name}' is not supported between objects of type"
        f" '{type_name(left)}' and '{type_name(right)}'"
    )


def signed(operator: str, value: Any) -> Any:
    """Apply a sign."""
    if not is_number(value):
        raise _unsupported(_NAMES[operator], value, None)
    return negated(cast(Number, value)) if operator == "-" else value


def order(left: Any, right: Any) -> int:
    """Compare two values: negative, 0 or positive. Null comes first."""
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if is_number(left) and is_number(right):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return compare_texts(left, right)
    if isinstance(left, bool) and isinstance(right, bool):
        return int(left) - int(right)
    if isinstance(left, JavaObject) and type(left) is type(right) and left.key() is not None:
        a, b = left.key(), cast(JavaObject, right).key()
        return (a > b) - (a < b)
    raise Fault(f"EL1013E: Cannot compare instances of class {type_name(left)} and class {type_name(right)}")


def compared(operator: str, left: Any, right: Any) -> bool:
    """Apply `< <= > >=`. NaN is in no order."""
    if left != left or right != right:
        return False
    found = order(left, right)
    match operator:
        case "<":
            return found < 0
        case "<=":
            return found <= 0
        case ">":
            return found > 0
        case _:
            return found >= 0


def is_between(value: Any, bounds: Any) -> bool:
    """Apply `between {low, high}`, both ends included."""
    if not isinstance(bounds, list) or len(cast(list[Any], bounds)) != 2:
        raise Fault("EL1017E: Right operand for the 'between' operator has to be a two-element list")
    low, high = cast(list[Any], bounds)
    return order(value, low) >= 0 and order(value, high) <= 0


def is_match(value: Any, pattern: Any) -> bool:
    """Apply `matches`: the whole text has to match."""
    if value is None or isinstance(value, SpelObject):
        told = "null" if value is None else type_name(value)
        raise Fault(f"EL1037E: First operand to matches operator must be a string. '{told}' is not")
    if not isinstance(pattern, str):
        raise Fault(f"EL1038E: Second operand to matches operator must be a string. '{to_text(pattern)[:100]}' is not")
    try:
        return matches(text_for_sum(value), pattern)
    except Thrown as error:
        raise Fault(f"EL1018E: Pattern is not valid '{pattern[:100]}' ({error.message})") from error


def is_instance(value: Any, kind: Any) -> bool:
    """Apply `instanceof T(…)`."""
    if not isinstance(kind, JavaType):
        raise Fault(
            f"EL1028E: The operator 'instanceof' needs the right operand to be a class, not a '{type_name(kind)}'"
        )
    return value is not None and type_name(value) == kind.name


def same(left: Any, right: Any) -> bool:
    """Apply `==`: numbers by value, texts by their characters, an enum's constant also by its name."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, JavaType | JavaEnum) and left is right:
        return True
    return equal(left, right)
