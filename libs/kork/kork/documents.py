"""Documents: JSON that comes from outside and is kept as it was given.

Reading is strict where a document could not be given back unchanged (NaN, numbers beyond a double, NUL and
half surrogates in strings, which Postgres refuses) and says which part is at fault.
"""

import json
from math import isinf
from typing import Any, NoReturn, cast

import orjson

from kork.errors import BadRequest

Document = dict[str, Any]

_DEEPEST = 200


def read_json(content: bytes) -> Any:
    """Parse a body; raise `BadRequest` saying where it is not JSON, or what in it can't be kept."""
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise BadRequest(f"The body is nested deeper than {_DEEPEST} levels.") from error
    except ValueError as error:
        raise BadRequest(f"The body has a number that can't be kept: {error}.") from error
    _check_strings(value)
    return value


def read_object(content: bytes) -> Document:
    """Parse a body that must be a JSON object; raise `BadRequest`."""
    return as_object(read_json(content), "The body")


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


def _no_number(word: str) -> NoReturn:
    raise BadRequest(f"The body is not JSON: {word} is not a number that JSON knows.")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise BadRequest(f"The body has a number that can't be kept: {digits} is too large.")
    return number


def _check_strings(root: Any) -> None:
    waiting: list[tuple[Any, str, int]] = [(root, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth > _DEEPEST:
            raise BadRequest(f"The body is nested deeper than {_DEEPEST} levels.")
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, dict):
            for key, item in cast(Document, value).items():
                _check_text(key, f"a key in {path}" if path else "a key")
                waiting.append((item, f"{path}.{key}" if path else key, depth + 1))
        elif isinstance(value, list):
            items = cast(list[Any], value)
            waiting += [(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(items)]


def _check_text(text: str, where: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadRequest(
            f"The text at '{where}' has a character that can't be stored (NUL or half of a surrogate pair)."
        )
