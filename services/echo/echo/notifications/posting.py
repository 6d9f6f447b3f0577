"""Posting JSON to somebody else's server."""

from collections.abc import Mapping
from typing import Any

from kork.documents import write_json
from kork.errors import UpstreamError
from kork.http import ServiceClient

from echo.notifications.definition import SendFailed

_PASSING = frozenset({408, 425, 429})


async def post_json(http: ServiceClient, url: str, body: Any, headers: Mapping[str, str]) -> None:
    """Post once; raise `SendFailed` unless the answer is a 2xx. Redirects are not followed."""
    sent = {"Content-Type": "application/json", **headers}
    try:
        response = await http.post(url, content=write_json(body), headers=sent, raw=True)
    except UpstreamError as error:
        final = not error.network and error.status < 500 and error.status not in _PASSING
        words = error.upstream_message if error.network else f"it answered {error.status} {error.upstream_message}"
        raise SendFailed(words, final=final) from error
    except Exception as error:
        # What the HTTP library says of an address that it can't use.
        raise SendFailed(f"the address can't be used: {error}", final=True) from error
    if response.status_code >= 300:
        raise SendFailed(f"it answered with a redirect ({response.status_code}); give the final address", final=True)
