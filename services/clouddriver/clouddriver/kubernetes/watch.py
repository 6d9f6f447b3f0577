"""Lists in pages and watches of one API server, for an event loop.

Source: Kubernetes' API concepts, "efficient detection of changes": list, then watch from the list's version;
bookmarks move the version on; 410 means that it is too old and a new list is due.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import httpx2 as httpx
import orjson

from clouddriver.kubernetes.client import refusal, unreachable
from clouddriver.kubernetes.discovery import ServedKind
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kubeconfig import Connection
from clouddriver.kubernetes.manifest import Manifest, items, mapping, metadata_of

ChangeType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]

_FIRST_PAGE, _SMALLEST_PAGE, _LARGEST_PAGE = 100, 10, 500
_PAGE_BYTES = 1_000_000
_CONNECT_SECONDS = 5.0
_LIST_SECONDS = 60.0
# An API server ends a watch after this time, and sends a bookmark about once a minute, so that silence for
# longer than _SILENCE_SECONDS means that the connection is dead, or may as well be made anew.
_WATCH_SECONDS = (240, 360)
_SILENCE_SECONDS = 130.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What one list or watch covers: a kind, in one namespace or (empty) in all."""

    served: ServedKind
    namespace: str = ""

    def __str__(self) -> str:
        where = f" in namespace '{self.namespace}'" if self.namespace else ""
        return f"{self.served.plural}{where}"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `version` is where to watch from after the last one."""

    manifests: list[Manifest]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """An event of a watch."""

    type: ChangeType
    manifest: Manifest
    version: str


class WatchClient:
    """One API server, asked by many watches at once. Methods raise `KubernetesError`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._http = httpx.AsyncClient(
            base_url=connection.server,
            verify=connection.verify,
            auth=connection.auth,
            proxy=connection.proxy,
            headers=[("User-Agent", "gennaker"), ("Accept", "application/json"), *connection.headers],
            timeout=httpx.Timeout(_LIST_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=30.0),
        )
        self._extensions = {"sni_hostname": connection.server_name} if connection.server_name else {}

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def probe(self) -> None:
        """Ask the cheapest question that needs a working connection and good credentials."""
        await self._get("/version", {})

    async def may_list(self, scope: Scope) -> bool:
        """Say whether a list is allowed."""
        try:
            await self._get(scope.served.path(scope.namespace), {"limit": "1"})
        except KubernetesError as error:
            if error.status == 403:
                return False
            raise
        return True

    async def pages(self, scope: Scope) -> AsyncIterator[Page]:
        """List a scope, page by page; the next one is on its way while the caller works on this one."""
        served = scope.served
        params = {"limit": str(_FIRST_PAGE)}
        under_way = asyncio.ensure_future(self._read(served.path(scope.namespace), params))
        try:
            while True:
                content = await under_way
                document = self._parsed(content, served.path(scope.namespace))
                metadata = metadata_of(document)
                if more := metadata.get("continue"):
                    limit = next_page_size(int(params["limit"]), len(content))
                    params = {"limit": str(limit), "continue": str(more)}
                    under_way = asyncio.ensure_future(self._read(served.path(scope.namespace), params))
                manifests = [
                    {"apiVersion": served.api_version, "kind": served.kind, **item}
                    for item in items(document.get("items"))
                ]
                yield Page(manifests, str(metadata.get("resourceVersion") or ""))
                if not more:
                    return
        finally:
            under_way.cancel()

    async def changes(self, scope: Scope, version: str) -> AsyncIterator[Change]:
        """Watch a scope from a version on, until the server ends the watch or is silent for too long.

        The first change is a bookmark of ours: the watch is open.
        """
        params = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        try:
            async with self._http.stream(
                "GET", scope.served.path(scope.namespace), params=params, timeout=timeout, extensions=self._extensions
            ) as response:
                if not response.is_success:
                    raise refusal(response.status_code, await response.aread())
                yield Change("BOOKMARK", {}, version)
                async for line in _lines(response):
                    yield _change(orjson.loads(line))
        except httpx.ReadTimeout:
            return
        except httpx.TransportError as error:
            raise unreachable(self.connection, error) from error
        except orjson.JSONDecodeError as error:
            raise KubernetesError(502, "NotJson", f"The watch of {scope} sent something that is no JSON.") from error

    async def _get(self, path: str, params: dict[str, str]) -> Manifest:
        return self._parsed(await self._read(path, params), path)

    async def _read(self, path: str, params: dict[str, str]) -> bytes:
        try:
            response = await self._http.get(path, params=params, extensions=self._extensions)
        except httpx.TransportError as error:
            raise unreachable(self.connection, error) from error
        if not response.is_success:
            raise refusal(response.status_code, response.content)
        return response.content

    def _parsed(self, content: bytes, path: str) -> Manifest:
        try:
            return mapping(orjson.loads(content))
        except orjson.JSONDecodeError as error:
            raise KubernetesError(502, "NotJson", f"{self.connection.server}{path} didn't answer with JSON.") from error


def next_page_size(limit: int, received: int) -> int:
    """Choose how many objects the next page has, so that it is neither big in memory nor one of very many."""
    wanted = limit * _PAGE_BYTES // max(received, 1)
    return max(_SMALLEST_PAGE, min(wanted, limit * 4, _LARGEST_PAGE))


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _change(event: Any) -> Change:
    body = mapping(event)
    manifest = mapping(body.get("object"))
    type = body.get("type")
    if type == "ERROR":
        raise KubernetesError(
            int(manifest.get("code") or 500),
            str(manifest.get("reason") or "Unknown"),
            str(manifest.get("message") or "the watch ended with an error"),
            details=manifest,
        )
    if type not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise KubernetesError(502, "NotAnEvent", f"The watch sent '{type}', which is no event.")
    return Change(cast(ChangeType, type), manifest, str(metadata_of(manifest).get("resourceVersion") or ""))
