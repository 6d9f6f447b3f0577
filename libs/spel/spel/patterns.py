"""Regular expressions in linear time (RE2), and what is made of their matches, within bounds."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import re2

from spel.errors import LimitError, Thrown
from spel.limits import COLLECTION_SIZE, PATTERN_LENGTH, check_length

_SYNTAX = "java.util.regex.PatternSyntaxException"
_WORK = 20_000_000
_MOST_MATCHES = 20_000
_SPECIAL = frozenset("\\^$.|?*+()[]{}")


@lru_cache(maxsize=256)
def compiled(text: str) -> Any:
    """Compile a regular expression; raise `Thrown` (PatternSyntaxException) when it is none that RE2 knows."""
    if len(text) > PATTERN_LENGTH:
        raise Thrown(
            "org.springframework.expression.spel.SpelEvaluationException",
            f"EL1077E: Regular expression is too long, exceeding the threshold of '{PATTERN_LENGTH}' characters",
        )
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise Thrown(_SYNTAX, f"'{text}' is not a regular expression: {reason}") from error


def _ready(pattern: str, text: str) -> Any:
    if len(text) * (16 + len(pattern)) > _WORK:
        raise LimitError(f"A text of {len(text)} characters is too long for the pattern '{pattern[:100]}'")
    return compiled(pattern)


def matches(text: str, pattern: str) -> bool:
    """Say whether the whole of a text matches."""
    return _ready(pattern, text).fullmatch(text) is not None


def _found(pattern: str, text: str) -> Iterator[Any]:
    """Give the matches, one after the other; raise `LimitError` when there are too many."""
    for count, match in enumerate(_ready(pattern, text).finditer(text)):
        if count == _MOST_MATCHES:
            raise LimitError(f"The pattern '{pattern[:100]}' matches more than {_MOST_MATCHES} times")
        yield match


def is_literal(pattern: str) -> bool:
    """Say whether a pattern matches itself and nothing else."""
    return bool(pattern) and _SPECIAL.isdisjoint(pattern)


def replaced(text: str, pattern: str, replacement: str, most: int | None) -> str:
    """Replace the first `most` matches (all: `None`); `$1` and `${name}` in the replacement are groups, as in Java."""
    if is_literal(pattern) and "$" not in replacement and "\\" not in replacement:
        count = text.count(pattern) if most is None else most
        check_length(len(text) + count * max(0, len(replacement) - len(pattern)))
        return text.replace(pattern, replacement, -1 if most is None else most)
    pieces: list[str] = []
    length = at = 0
    for match in islice(_found(pattern, text), most):
        piece = text[at : match.start()] + _expanded(replacement, match)
        length += len(piece)
        check_length(length)
        pieces.append(piece)
        at = match.end()
    return "".join(pieces) + text[at:]


def _expanded(replacement: str, match: Any) -> str:
    if "$" not in replacement and "\\" not in replacement:
        return replacement
    out: list[str] = []
    at = 0
    while at < len(replacement):
        character = replacement[at]
        at += 1
        if character == "\\":
            if at == len(replacement):
                raise Thrown("java.lang.IllegalArgumentException", "character to be escaped is missing")
            out.append(replacement[at])
            at += 1
        elif character == "$":
            value, at = _group(replacement, at, match)
            out.append(value)
        else:
            out.append(character)
    return "".join(out)


def _group(replacement: str, at: int, match: Any) -> tuple[str, int]:
    """Read a group's name or number at `at`; as in Java a further digit counts while there is such a group."""
    if replacement[at : at + 1] == "{":
        end = replacement.find("}", at)
        name = replacement[at + 1 : end] if end > 0 else ""
        if name not in match.re.groupindex:
            raise Thrown("java.lang.IllegalArgumentException", f"No group with name {{{name}}}")
        return match.group(match.re.groupindex[name]) or "", end + 1
    if not (replacement[at : at + 1].isascii() and replacement[at : at + 1].isdigit()):
        raise Thrown("java.lang.IllegalArgumentException", "Illegal group reference")
    number = int(replacement[at])
    at += 1
    if number > match.re.groups:
        raise Thrown("java.lang.IndexOutOfBoundsException", f"No group {number}")
    while at < len(replacement) and replacement[at] in "0123456789":
        longer = number * 10 + int(replacement[at])
        if longer > match.re.groups:
            break
        number, at = longer, at + 1
    return match.group(number) or "", at


def split(text: str, pattern: str, limit: int) -> list[str]:
    """Split as `String.split` does: a positive limit bounds the parts, 0 drops empty ones at the end."""
    if is_literal(pattern):
        parts = text.split(pattern, limit - 1 if limit > 0 else min(text.count(pattern), COLLECTION_SIZE + 1))
    else:
        parts = _split(text, pattern, limit)
    if len(parts) > COLLECTION_SIZE:
        raise LimitError(f"More than {COLLECTION_SIZE} elements came out")
    while limit == 0 and len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts


def _split(text: str, pattern: str, limit: int) -> list[str]:
    parts: list[str] = []
    at = 0
    for match in _found(pattern, text):
        if 0 < limit <= len(parts) + 1:
            break
        if match.end() == 0 or (match.start() == match.end() == len(text)):
            continue
        parts.append(text[at : match.start()])
        at = match.end()
    parts.append(text[at:])
    return parts
