"""Applications out of two services, either of which may be away."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from fastapi import Request
from kork.documents import Document
from kork.errors import NotFound, SpinnakerError, Unavailable, UpstreamError
from kork.telemetry import log

from gate.applications.merge import matches, merge_lists, merge_one
from gate.backends import Backends, ServiceName, segment

_log = log("gate.applications")


class ApplicationService:
    """Reads applications. Keeps the last lists, to answer from while a service is away."""

    def __init__(self, backends: Backends, timeout_seconds: float) -> None:
        self._backends = backends
        self._timeout = timeout_seconds
        self._last: dict[ServiceName, list[Document]] = {}

    async def find_all(self, request: Request, account: str, owner: str) -> list[Document]:
        """List the applications, flat. Raises `Unavailable` when front50 is away and never answered before."""
        kept, seen = await asyncio.gather(
            self._list(request, "front50", "/v2/applications", {"restricted": "false"}),
            self._list(request, "clouddriver", "/applications", {"restricted": "false", "expand": "true"}),
        )
        if isinstance(kept, SpinnakerError):
            raise kept
        merged = merge_lists(kept, [] if isinstance(seen, SpinnakerError) else seen)
        return [application for application in merged if matches(application, account, owner)]

    async def get(self, request: Request, name: str, *, expand: bool) -> Document:
        """Give one application, with its clusters when `expand`. Raises `NotFound`, `Unavailable`.

        While clouddriver is away there are no clusters; while front50 is, its last list stands in.
        """
        kept = self._one(request, "front50", f"/v2/applications/{segment(name)}")
        seen = self._one(request, "clouddriver", f"/applications/{segment(name)}")
        known = self._known(name)
        if expand:
            ours, theirs = await asyncio.gather(kept, seen)
        else:
            ours, theirs = await kept, None
            if ours is None and known is None:
                theirs = await seen
            else:
                seen.close()
        if isinstance(ours, SpinnakerError):
            if known is None:
                raise ours
            ours = known
        merged = merge_one(name, ours, None if isinstance(theirs, SpinnakerError) else theirs, known)
        if merged is None:
            if isinstance(theirs, SpinnakerError):
                raise theirs
            raise NotFound(f"Application not found (id: {name})")
        return merged

    async def _list(
        self, request: Request, service: ServiceName, path: str, params: dict[str, str]
    ) -> list[Document] | SpinnakerError:
        found = await self._in_time(service, self._backends.get(request, service, path, params=params))
        if isinstance(found, SpinnakerError):
            return self._last.get(service, found)
        self._last[service] = cast(list[Document], found)
        return self._last[service]

    async def _one(self, request: Request, service: ServiceName, path: str) -> Document | SpinnakerError | None:
        found = await self._in_time(service, self._backends.get(request, service, path))
        if isinstance(found, UpstreamError) and found.status == 404:
            return None
        return found

    async def _in_time(self, service: ServiceName, answer: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            error: SpinnakerError = Unavailable(f"{service} gave no answer within {self._timeout:g} s.")
        except SpinnakerError as failure:
            if not isinstance(failure, UpstreamError) or failure.status < 500:
                if isinstance(failure, UpstreamError) and failure.status == 404:
                    return failure
                raise
            error = failure
        _log.warning("service.away", away=service, error=error.message)
        return error

    def _known(self, name: str) -> Document | None:
        wanted = name.strip().lower()
        kept, seen = (
            [entry for entry in self._last.get(service, []) if str(entry.get("name")).lower() == wanted]
            for service in ("front50", "clouddriver")
        )
        found = merge_lists(kept, seen)
        return found[0] if found else None
