"""The services behind gate, and how an answer of theirs becomes gate's."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import quote

import httpx2 as httpx
import orjson
from fastapi import Request, Response
from kork.app import Health, HealthCheck
from kork.errors import NotFound, SpinnakerError, Unavailable, UpstreamError
from kork.http import ServiceClient
from kork.identity import ACCOUNTS_HEADER, USER_HEADER, Signer
from kork.settings import HttpSettings
from kork.trail import EXECUTION_ID_HEADER, ORIGIN_HEADER, REQUEST_ID_HEADER

from gate.settings import GateSettings

ServiceName = Literal["front50", "orca", "clouddriver", "echo"]
SERVICES: tuple[ServiceName, ...] = ("front50", "orca", "clouddriver", "echo")
APPLICATION_HEADER = "X-SPINNAKER-APPLICATION"
_NOT_COPIED = frozenset(
    header.lower() for header in (USER_HEADER, ACCOUNTS_HEADER, REQUEST_ID_HEADER, EXECUTION_ID_HEADER, ORIGIN_HEADER)
)
_HEALTH_TIMEOUT_SECONDS = 2.0


class Backends:
    """The clients of the services behind gate. A call carries the caller's identity and headers."""

    def __init__(self, settings: GateSettings, signer: Signer) -> None:
        self._clients = {name: _client(settings, signer, name, settings.http) for name in SERVICES}
        quick = HttpSettings(timeout_seconds=_HEALTH_TIMEOUT_SECONDS, connect_timeout_seconds=_HEALTH_TIMEOUT_SECONDS)
        self._probes = {name: _client(settings, signer, name, quick) for name in SERVICES}

    async def call(
        self,
        request: Request,
        service: ServiceName,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        application: str | None = None,
    ) -> httpx.Response:
        """Call a service. Raises `UpstreamError` with its status, 501 where it has no such path yet."""
        sent = forwarded_headers(request, application) | dict(headers or {})
        try:
            return await self._clients[service].request(
                method, path, params=params, json=json, content=content, headers=sent
            )
        except UpstreamError as error:
            raise _translated(error, service) from error

    async def get(self, request: Request, service: ServiceName, path: str, *, params: Any = None) -> Any:
        """GET parsed JSON from a service."""
        return parsed(await self.call(request, service, "GET", path, params=params), service)

    def checks(self) -> dict[str, HealthCheck]:
        """Make the health checks: a service that is away makes gate degraded, not down."""
        return {name: self._check(name) for name in SERVICES}

    def _check(self, name: ServiceName) -> HealthCheck:
        async def check() -> Health:
            try:
                async with asyncio.timeout(_HEALTH_TIMEOUT_SECONDS):
                    await self._probes[name].request("GET", "/health")
            except UpstreamError as error:
                return Health("DEGRADED", {"error": error.upstream_message, "status": error.status})
            except TimeoutError:
                return Health("DEGRADED", {"error": f"no answer within {_HEALTH_TIMEOUT_SECONDS:g} s"})
            return Health("UP")

        return check

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (*self._clients.values(), *self._probes.values()):
            await client.aclose()


def _client(settings: GateSettings, signer: Signer, name: ServiceName, http: HttpSettings) -> ServiceClient:
    return ServiceClient(getattr(settings.services, name).url(), service=name, signer=signer, settings=http)


def forwarded_headers(request: Request, application: str | None = None) -> dict[str, str]:
    """Give the headers that go on to a service: the caller's `X-SPINNAKER-…`, where it comes from, about what.

    The identity is not among them: it travels signed.
    """
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.startswith("x-spinnaker-") and name not in _NOT_COPIED
    }
    deck = request.headers.get("x-ratelimit-app", "").lower() == "deck"
    headers[ORIGIN_HEADER] = "deck" if deck else "api"
    about = application or request.path_params.get("application")
    if about and about.isascii() and about.isprintable():
        headers[APPLICATION_HEADER] = about
    return headers


def is_missing_path(error: UpstreamError) -> bool:
    """Say whether a service answered that it has no such path (not: no such thing)."""
    return error.status in (404, 405) and error.upstream_message.startswith(("No handler found", "Request method"))


def _translated(error: UpstreamError, service: ServiceName) -> SpinnakerError:
    if error.status == 401:
        return Unavailable(
            f"{service} does not believe gate's signature. Give both the same identity.secret.",
            extra={"service": service},
        )
    return error


def segment(value: Any) -> str:
    """Quote a value so that it is one segment of a path, whatever is in it."""
    return quote(str(value), safe="")


def parsed(response: httpx.Response, service: str) -> Any:
    """Give the JSON of an answer. Raises `Unavailable` when it is none."""
    if not response.content:
        return None
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"{service} answered with something that is not JSON: {error}.") from error


def relayed(response: httpx.Response, status: int | None = None) -> Response:
    """Pass an answer on, byte for byte."""
    return Response(
        response.content,
        status_code=status or response.status_code,
        media_type=response.headers.get("content-type", "application/json"),
    )


def not_implemented(message: str) -> SpinnakerError:
    """Make the error for what Spinnaker has and this platform has not."""
    return SpinnakerError(message, status=501, exception="java.lang.UnsupportedOperationException")


def upstream_body(error: UpstreamError) -> dict[str, Any]:
    """Give the body for a service's error: Spinnaker's, with the service's own list of errors."""
    body = error.body()
    if error.status == 403:
        body["message"] = "Access is denied"
    sent = error.upstream_body
    if isinstance(sent, dict) and "errors" in sent:
        body["errors"] = cast(dict[str, Any], sent)["errors"]
    return body


def not_found_or(error: UpstreamError, message: str) -> SpinnakerError:
    """Say `message` for a 404, and leave every other error as it is."""
    return NotFound(message) if error.status == 404 else error
