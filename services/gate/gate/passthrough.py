"""Paths that one service answers and gate passes on: declared in tables, served by one piece of code.

A table says of each path who answers it and with which parameters; types are checked here, so that a
wrong one is a 400 of gate's and the description (OpenAPI) tells the truth. Answers pass byte for byte.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from kork.app import JSONResponse
from kork.documents import read_object, read_objects
from kork.errors import UpstreamError
from pydantic import BeforeValidator

from gate.backends import Backends, ServiceName, is_missing_path, not_found_or, not_implemented, relayed, segment

Kind = Literal["text", "number", "flag", "csv", "items"]
BodyKind = Literal["none", "object", "objects", "any"]
NOTHING: Any = object()


def _absent_when_empty(value: Any) -> Any:
    return None if value == "" else value


_TYPES: dict[Kind, Any] = {
    "text": str | None,
    "number": Annotated[int | None, BeforeValidator(_absent_when_empty)],
    "flag": Annotated[bool | None, BeforeValidator(_absent_when_empty)],
    "csv": list[str] | None,
    "items": list[str] | None,
}
_REQUIRED_TYPES: dict[Kind, Any] = {"text": str, "number": int, "flag": bool, "csv": list[str], "items": list[str]}


@dataclass(frozen=True, slots=True)
class Param:
    """A query parameter. `csv` joins repeated keys with commas, `items` splits commas into repeated keys.

    An empty value counts as none (Groovy's truth, as in Gate), unless `keep_empty`.
    """

    name: str
    kind: Kind = "text"
    required: bool = False
    default: Any = None
    description: str = ""
    keep_empty: bool = False

    def declared(self) -> inspect.Parameter:
        """Declare it for FastAPI."""
        types = _REQUIRED_TYPES if self.required else _TYPES
        annotation = Annotated[types[self.kind], Query(alias=self.name, description=self.description)]
        default = inspect.Parameter.empty if self.required else self.default
        return inspect.Parameter(
            _identifier(self.name), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )

    def sent(self, value: Any) -> Any:
        """Give the value as it goes on, or None when it doesn't."""
        if value is None:
            return None
        match self.kind:
            case "csv":
                value = ",".join(value)
            case "items":
                value = [item for part in value for item in part.split(",") if item] or None
            case "flag":
                value = "true" if value else "false"
            case _:
                pass
        return value if value != "" or self.keep_empty else None


@dataclass(frozen=True, slots=True)
class Pass:
    """A path that `service` answers at `to`; `{names}` in `to` are path or query parameters.

    `void` answers 200 with nothing, whatever the service says. `not_found` replaces the words of a 404.
    `otherwise` is the answer while the service has no such path (a feature that is off); without it that
    is a 501. `more` passes on query parameters that are not declared.
    """

    method: str
    path: str
    service: ServiceName
    to: str
    summary: str
    params: tuple[Param, ...] = ()
    body: BodyKind = "none"
    void: bool = False
    status: int = 200
    not_found: str = ""
    otherwise: Any = NOTHING
    more: bool = False
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])


def passing_router(backends: Backends, tag: str, table: Iterable[Pass]) -> APIRouter:
    """Make the routes of a table."""
    router = APIRouter(tags=[tag])
    for entry in table:
        router.add_api_route(
            entry.path,
            _endpoint(backends, entry),
            methods=[entry.method],
            status_code=entry.status,
            summary=entry.summary,
            operation_id=_operation_id(entry),
            response_class=Response if entry.void else JSONResponse,
            description=f"Answered by {entry.service}.",
            openapi_extra=_described_body(entry.body),
        )
    return router


def _endpoint(backends: Backends, entry: Pass) -> Callable[..., Awaitable[Response]]:
    names = re.findall(r"{(\w+)", entry.path)
    by_identifier = {_identifier(param.name): param for param in entry.params}

    async def endpoint(**given: Any) -> Response:
        request: Request = given.pop("request")
        path_values = {name: given[_identifier(name)] for name in names}
        query: dict[str, Any] = {
            param.name: sent
            for identifier, param in by_identifier.items()
            if (sent := param.sent(given[identifier])) is not None
        }
        return await _pass(backends, entry, request, path_values, query)

    path_parameters = [
        inspect.Parameter(_identifier(name), inspect.Parameter.KEYWORD_ONLY, annotation=_path_type(name))
        for name in names
    ]
    request_parameter = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    declared = [param.declared() for param in entry.params]
    endpoint.__signature__ = inspect.Signature([request_parameter, *path_parameters, *declared])  # pyright: ignore[reportFunctionMemberAccess]
    return endpoint


async def _pass(
    backends: Backends, entry: Pass, request: Request, path_values: Mapping[str, str], query: dict[str, Any]
) -> Response:
    values = dict(path_values) | query
    target = "/" + entry.to.format_map({name: segment(value) for name, value in values.items()})
    used = set(re.findall(r"{(\w+)}", entry.to))
    params: dict[str, Any] = dict(entry.fixed) | {name: value for name, value in query.items() if name not in used}
    if entry.more:
        declared = {param.name for param in entry.params}
        params |= {
            name: request.query_params.getlist(name)
            for name in request.query_params
            if name not in declared and name not in params
        }
    content, headers = await _content(entry, request)
    try:
        response = await backends.call(
            request, entry.service, entry.method, target, params=params, content=content, headers=headers
        )
    except UpstreamError as error:
        if is_missing_path(error):
            return _without_path(entry)
        raise not_found_or(error, entry.not_found.format_map(values)) if entry.not_found else error from error
    return Response(status_code=entry.status) if entry.void else relayed(response, entry.status)


async def _content(entry: Pass, request: Request) -> tuple[bytes | None, dict[str, str]]:
    if entry.body == "none":
        return None, {}
    content = await request.body()
    if entry.body == "object":
        read_object(content)
    elif entry.body == "objects":
        read_objects(content)
    kind = "application/json" if entry.body != "any" else request.headers.get("content-type", "application/json")
    return content, {"Content-Type": kind}


def _without_path(entry: Pass) -> Response:
    if entry.otherwise is NOTHING:
        raise not_implemented(f"{entry.method} {entry.path} is not available: {entry.service} does not offer it yet.")
    return JSONResponse(entry.otherwise, status_code=entry.status)


def _path_type(name: str) -> Any:
    return Annotated[str, Path(alias=name)]


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _operation_id(entry: Pass) -> str:
    return re.sub(r"\W+", "_", f"{entry.method.lower()}_{entry.path.strip('/')}").strip("_")


def _described_body(kind: BodyKind) -> dict[str, Any] | None:
    schemas: dict[BodyKind, Any] = {
        "object": {"type": "object"},
        "objects": {"type": "array", "items": {"type": "object"}},
        "any": {},
    }
    if kind == "none":
        return None
    return {"requestBody": {"content": {"application/json": {"schema": schemas[kind]}}}}
