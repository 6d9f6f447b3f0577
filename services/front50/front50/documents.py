"""Documents: JSON objects that are kept as they were given.

Reading is strict where a document could not be given back unchanged (NaN, numbers beyond a double,
NUL and half surrogates in strings, which Postgres refuses) and says which part is at fault.
"""

import json
from dataclasses import dataclass
from math import isinf
from typing import Annotated, Any, NoReturn, cast

import orjson
from fastapi import Depends, Request, Response
from kork.clock import EpochMillis
from kork.errors import BadRequest

Document = dict[str, Any]

_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is stored: when it was saved last (ms), by whom, and how often so far."""

    body: Document
    version: int
    created_at: EpochMillis
    updated_at: EpochMillis
    updated_by: str


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


def write_json(value: Any) -> bytes:
    """Render JSON. Whole numbers of any length keep all their digits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson stops at 64 bits; the standard library doesn't.
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def answer(value: Any, status: int = 200) -> Response:
    """Answer with a document, or a list of documents."""
    return Response(write_json(value), status_code=status, media_type="application/json")


async def _object(request: Request) -> Document:
    return as_object(read_json(await request.body()), "The body")


async def _objects(request: Request) -> list[Document]:
    value = read_json(await request.body())
    if not isinstance(value, list):
        raise BadRequest(f"The body must be a JSON array of objects, not {json_type(value)}.")
    items = cast(list[Any], value)
    return [as_object(item, f"Item {position} of the body") for position, item in enumerate(items)]


def as_object(value: Any, what: str) -> Document:
    """Take `value` as a JSON object, or raise `BadRequest` naming `what` and the type that it has."""
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be a JSON object, not {json_type(value)}.")
    return cast(Document, value)


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


JsonObject = Annotated[Document, Depends(_object)]
JsonObjects = Annotated[list[Document], Depends(_objects)]
