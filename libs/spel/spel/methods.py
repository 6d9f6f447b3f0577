"""The methods of texts, lists, maps and numbers that expressions may call.

Each is written anew in Python; nothing is looked up on Python's own objects.
Source of the list: the methods that Spinnaker's expression support allows and its documentation uses.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import re2

from spel.objects import JavaObject, to_text

Method = Callable[..., Any]


def pattern(text: str) -> Any:
    """Compile a regular expression that takes linear time; raise `ValueError` when it is none."""
    try:
        return re2.compile(text)
    except re2.error as error:
        raise ValueError(f"'{text}' is not a regular expression: {error}") from error


def _need_text(value: Any) -> str:
    if value is None:
        raise ValueError("a text is needed here, not null")
    return to_text(value)


def _need_whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"a whole number is needed here, not {to_text(value)}")
    return int(value)


def _substring(text: str, start: Any, end: Any = None) -> str:
    first, last = _need_whole(start), len(text) if end is None else _need_whole(end)
    if not 0 <= first <= last <= len(text):
        raise ValueError(f"begin {first}, end {last}, length {len(text)}")
    return text[first:last]


def _split(text: str, separator: Any, limit: Any = 0) -> list[str]:
    most = _need_whole(limit)
    parts: list[str] = list(pattern(_need_text(separator)).split(text, maxsplit=most - 1 if most > 0 else 0))
    if parts and parts[0] == "" and len(parts) > 1 and not _need_text(separator):
        parts.pop(0)
    while most == 0 and len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts


def _java_replacement(text: str) -> Callable[[Any], str]:
    """Java writes groups as `$1`."""

    def replace(match: Any) -> str:
        out: list[str] = []
        characters = iter(text)
        for character in characters:
            if character == "\\":
                out.append(next(characters, ""))
            elif character == "$":
                out.append(match.group(int(next(characters, "0"))) or "")
            else:
                out.append(character)
        return "".join(out)

    return replace


def _char_at(text: str, index: Any) -> str:
    position = _need_whole(index)
    if not 0 <= position < len(text):
        raise ValueError(f"index {position}, length {len(text)}")
    return text[position]


def _repeat(text: str, count: Any) -> str:
    times = _need_whole(count)
    if times < 0 or times * len(text) > 1_000_000:
        raise ValueError(f"a text of {len(text)} characters can't be repeated {times} times")
    return text * times


STRING: dict[str, Method] = {
    "charAt": _char_at,
    "compareTo": lambda s, o: (s > o) - (s < o),
    "concat": lambda s, o: s + _need_text(o),
    "contains": lambda s, o: _need_text(o) in s,
    "endsWith": lambda s, o: s.endswith(_need_text(o)),
    "equals": lambda s, o: s == o,
    "equalsIgnoreCase": lambda s, o: o is not None and s.lower() == to_text(o).lower(),
    "hashCode": lambda s: _java_hash(s),
    "indexOf": lambda s, o, start=0: s.find(_need_text(o), _need_whole(start)),
    "isBlank": lambda s: not s.strip(),
    "isEmpty": lambda s: not s,
    "lastIndexOf": lambda s, o: s.rfind(_need_text(o)),
    "length": len,
    "matches": lambda s, o: pattern(_need_text(o)).fullmatch(s) is not None,
    "repeat": _repeat,
    "replace": lambda s, a, b: s.replace(_need_text(a), _need_text(b)),
    "replaceAll": lambda s, a, b: pattern(_need_text(a)).sub(_java_replacement(_need_text(b)), s),
    "replaceFirst": lambda s, a, b: pattern(_need_text(a)).sub(_java_replacement(_need_text(b)), s, count=1),
    "split": _split,
    "startsWith": lambda s, o, start=0: s.startswith(_need_text(o), _need_whole(start)),
    "strip": lambda s: s.strip(),
    "stripLeading": lambda s: s.lstrip(),
    "stripTrailing": lambda s: s.rstrip(),
    "substring": _substring,
    "toLowerCase": lambda s: s.lower(),
    "toString": lambda s: s,
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
}


def _java_hash(text: str) -> int:
    value = 0
    for unit in memoryview(text.encode("utf-16-le")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _sub_list(items: list[Any], start: Any, end: Any) -> list[Any]:
    first, last = _need_whole(start), _need_whole(end)
    if not 0 <= first <= last <= len(items):
        raise ValueError(f"from {first} to {last}, size {len(items)}")
    return items[first:last]


LIST: dict[str, Method] = {
    "contains": lambda xs, x: x in xs,
    "containsAll": lambda xs, ys: all(y in xs for y in ys),
    "equals": lambda xs, ys: xs == ys,
    "indexOf": lambda xs, x: xs.index(x) if x in xs else -1,
    "isEmpty": lambda xs: not xs,
    "lastIndexOf": lambda xs, x: len(xs) - 1 - xs[::-1].index(x) if x in xs else -1,
    "size": len,
    "subList": _sub_list,
    "toString": to_text,
}

MAP: dict[str, Method] = {
    "containsKey": lambda m, k: k in m,
    "containsValue": lambda m, v: v in m.values(),
    "equals": lambda m, o: m == o,
    "isEmpty": lambda m: not m,
    "keySet": lambda m: list(m.keys()),
    "size": len,
    "toString": to_text,
    "values": lambda m: list(m.values()),
}

NUMBER: dict[str, Method] = {
    "compareTo": lambda a, b: (a > b) - (a < b),
    "doubleValue": float,
    "equals": lambda a, b: a == b,
    "intValue": int,
    "longValue": int,
    "toString": to_text,
}

BOOLEAN: dict[str, Method] = {"booleanValue": bool, "equals": lambda a, b: a == b, "toString": to_text}


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
            return cast(Mapping[str, Method], getattr(type(value), "METHODS", {}))
        case Mapping():
            return MAP
        case _:
            return {}
