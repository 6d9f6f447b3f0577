"""Which methods may be called on a value.

Each is written anew in Python; nothing is looked up on Python's own objects.
Source of the list: the methods that Spinnaker's expression support allows and its documentation uses.
"""

from collections.abc import Mapping
from typing import Any

from spel.containers import LIST, MAP
from spel.numbers import LONG_MAX, LONG_MIN, Long, is_number, to_float, to_int_of, wrapped_int, wrapped_long
from spel.objects import JavaObject, Method, equal, to_text
from spel.texts import STRING, java_hash


def _order(a: Any, b: Any) -> int:
    if not is_number(b):
        raise TypeError("a number is needed here")
    return (a > b) - (a < b)


def _to_int(value: float) -> int:
    return wrapped_int(value) if isinstance(value, int) else to_int_of(value, -(2**31), 2**31 - 1)


def _to_long(value: float) -> Long:
    return wrapped_long(value) if isinstance(value, int) else Long(to_int_of(value, LONG_MIN, LONG_MAX))


NUMBER: dict[str, Method] = {
    "byteValue": lambda a: (_to_int(a) + 128) % 256 - 128,
    "compareTo": _order,
    "doubleValue": lambda a: float(a),
    "equals": lambda a, b: equal(a, b),
    "floatValue": lambda a: to_float(float(a)),
    "hashCode": lambda a: wrapped_int(a) if isinstance(a, int) else java_hash(to_text(a)),
    "intValue": _to_int,
    "isInfinite": lambda a: a in (float("inf"), float("-inf")),
    "isNaN": lambda a: a != a,
    "longValue": _to_long,
    "shortValue": lambda a: (_to_int(a) + 2**15) % 2**16 - 2**15,
    "toString": lambda a: to_text(a),
}

BOOLEAN: dict[str, Method] = {
    "booleanValue": lambda a: a,
    "compareTo": lambda a, b: int(a) - int(b),
    "equals": lambda a, b: equal(a, b),
    "hashCode": lambda a: 1231 if a else 1237,
    "toString": lambda a: to_text(a),
}


def methods_of(value: Any) -> Mapping[str, Method]:
    """Give the methods that may be called on `value`."""
    match value:
        case str():
            return STRING
        case bool():
            return BOOLEAN
        case int() | float():
            return NUMBER
        case list() | tuple():
            return LIST
        case JavaObject():
            return type(value).METHODS
        case Mapping():
            return MAP
        case _:
            return {}
