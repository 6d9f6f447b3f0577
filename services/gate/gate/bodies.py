"""What callers send: JSON that is checked here and passed on byte for byte."""

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Request
from kork.documents import Document, read_object, read_objects

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body(Generic[T]):
    """A body: its bytes as they came, and what they say."""

    content: bytes
    value: T


async def _object(request: Request) -> Body[Document]:
    content = await request.body()
    return Body(content, read_object(content))


async def _optional_object(request: Request) -> Body[Document]:
    content = await request.body()
    return Body(content, read_object(content) if content.strip() else {})


async def _objects(request: Request) -> Body[list[Document]]:
    content = await request.body()
    return Body(content, read_objects(content))


ObjectBody = Annotated[Body[Document], Depends(_object)]
OptionalObjectBody = Annotated[Body[Document], Depends(_optional_object)]
ObjectsBody = Annotated[Body[list[Document]], Depends(_objects)]
