"""The methods of lists and maps. What Java declares to return any object (`get`, `getOrDefault`) may not be called."""

from typing import Any

from spel.errors import Thrown
from spel.objects import Method, equal, to_text
from spel.texts import java_hash, need_whole


def _has(items: Any, wanted: Any) -> bool:
    return any(equal(item, wanted) for item in items)


def _index(items: list[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index(items: list[Any], wanted: Any) -> int:
    found = _index(items[::-1], wanted)
    return -1 if found < 0 else len(items) - 1 - found


def _sub_list(items: list[Any], start: Any, end: Any) -> list[Any]:
    first, last = need_whole(start), need_whole(end)
    if first < 0:
        raise Thrown("java.lang.IndexOutOfBoundsException", f"fromIndex = {first}")
    if last > len(items):
        raise Thrown("java.lang.IndexOutOfBoundsException", f"toIndex = {last}")
    if first > last:
        raise Thrown("java.lang.IllegalArgumentException", f"fromIndex({first}) > toIndex({last})")
    return list(items[first:last])


def _has_all(items: list[Any], wanted: Any) -> bool:
    if not isinstance(wanted, list):
        raise TypeError("a list is needed here")
    return all(_has(items, each) for each in wanted)  # pyright: ignore[reportUnknownVariableType]


LIST: dict[str, Method] = {
    "contains": _has,
    "containsAll": _has_all,
    "equals": equal,
    "hashCode": lambda xs: java_hash(to_text(xs)),
    "indexOf": _index,
    "isEmpty": lambda xs: not xs,
    "lastIndexOf": _last_index,
    "size": lambda xs: len(xs),
    "subList": _sub_list,
    "toString": lambda xs: to_text(xs),
}

MAP: dict[str, Method] = {
    "containsKey": lambda m, k: isinstance(k, str | int | float | None) and k in m,
    "containsValue": lambda m, v: _has(m.values(), v),
    "entrySet": lambda m: [{"key": key, "value": value} for key, value in m.items()],
    "equals": equal,
    "hashCode": lambda m: java_hash(to_text(m)),
    "isEmpty": lambda m: not m,
    "keySet": lambda m: list(m),
    "size": lambda m: len(m),
    "toString": lambda m: to_text(m),
    "values": lambda m: list(m.values()),
}

# What has to walk through the values that it is given.
WALKING = frozenset(
    (
        *("contains", "containsAll", "containsValue", "equals", "hashCode", "indexOf", "lastIndexOf", "subList"),
        *("entrySet", "keySet", "values", "toString", "join", "format", "formatted", "valueOf"),
    )
)
