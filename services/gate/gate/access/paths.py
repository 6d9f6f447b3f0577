"""Which requests are well-formed, before any route sees them.

A trailing slash means nothing (Spinnaker's Gate matches so). An encoded slash stays within its
segment: only the name of a pipeline may have one. What could make a service behind see another path
than gate did (`..`, a control character, a backslash) is refused.
"""

import re
from urllib.parse import unquote

from fastapi import Request
from kork.app import error_response
from kork.errors import BadRequest
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH = "\x01"


class NameConvertor(Convertor[str]):
    """A path segment that may have an encoded slash: `{name:pipeline_name}`."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Give the segment with its slashes."""
        return value.replace(_SLASH, "/")

    def to_string(self, value: str) -> str:
        """Give the segment as it stands in a path."""
        return value.replace("/", _SLASH)


register_url_convertor("pipeline_name", NameConvertor())


class Paths:
    """Refuses malformed paths and headers, and gives routes the path in its normal form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                _check_headers(scope["headers"])
                path = normal_path(scope.get("raw_path") or scope["path"].encode(), scope["query_string"])
            except BadRequest as error:
                await error_response(error)(scope, receive, send)
                return
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


def normal_path(raw: bytes, query: bytes = b"") -> str:
    """Decode a path; an encoded slash becomes U+0001. Raises `BadRequest` for what no path may have."""
    try:
        encoded = raw.partition(b"?")[0].decode("ascii")
        decoded = unquote(encoded, errors="strict")
        unquote(query.decode("ascii"), errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest("The address has bytes that are not percent-encoded UTF-8.") from error
    if any(character < " " or character in "\\\x7f" for character in decoded) or b"%00" in query:
        raise BadRequest("The address has a control character or a backslash, which no name here has.")
    if any(segment in (".", "..") for segment in decoded.split("/")):
        raise BadRequest("The path has a segment '.' or '..', which names nothing here.")
    marked = unquote(re.sub("%2f", "%01", encoded, flags=re.IGNORECASE), errors="strict")
    return marked.rstrip("/") or "/"


def refuse_encoded_slashes(request: Request) -> None:
    """Refuse a path whose encoded slash stands where no name may have one."""
    if any(_SLASH in str(value) for value in request.path_params.values()):
        raise BadRequest(
            "The path has an encoded slash (%2F) where no name has one. A pipeline whose name has a slash "
            "can be named so; other things can't."
        )


def _check_headers(headers: list[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if name.startswith((b"x-spinnaker-", b"x-gennaker-")) and not (
            value.isascii() and value.decode().isprintable()
        ):
            raise BadRequest(f"The header {name.decode('latin-1').upper()} has characters that are not plain ASCII.")
