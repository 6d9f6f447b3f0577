"""Which web pages may call gate (CORS).

Source: Spinnaker's Gate sends these headers on every answer and answers every OPTIONS itself. Beyond
Gate: what changes something is refused to pages of foreign origins, because an anonymous gate on
loopback would otherwise obey any page that its user visits.
"""

import re

from kork.app import error_response
from kork.errors import Forbidden
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "POST, GET, OPTIONS, DELETE, PUT, PATCH"
_HEADERS = "x-requested-with, content-type, authorization, X-RateLimit-App, X-Spinnaker-Priority, Last-Event-ID"
_EXPOSED = "X-AUTH-REDIRECT-URL, X-SPINNAKER-REQUEST-ID"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Adds the CORS headers, answers preflights, refuses changes from foreign pages."""

    def __init__(self, app: ASGIApp, *, allowed: str) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        known = not origin or self.knows(origin, headers.get("host", ""))

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(scope=message), origin if known else "")
            await send(message)

        if scope["method"] == "OPTIONS":
            await Response(status_code=200)(scope, receive, marked)
        elif known or scope["method"] in _READING:
            await self._app(scope, receive, marked)
        else:
            refusal = Forbidden(
                f"Pages of {origin} may not change anything here. "
                "If they may, let cors.allowedOriginsPattern match the origin."
            )
            await error_response(refusal)(scope, receive, marked)

    def knows(self, origin: str, host: str) -> bool:
        """Say whether pages of `origin` may call: allowed by the settings, or gate's own pages."""
        own = origin.partition("://")[2]
        return allows(self._allowed, origin) or (own == host and _is_local(host))


def allows(pattern: str, origin: str) -> bool:
    """Say whether the whole of `origin` (`scheme://host:port`) matches the pattern of the settings."""
    return re.fullmatch(pattern, origin) is not None


def _is_local(host: str) -> bool:
    return host.rpartition(":")[0] in ("localhost", "127.0.0.1", "[::1]")


def _mark(headers: MutableHeaders, origin: str) -> None:
    headers["Access-Control-Allow-Credentials"] = "true"
    headers["Access-Control-Allow-Origin"] = origin or "*"
    headers["Access-Control-Allow-Methods"] = _METHODS
    headers["Access-Control-Max-Age"] = "3600"
    headers["Access-Control-Allow-Headers"] = _HEADERS
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    headers.add_vary_header("Origin")
