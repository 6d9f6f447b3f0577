"""What callers send: JSON that is checked here and passed on byte for byte."""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

import orjson
from fastapi import Depends, Request
from kork.documents import json_type
from kork.errors import BadRequest

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body(Generic[T]):
    """A body: its bytes as they came, and what they say."""

    content: bytes
    value: T


def parse_object(content: bytes) -> Json:
    """Read a JSON object. Raises `BadRequest` saying what it is instead."""
    value = _parse(content)
    if not isinstance(value, dict):
        raise BadRequest(f"The body must be a JSON object, not {json_type(value)}.")
    return cast(Json, value)


def parse_objects(content: bytes) -> list[Json]:
    """Read a JSON array of objects. Raises `BadRequest` naming the first item that is none."""
    value = _parse(content)
    if not isinstance(value, list):
        raise BadRequest(f"The body must be a JSON array of objects, not {json_type(value)}.")
    items = cast(list[Any], value)
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise BadRequest(f"Item {position} of the body must be a JSON object, not {json_type(item)}.")
    return items


def _parse(content: bytes) -> Any:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    if b"\\u0000" in content and _has_nul(value):
        raise BadRequest("The body has a text with a NUL character, which can't be stored.")
    return value


def _has_nul(root: Any) -> bool:
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            return True
        if isinstance(value, dict):
            waiting += cast(Json, value).keys()
            waiting += cast(Json, value).values()
        elif isinstance(value, list):
            waiting += cast(list[Any], value)
    return False


async def _object(request: Request) -> Body[Json]:
    content = await request.body()
    return Body(content, parse_object(content))


async def _optional_object(request: Request) -> Body[Json]:
    content = await request.body()
    return Body(content, parse_object(content) if content.strip() else {})


async def _objects(request: Request) -> Body[list[Json]]:
    content = await request.body()
    return Body(content, parse_objects(content))


ObjectBody = Annotated[Body[Json], Depends(_object)]
OptionalObjectBody = Annotated[Body[Json], Depends(_optional_object)]
ObjectsBody = Annotated[Body[list[Json]], Depends(_objects)]
