"""Sends one request to an address that a user wrote, within the operator's restrictions and limits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx2
import orjson
from kork.urls import IpAddress, pinned

from orca.webhooks.addresses import allowing, check_url, resolve
from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions

_MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOTAL_FACTOR = 3
_DENIED = frozenset(
    {
        "x-spinnaker-user",
        "x-spinnaker-accounts",
        "x-spinnaker-account",
        "x-spinnaker-user-origin",
        "x-spinnaker-request-id",
        "x-spinnaker-execution-id",
        "x-gennaker-identity",
        "host",
        "content-length",
    }
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
Sign = Callable[[bytes], Mapping[str, str]]
_SPRING_NAMES = {413: "PAYLOAD_TOO_LARGE", 414: "URI_TOO_LONG", 416: "REQUESTED_RANGE_NOT_SATISFIABLE"}
_FORM = "application/x-www-form-urlencoded"


class RequestFailed(Exception):
    """A request got no usable answer. `again` says that sending it once more may help and does no harm."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body parsed when it is JSON, else as text."""

    url: str
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def status_name(self) -> str:
        """Give the status as Spring names it (`OK`, `NOT_FOUND`)."""
        try:
            return _SPRING_NAMES.get(self.status) or HTTPStatus(self.status).name
        except ValueError:
            return str(self.status)

    def header(self, name: str) -> str | None:
        """Find a header, whatever its case."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    @property
    def excerpt(self) -> str:
        """Give the beginning of the body as text."""
        if self.body is None:
            return "an empty body"
        text = self.body if isinstance(self.body, str) else orjson.dumps(self.body).decode()
        return text if len(text) <= 300 else f"{text[:300]}…"


class WebhookClient:
    """Sends requests; made per call, on a client that is shared."""

    def __init__(self, http: httpx2.Client, settings: WebhookSettings, restrictions: WebhookUrlRestrictions) -> None:
        self._http = http
        self._settings = settings
        self._restrictions = restrictions
        self._timeout = httpx2.Timeout(settings.read_timeout_ms / 1000, connect=settings.connect_timeout_ms / 1000)

    def send(
        self,
        method: str,
        url: str,
        *,
        payload: Any = None,
        headers: Mapping[str, Any] | None = None,
        secret_headers: Mapping[str, Any] | None = None,
        sign: Sign | None = None,
    ) -> Answer:
        """Send a request and follow its redirects.

        `secret_headers` win over `headers`; they and the signature that `sign` makes of a body go to the address
        itself, not to another host that it redirects to. Raises `ForbiddenAddress` for an address that may not be
        called, `UnknownHost`, and `RequestFailed` when there is no answer or it is too long. An error status is an
        answer.
        """
        sent, secret = sent_headers(headers), sent_headers(secret_headers)
        content = _content(method, payload, sent)
        if content is not None and len(content) > self._settings.max_request_bytes:
            limit = self._settings.max_request_bytes
            raise RequestFailed(f"the payload has {len(content)} bytes; webhook.maxRequestBytes is {limit}")
        first = target = check_url(url, self._restrictions)
        for _ in range(_MAX_REDIRECTS):
            own = _is_same_place(first, target)
            going = _merged(sent, secret) if own else sent
            answer = self._once(method, target, content, going, sign if own else None)
            location = answer.header("location")
            if answer.status not in _REDIRECTS or location is None or not self._settings.follow_redirects:
                return answer
            before, target = target, target.join(location)
            if self._settings.verify_redirects:
                target = check_url(str(target), self._restrictions)
            if not _is_same_place(before, target):
                sent = {key: value for key, value in sent.items() if key.lower() not in _SECRET_HEADERS}
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, content = "GET", None
        raise RequestFailed(f"{url} redirects more than {_MAX_REDIRECTS} times")

    def _once(
        self, method: str, url: httpx2.URL, content: bytes | None, headers: dict[str, str], sign: Sign | None
    ) -> Answer:
        failure: RequestFailed | None = None
        allowed = allowing(method, url, self._settings)
        harmless = method in ("GET", "HEAD") or (allowed is not None and allowed.safe_to_retry)
        signed = headers if sign is None else _merged(headers, sign(content or b""))
        for address in resolve(url, self._restrictions):
            try:
                return self._to_address(address, method, url, content, signed)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = RequestFailed(f"{url} can't be reached: {error or 'timeout'}", again=True)
            except httpx2.TimeoutException as error:
                seconds = self._settings.read_timeout_ms / 1000
                raise RequestFailed(f"{url} did not answer within {seconds:g} s", again=harmless) from error
            except httpx2.HTTPError as error:
                raise RequestFailed(f"{url} broke off: {error or type(error).__name__}", again=harmless) from error
        raise failure or RequestFailed(f"{url} has no address")

    def _to_address(
        self, address: IpAddress, method: str, url: httpx2.URL, content: bytes | None, headers: dict[str, str]
    ) -> Answer:
        target = pinned(url, address)
        with self._http.stream(
            method,
            target.url,
            content=content,
            headers=target.headers | headers,
            timeout=self._timeout,
            follow_redirects=False,
            extensions=target.extensions,
        ) as response:
            body = self._read(response, url)
            return Answer(str(url), response.status_code, dict(response.headers), _parsed(body, response))

    def _read(self, response: httpx2.Response, url: httpx2.URL) -> bytes:
        limit, parts, size = self._settings.max_response_bytes, list[bytes](), 0
        end = time.monotonic() + _TOTAL_FACTOR * self._settings.read_timeout_ms / 1000
        for part in response.iter_bytes():
            size += len(part)
            if size > limit:
                raise RequestFailed(f"{url} answered more than {limit} bytes (webhook.maxResponseBytes)")
            if time.monotonic() > end:
                raise RequestFailed(f"{url} answers too slowly")
            parts.append(part)
        return b"".join(parts)


def sent_headers(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Give headers as they are sent: lists joined, nulls and what only the platform may say left out."""
    kept: dict[str, str] = {}
    for key, value in (given or {}).items():
        if key.lower() not in _DENIED and value is not None:
            kept[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]
    return kept


def _merged(headers: Mapping[str, str], winning: Mapping[str, str]) -> dict[str, str]:
    names = {key.lower() for key in winning}
    return {key: value for key, value in headers.items() if key.lower() not in names} | dict(winning)


def _is_same_place(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Say whether headers for one place may go to the other: itself, or its safer form on the default port."""
    safer = (one.scheme, other.scheme, one.port, other.port) == ("http", "https", None, None)
    return one.host == other.host and (safer or (one.scheme, one.port) == (other.scheme, other.port))


def _content(method: str, payload: Any, headers: dict[str, str]) -> bytes | None:
    if payload is None or method in ("GET", "HEAD"):
        return None
    kind = next((value for key, value in headers.items() if key.lower() == "content-type"), None)
    if kind is None:
        headers["Content-Type"] = "application/json"
    elif kind.lower().startswith(_FORM) and isinstance(payload, dict):
        return urlencode(payload, doseq=True).encode()  # pyright: ignore[reportUnknownArgumentType]
    return payload.encode() if isinstance(payload, str) else orjson.dumps(payload)


def _parsed(body: bytes, response: httpx2.Response) -> Any:
    if not body:
        return None
    kind = response.headers.get("content-type", "").lower()
    if "json" in kind or body.lstrip()[:1] in (b"{", b"["):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return body.decode(response.charset_encoding or "utf-8", errors="replace").replace("\0", "�")
