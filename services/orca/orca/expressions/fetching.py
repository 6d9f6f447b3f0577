"""The text at an address that a user wrote, within the operator's restrictions (`userConfiguredUrlRestrictions`)."""

import time
from typing import Any

import httpx2
from kork.urls import pinned
from spel import LimitError

from orca.expressions.texts import failed
from orca.webhooks.addresses import ForbiddenAddress, UnknownHost, check_url, resolve
from orca.webhooks.settings import WebhookUrlRestrictions, url_restrictions

_LONGEST = 1_000_000
_MOST_REDIRECTS = 10
_AGAIN = frozenset({429, 500, 502, 503, 504})


class _MayPass(Exception):
    """A failure that the same request may not meet again."""


def fetched(url: str, http: httpx2.Client, settings: Any) -> str:
    """GET the text at an address; raise `Thrown` saying why there is none, `LimitError` when it is too long.

    Redirects are followed, each within the restrictions. What may pass (no connection, 429, 5xx) is tried again as
    `httpClientProperties` says.
    """
    restrictions = url_restrictions(settings)
    client = restrictions.http_client_properties
    tries = 1 + (client.max_retry_attempts if client.enable_retry else 0)
    for last in (attempt == tries for attempt in range(1, tries + 1)):
        try:
            return _read(url, http, restrictions)
        except (ForbiddenAddress, UnknownHost, httpx2.HTTPError, httpx2.InvalidURL, _MayPass) as error:
            passing = isinstance(error, _MayPass | httpx2.TransportError)
            if last or not passing:
                raise failed(f"#from({url[:200]}) failed: {error or type(error).__name__}") from error
        time.sleep(client.retry_interval / 1000)
    raise AssertionError("there is a last attempt")


def _read(url: str, http: httpx2.Client, restrictions: WebhookUrlRestrictions) -> str:
    target = check_url(url, restrictions)
    end = time.monotonic() + restrictions.http_client_properties.timeout_millis / 1000
    for _ in range(_MOST_REDIRECTS):
        found = _once(target, http, restrictions, end)
        if isinstance(found, str):
            return found
        target = check_url(str(target.join(found)), restrictions)
    raise failed(f"#from({url[:200]}) failed: it redirects more than {_MOST_REDIRECTS} times")


def _once(url: httpx2.URL, http: httpx2.Client, restrictions: WebhookUrlRestrictions, end: float) -> str | httpx2.URL:
    """Give the text, or where a redirect leads to."""
    failure: Exception | None = None
    for address in resolve(url, restrictions):
        where = pinned(url, address)
        timeout = httpx2.Timeout(max(0.01, end - time.monotonic()))
        try:
            with http.stream(
                "GET",
                where.url,
                headers=where.headers,
                extensions=where.extensions,
                timeout=timeout,
                follow_redirects=False,
            ) as response:
                return _answer(response, end)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            failure = error
    raise failure or _MayPass(f"'{url.host}' has no address")


def _answer(response: httpx2.Response, end: float) -> str | httpx2.URL:
    location = response.headers.get("location")
    if response.is_redirect and location:
        return httpx2.URL(location)
    if response.status_code >= 400:
        what = f"it answered {response.status_code} {response.reason_phrase}".rstrip()
        raise _MayPass(what) if response.status_code in _AGAIN else failed(f"#from({response.url.host}) failed: {what}")
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _LONGEST:
            raise LimitError(f"The address answers more than {_LONGEST} bytes")
        if time.monotonic() > end:
            raise _MayPass("it answers too slowly")
        parts.append(part)
    return b"".join(parts).decode(response.charset_encoding or "utf-8", errors="replace").replace("\0", "\ufffd")
