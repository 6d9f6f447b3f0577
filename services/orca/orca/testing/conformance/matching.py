"""Comparing what was expected with what was found: the expected keys have to be there, others may be.

An expected value is plain JSON, or one of the words `<ms>` (a time in epoch ms), `<id>` (a ULID), `<some>`
(anything but null), `<absent>` (no such key), or a matcher, written as a YAML tag: `!like REGEX` (found in
the text), `!has [a, b]` (a list that holds at least these), `!not TEXT`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from kork.ids import is_ulid

_AN_EPOCH_MS = 1_000_000_000_000
_SHOWN = 600


@dataclass(frozen=True, slots=True)
class Matcher:
    """A named test of one value."""

    name: str
    holds: Callable[[Any], bool]

    def __repr__(self) -> str:
        return self.name


def like(pattern: str) -> Matcher:
    """Match text in which the pattern is found."""
    compiled = re.compile(pattern, re.DOTALL)
    return Matcher(f"!like {pattern!r}", lambda found: isinstance(found, str) and compiled.search(found) is not None)


def has(items: list[Any]) -> Matcher:
    """Match a list that holds, for each of these, an item that matches it."""

    def holds(found: Any) -> bool:
        return isinstance(found, list) and all(
            any(not differences(item, each) for each in cast(list[Any], found)) for item in items
        )

    return Matcher(f"!has {items!r}", holds)


def negated(value: Any) -> Matcher:
    """Match whatever does not match `value`."""
    return Matcher(f"!not {value!r}", lambda found: bool(differences(value, found)))


def _is_time(found: Any) -> bool:
    return type(found) is int and found > _AN_EPOCH_MS


_ABSENT = "<absent>"
_WORDS: dict[str, Callable[[Any], bool]] = {
    _ABSENT: lambda _: False,
    "<ms>": _is_time,
    "<id>": lambda found: isinstance(found, str) and is_ulid(found),
    "<some>": lambda found: found is not None,
}


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """List what of the expected is not so, each with its place; empty when all is as expected.

    An object has to have the expected keys, a list has to be as long as the expected one. `1` is not
    `True`, and `1` is `1.0`.
    """
    if isinstance(expected, Matcher):
        return [] if expected.holds(found) else [_told(path, expected, found)]
    if isinstance(expected, str) and expected in _WORDS:
        return [] if _WORDS[expected](found) else [_told(path, expected, found)]
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [_told(path, expected, found)]
        return _of_object(cast(dict[str, Any], expected), cast(dict[str, Any], found), path)
    if isinstance(expected, list):
        wanted = cast(list[Any], expected)
        if not isinstance(found, list) or len(cast(list[Any], found)) != len(wanted):
            return [_told(path, wanted, found)]
        pairs = zip(wanted, cast(list[Any], found), strict=True)
        return [line for at, (one, other) in enumerate(pairs) for line in differences(one, other, f"{path}[{at}]")]
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [_told(path, expected, found)]


def _of_object(expected: dict[str, Any], found: dict[str, Any], path: str) -> list[str]:
    told: list[str] = []
    for key, value in expected.items():
        place = f"{path}.{key}" if path else str(key)
        if value == _ABSENT:
            told += [_told(place, value, found[key])] if key in found else []
        elif key not in found:
            told.append(f"{place}: expected {_short(value)}, but there is no such key")
        else:
            told += differences(value, found[key], place)
    return told


def _told(path: str, expected: Any, found: Any) -> str:
    return f"{path or 'all'}: expected {_short(expected)}, found {_short(found)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
