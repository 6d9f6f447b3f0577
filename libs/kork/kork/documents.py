"""Documents: JSON that comes from outside and is kept as it was given.

Reading is strict where a document could not be given back unchanged (NaN, numbers beyond a double, NUL and
half surrogates in strings, which Postgres refuses) or is nested deeper than an execution can carry, and says
which part is at fault.
"""

import json
from collections.abc import Iterable
from math import isinf
from typing import Any, NoReturn, cast

import orjson

from kork.errors import BadRequest

Document = dict[str, Any]

_DEEPEST = 150
_LONGEST_WHOLE = 18
_SHOWN_DIGITS = 40
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)


def read_json(content: bytes) -> Any:
    """Parse a body; raise `BadRequest` saying where it is not JSON, or what in it can't be kept."""
    value = _read_plain(content) if _is_plain(content) else _read_strictly(content)
    if content.count(b"{") + content.count(b"[") > _DEEPEST:
        _check_depth(value)
    return value


def read_object(content: bytes) -> Document:
    """Parse a body that must be a JSON object; raise `BadRequest`."""
    return as_object(read_json(content), "The body")


def read_objects(content: bytes) -> list[Document]:
    """Parse a body that must be a JSON array of objects; raise `BadRequest` naming the first item that is none."""
    value = read_json(content)
    if not isinstance(value, list):
        raise BadRequest(f"The body must be a JSON array of objects, not {json_type(value)}.")
    items = cast(list[Any], value)
    return [as_object(item, f"Item {position} of the body") for position, item in enumerate(items)]


def write_json(value: Any) -> bytes:
    """Render JSON. Whole numbers of any length keep all their digits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson stops at 64 bits; the standard library doesn't.
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def as_object(value: Any, what: str) -> Document:
    """Take `value` as a JSON object, or raise `BadRequest` naming `what` and the type that it has."""
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be a JSON object, not {json_type(value)}.")
    return cast(Document, value)


def as_list(value: Any, what: str) -> list[Any]:
    """Take `value` as a JSON array, nothing as an empty one; or raise `BadRequest` naming `what` and its type."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"{what} must be a JSON array, not {json_type(value)}.")
    return cast(list[Any], value)


def objects_in(value: Any) -> list[Document]:
    """Give the JSON objects of a list; anything else is left out, and what is no list has none."""
    if not isinstance(value, list):
        return []
    return [cast(Document, item) for item in cast(list[Any], value) if isinstance(item, dict)]


def object_in(value: Any) -> Document:
    """Give a JSON object, or an empty one in place of anything else."""
    return cast(Document, value) if isinstance(value, dict) else {}


def json_type(value: Any) -> str:
    """Say what JSON calls a value: 'an array', 'a string', 'null' …"""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _is_plain(content: bytes) -> bool:
    """Say whether orjson, which is faster, reads no more and nothing else than the strict reader."""
    return b"\\u0000" not in content and b"0" * (_LONGEST_WHOLE + 1) not in content.translate(_DIGITS_AS_ZERO)


def _read_plain(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _read_strictly(content)


def _read_strictly(content: bytes) -> Any:
    try:
        value = json.loads(
            content.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise BadRequest(f"The body is nested deeper than {_DEEPEST} levels.") from error
    _check_strings(value)
    return value


def _no_number(word: str) -> NoReturn:
    raise BadRequest(f"The body is not JSON: {word} is not a number that JSON knows.")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        shown = digits if len(digits) <= _SHOWN_DIGITS else f"{digits[:_SHOWN_DIGITS]}…"
        raise BadRequest(f"The body has a number that can't be kept: {shown} is too large.")
    return number


def _whole(digits: str) -> int:
    _finite(digits)
    return int(digits)


def _check_depth(root: Any) -> None:
    level, depth = [root], 1
    while level:
        if depth > _DEEPEST:
            raise BadRequest(f"The body is nested deeper than {_DEEPEST} levels.")
        level = [item for each in level for item in _items(each) if isinstance(item, dict | list)]
        depth += 1


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast(Document, value).values()
    return cast(list[Any], value) if isinstance(value, list) else ()


def _check_strings(root: Any) -> None:
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, dict):
            for key, item in cast(Document, value).items():
                _check_text(key, f"a key in {path}" if path else "a key")
                waiting.append((item, f"{path}.{key}" if path else key))
        elif isinstance(value, list):
            waiting += [(item, f"{path}[{n}]") for n, item in enumerate(cast(list[Any], value))]


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise BadRequest(f"The text at '{where}' has a NUL character, which can't be stored.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadRequest(f"The text at '{where}' has half of a surrogate pair, which can't be stored.")
