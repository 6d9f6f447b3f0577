"""Bodies of requests, checked for what could not be kept, and answers."""

from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Request, Response
from kork.errors import BadRequest

from orca.execution.encoding import write_json

Document = dict[str, Any]
_DEEPEST = 150


def read_body(content: bytes) -> Any:
    """Parse a body; raise `BadRequest` saying where it is not JSON, or what in it can't be kept."""
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    if content.count(b"{") + content.count(b"[") > _DEEPEST or b"\\u0000" in content:
        _check(value)
    return value


def _check(root: Any) -> None:
    waiting: list[tuple[Any, str, int]] = [(root, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth > _DEEPEST:
            raise BadRequest(f"The body is nested deeper than {_DEEPEST} levels.")
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, dict):
            for key, item in cast(Document, value).items():
                _check_text(key, path)
                waiting.append((item, f"{path}.{key}" if path else key, depth + 1))
        elif isinstance(value, list):
            waiting += [(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(cast(list[Any], value))]


def _check_text(text: str, path: str) -> None:
    if "\0" in text:
        raise BadRequest(f"The text at '{path}' has a NUL character, which can't be stored.")


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(write_json(value), status_code=status, media_type="application/json")


def as_object(value: Any, what: str) -> Document:
    """Take `value` as a JSON object, or raise `BadRequest` naming `what` and the type that it has."""
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be a JSON object, not {json_type(value)}.")
    return cast(Document, value)


def as_list(value: Any, what: str) -> list[Any]:
    """Take `value` as a JSON array; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"{what} must be a JSON array, not {json_type(value)}.")
    return cast(list[Any], value)


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


async def _any(request: Request) -> Any:
    return read_body(await request.body())


async def _object(request: Request) -> Document:
    return as_object(read_body(await request.body()), "The body")


async def _optional_object(request: Request) -> Document:
    content = await request.body()
    return as_object(read_body(content), "The body") if content.strip() else {}


JsonBody = Annotated[Any, Depends(_any)]
JsonObject = Annotated[Document, Depends(_object)]
OptionalJsonObject = Annotated[Document, Depends(_optional_object)]
