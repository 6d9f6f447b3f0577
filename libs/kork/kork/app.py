"""The front that every service has: health, metrics, request ids, identity, limits, errors, logs, traces."""

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, ParamSpec, TypeVar

import anyio.to_thread
import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kork.background import background
from kork.database import Database, is_outage
from kork.errors import BadRequest, PayloadTooLarge, SpinnakerError, Unauthorized, error_body
from kork.identity import Identity, Signer, identity_context, read_identity
from kork.ids import new_ulid
from kork.settings import ServiceSettings, SettingsError, load_settings
from kork.telemetry import configure_logging, histogram, log
from kork.tracing import Span, configure_tracing, end_tracing, span
from kork.trail import REQUEST_ID_HEADER, Trail, follow

_log = log("kork.app")
_requests = histogram("http_server_requests_seconds", "Requests served", "service", "method", "route", "status")
_OPEN_PATHS = ("/health", "/metrics")
_CHECK_TIMEOUT_SECONDS = 3.0
_STARTUP_FAILED = 3

__all__ = [
    "Health",
    "HealthCheck",
    "JSONResponse",
    "WaitingThreads",
    "background",
    "database_check",
    "error_response",
    "install_error_handlers",
    "run_sync",
    "serve",
    "service_app",
    "service_main",
]

P = ParamSpec("P")
T = TypeVar("T")
Authenticate = Callable[[Headers], Identity]


class JSONResponse(Response):
    """A JSON answer, rendered by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one dependency: `UP`, `DOWN`, or `DEGRADED` (works in part, doesn't stop the service)."""

    status: Literal["UP", "DOWN", "DEGRADED"]
    details: Mapping[str, Any] | None = None


HealthCheck = Callable[[], Awaitable[Health]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


async def run_sync(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work (the database) on a thread, from an `async def` endpoint."""
    return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs))


class WaitingThreads:
    """Threads for work that waits for other services, `at_once` at most; what comes beyond that waits its turn.

    In an embedded platform the services answer on one pool of threads: if requests that wait for another service
    could fill it, none would ever be answered. A service has one of these, for all of its routes that wait.
    """

    def __init__(self, at_once: int = 16) -> None:
        self._limiter = anyio.CapacityLimiter(at_once)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that asks other services, from an `async def` endpoint."""
        return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._limiter)


def database_check(database: Database) -> HealthCheck:
    """Make the health check of a database."""

    async def check() -> Health:
        await run_sync(database.check)
        return Health("UP")

    return check


def service_app(
    name: str,
    settings: ServiceSettings,
    *,
    routers: Sequence[APIRouter],
    checks: Mapping[str, HealthCheck] | None = None,
    lifespan: Lifespan | None = None,
    authenticate: Authenticate | None = None,
    max_body_bytes: int | None = None,
    description: str = "",
) -> FastAPI:
    """Make the FastAPI application of a service.

    `checks` are the dependencies shown by `/health`; `authenticate` says who sends a request (default: a
    signed identity, see `kork.identity`); `max_body_bytes` is the largest body accepted (default:
    `http.maxBodyBytes`; the doors, gate and echo, take `http.maxPublicBodyBytes`); `lifespan` runs around
    serving.
    """
    signer = Signer(settings.identity.secret)

    def signed(headers: Headers) -> Identity:
        return read_identity(headers, signer, accept_unsigned=settings.embedded)

    app = FastAPI(
        title=f"Gennaker {name}",
        description=description,
        default_response_class=JSONResponse,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        separate_input_output_schemas=False,
    )
    app.state.settings = settings
    app.state.signer = signer
    app.state.checks = dict(checks or {})
    app.include_router(_front)
    for router in routers:
        app.include_router(router)
    install_error_handlers(app)
    app.add_middleware(
        Front,
        service=name,
        authenticate=authenticate or signed,
        max_body_bytes=max_body_bytes or settings.http.max_body_bytes,
    )
    return app


_front = APIRouter(tags=["health"])


@_front.get("/health")
async def health(request: Request) -> Response:
    """Say how the service and each of its dependencies are: 200 when it can work, 503 when not."""
    return await _health_response(request)


@_front.get("/health/readiness")
async def readiness(request: Request) -> Response:
    """Say whether requests should be sent here: as `/health`."""
    return await _health_response(request)


@_front.get("/health/liveness")
async def liveness() -> dict[str, str]:
    """Say that the process serves requests, whatever its dependencies do."""
    return {"status": "UP"}


@_front.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """Give the metrics in Prometheus' text format. Some are counted in a database now, so on a thread."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _health_response(request: Request) -> Response:
    checks: dict[str, HealthCheck] = request.app.state.checks
    results = await asyncio.gather(*(_ask(check) for check in checks.values()))
    components = {
        name: {"status": result.status} | ({"details": dict(result.details)} if result.details else {})
        for name, result in zip(checks, results, strict=True)
    }
    down = any(result.status == "DOWN" for result in results)
    body = {"status": "DOWN" if down else "UP", "components": components}
    return JSONResponse(body, status_code=503 if down else 200)


async def _ask(check: HealthCheck) -> Health:
    try:
        return await asyncio.wait_for(check(), _CHECK_TIMEOUT_SECONDS)
    except TimeoutError:
        return Health("DOWN", {"error": f"no answer within {_CHECK_TIMEOUT_SECONDS:g} s"})
    except Exception as error:
        return Health("DOWN", {"error": str(error).splitlines()[0] if str(error) else type(error).__name__})


def error_response(error: SpinnakerError) -> Response:
    """Render an error as Spinnaker does."""
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every failure of `app` with Spinnaker's error body."""

    async def spinnaker_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, SpinnakerError)
        if error.status >= 500:
            _log.warning("request.failed", status=error.status, error=error.message)
        return error_response(error)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = error.detail
        if error.status_code == 404:
            message = f"No handler found for {request.method} {request.url.path}"
        elif error.status_code == 405:
            message = f"Request method '{request.method}' is not supported for {request.url.path}"
        body = error_body(error.status_code, message)
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    async def invalid_request(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [_fault(dict(fault)) for fault in error.errors()]
        return error_response(BadRequest(faults[0] if len(faults) == 1 else "The request is not valid.", errors=faults))

    async def unexpected(_: Request, error: Exception) -> Response:
        if is_outage(error):
            _log.warning("database.away", error=str(error).splitlines()[0])
            body = error_body(503, "The database can't be reached just now; the same request may work later.")
            return JSONResponse(body, status_code=503, headers={"Retry-After": "1"})
        _log.error("request.crashed", exc_info=error)
        body = error_body(500, "An unexpected error occurred; the service's log has it under this request's id.")
        return JSONResponse(body, status_code=500)

    app.add_exception_handler(SpinnakerError, spinnaker_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.state.unexpected = unexpected


def _fault(fault: Mapping[str, Any]) -> str:
    place, *path = [str(part) for part in fault["loc"]]
    if fault["type"] == "json_invalid":
        detail = fault.get("ctx", {}).get("error", "")
        return f"The body is not JSON: {detail} (at character {path[-1] if path else 0})."
    where = f"{place} '{'.'.join(path)}'" if path else place
    return f"The {where} is not valid: {fault['msg']}."


class Front:
    """What happens around every request: its id, who sends it, its size limit, its measure, its log line."""

    def __init__(self, app: ASGIApp, *, service: str, authenticate: Authenticate, max_body_bytes: int) -> None:
        self._app = app
        self._service = service
        self._authenticate = authenticate
        self._limit = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trail = Trail.of_headers(headers)
        if not trail.request_id:
            trail = replace(trail, request_id=new_ulid())
        exchange = _Exchange(send, trail.request_id)
        started = time.perf_counter()
        with follow(trail, service=self._service), _request_span(scope) as traced:
            try:
                await self._serve(scope, receive, exchange, headers)
            finally:
                self._record(scope, exchange.status, time.perf_counter() - started)
                _tell(traced, scope, exchange.status)

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange", headers: Headers) -> None:
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                raise BadRequest("The address has a NUL character, which no name has.")
            identity = Identity() if scope["path"].startswith(_OPEN_PATHS) else self._authenticate(headers)
            limited = _Limited(receive, headers, self._limit)
            scope.setdefault("state", {})["identity"] = identity
            with identity_context(identity):
                await self._app(scope, limited, exchange)
        except (BadRequest, PayloadTooLarge, Unauthorized) as error:
            await error_response(error)(scope, receive, exchange)
        except Exception as error:
            if exchange.status:
                raise
            unexpected = scope["app"].state.unexpected
            response = await unexpected(Request(scope), error)
            await response(scope, receive, exchange)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unmatched")
        _requests.labels(self._service, scope["method"], path, str(status)).observe(seconds)
        if not scope["path"].startswith(_OPEN_PATHS):
            _log.debug(
                "request",
                service=self._service,
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
            )


def _request_span(scope: Scope) -> AbstractContextManager[Span]:
    if scope["path"].startswith(_OPEN_PATHS):
        return nullcontext(Span())
    attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
    return span(scope["method"], attributes, kind="server")


def _tell(traced: Span, scope: Scope, status: int) -> None:
    """Name a request's span by its route, which is known only now, and say how it was answered."""
    route = getattr(scope.get("route"), "path", "")
    if route:
        traced.rename(f"{scope['method']} {route}")
    traced.note({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        traced.fail(f"answered {status}")


class _Exchange:
    """Sends an answer, with the request's id on it, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message).setdefault(REQUEST_ID_HEADER, self._request_id)
        await self._send(message)


class _Limited:
    """Receives a body up to a limit."""

    def __init__(self, receive: Receive, headers: Headers, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise self._too_large()

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise self._too_large()
        return message

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The body is larger than {self._limit} bytes. Send less, or raise the limits under 'http' in gennaker.yml."
        )


CreateApp = Callable[[Any], FastAPI]
Role = Callable[[Any, list[str]], None]


def serve(app: FastAPI, settings: ServiceSettings, host: str, port: int) -> None:
    """Serve an application until SIGTERM or SIGINT, then let the requests under way end.

    An application with requests that have no end of their own (live streams) ends them in
    `app.state.before_shutdown`.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            getattr(app.state, "before_shutdown", _nothing)()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.http.shutdown_grace_seconds,
    )
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_STARTUP_FAILED)


def _nothing() -> None:
    pass


def service_main(
    name: str,
    settings_type: type[ServiceSettings],
    create_app: CreateApp,
    *,
    roles: Mapping[str, Role] | None = None,
    database: bool = True,
) -> Callable[[], None]:
    """Make the `main` of `python -m <service> [api|migrate|migrated|…]`.

    `migrate` brings the schema up to date; `migrated` waits until somebody has. `roles` adds further ones (`worker`,
    `clock`): each gets the settings and the remaining arguments, and answers probes where the settings say so.
    """

    def api(settings: ServiceSettings, _: list[str]) -> None:
        endpoint = getattr(settings.services, name)
        serve(create_app(settings), settings, endpoint.host, endpoint.port)

    def migrate(settings: ServiceSettings, _: list[str]) -> None:
        Database(settings.database, schema=name).migrate()

    def migrated(settings: ServiceSettings, _: list[str]) -> None:
        from kork.probes import wait_until_migrated

        wait_until_migrated(Database(settings.database, schema=name))

    def probed(role: Role) -> Role:
        def run(settings: ServiceSettings, rest: list[str]) -> None:
            from kork.probes import serve_probes

            serve_probes(settings, Database(settings.database, schema=name))
            role(settings, rest)

        return run

    of_the_schema: dict[str, Role] = {"migrate": migrate, "migrated": migrated} if database else {}
    further = {role: probed(run) for role, run in (roles or {}).items()}
    known: dict[str, Role] = {"api": api} | of_the_schema | further

    def main() -> None:
        parser = argparse.ArgumentParser(prog=name)
        parser.add_argument("role", nargs="?", default="api", choices=sorted(known))
        arguments, rest = parser.parse_known_args()
        try:
            settings = load_settings(settings_type)
        except SettingsError as error:
            sys.exit(str(error))
        configure_logging(settings.logging)
        configure_tracing(name, settings.telemetry)
        try:
            known[arguments.role](settings, rest)
        except SettingsError as error:
            sys.exit(str(error))
        finally:
            end_tracing()

    return main
