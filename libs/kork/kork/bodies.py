"""Bodies of requests as endpoints take them, and answers. What is refused, and why, says `kork.documents`."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from kork.documents import Document, read_json, read_object, read_objects, write_json


def answer(value: Any, status: int = 200) -> Response:
    """Answer with a document, or a list of documents."""
    return Response(write_json(value), status_code=status, media_type="application/json")


async def _any(request: Request) -> Any:
    return read_json(await request.body())


async def _object(request: Request) -> Document:
    return read_object(await request.body())


async def _optional_object(request: Request) -> Document:
    content = await request.body()
    return read_object(content) if content.strip() else {}


async def _objects(request: Request) -> list[Document]:
    return read_objects(await request.body())


JsonBody = Annotated[Any, Depends(_any)]
JsonObject = Annotated[Document, Depends(_object)]
OptionalJsonObject = Annotated[Document, Depends(_optional_object)]
JsonObjects = Annotated[list[Document], Depends(_objects)]
