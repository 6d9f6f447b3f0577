"""Calls to other services: one client, its timeouts, its retries, its errors.

A call is retried only where repeating it is safe: GET, HEAD, PUT and DELETE, when the other side
could not be reached or answered 502, 503 or 504. A POST is never sent twice.
"""

from collections.abc import Mapping
from typing import Any

import httpx2 as httpx
import orjson
import stamina

from kork.errors import UpstreamError
from kork.identity import Signer, current_identity, identity_headers
from kork.settings import HttpSettings
from kork.tracing import Span, span
from kork.trail import trail_headers

_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PASSING = frozenset({502, 503, 504})
_ATTEMPTS = 3
_MAX_WAIT_SECONDS = 1.0


class _Passing(Exception):
    """A failure that the same call may not meet again."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error.message)
        self.error = error


def _verifies(base_url: str) -> bool:
    """Say whether certificates will be looked at; loading the authorities takes time and memory."""
    return not base_url.startswith("http://")


def _timeouts(settings: HttpSettings) -> httpx.Timeout:
    return httpx.Timeout(settings.timeout_seconds, connect=settings.connect_timeout_seconds)


def _headers(signer: Signer | None, extra: Mapping[str, str] | None) -> dict[str, str]:
    headers = trail_headers()
    if signer is not None:
        headers |= identity_headers(current_identity(), signer)
    return headers | dict(extra or {})


def _content(json: Any, headers: dict[str, str]) -> bytes | None:
    if json is None:
        return None
    headers.setdefault("Content-Type", "application/json")
    return orjson.dumps(json)


def _decode(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response.text


def _upstream_error(service: str, response: httpx.Response) -> UpstreamError:
    body = _decode(response)
    said = body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    words = said if isinstance(said, str) and said else response.reason_phrase
    method, url = response.request.method, str(response.request.url)
    return UpstreamError(
        f"Status: {response.status_code}, Method: {method}, URL: {url}, Message: {words}",
        status=response.status_code,
        method=method,
        url=url,
        upstream_body=body,
        upstream_message=words,
        extra={"service": service},
    )


def _network_error(service: str, method: str, url: str, error: Exception) -> UpstreamError:
    reason = str(error) or type(error).__name__
    return UpstreamError(
        f"{service} can't be reached at {url}: {reason}",
        status=503,
        method=method,
        url=url,
        upstream_message=reason,
        network=True,
        exception="com.netflix.spinnaker.kork.retrofit.exceptions.SpinnakerNetworkException",
        extra={"service": service},
    )


def _check(service: str, response: httpx.Response, method: str) -> None:
    if response.status_code < 400:
        return
    error = _upstream_error(service, response)
    if method in _SAFE and response.status_code in _PASSING:
        raise _Passing(error)
    raise error


def client_span(method: str, peer: str, url: str) -> Span:
    """Trace a call to `peer`."""
    return span(f"{method} {peer}", {"http.request.method": method, "url.full": url}, kind="client")


class ServiceClient:
    """Calls another service from an event loop, on behalf of the current identity."""

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        signer: Signer | None = None,
        settings: HttpSettings | None = None,
    ) -> None:
        self.service = service
        self.base_url = base_url.rstrip("/")
        self._signer = signer
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            timeout=_timeouts(settings or HttpSettings()),
            verify=_verifies(self.base_url),
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and give the answer; raise `UpstreamError` for an error status or no answer."""
        with self._span(method, path) as traced:
            sent = _headers(self._signer, headers)
            body = content if content is not None else _content(json, sent)
            try:
                async for attempt in stamina.retry_context(
                    on=_Passing, attempts=_ATTEMPTS, wait_initial=0.05, wait_max=_MAX_WAIT_SECONDS
                ):
                    with attempt:
                        response = await self._once(method, path, body, params, sent)
                        traced.note({"http.response.status_code": response.status_code})
                        return response
            except _Passing as failure:
                raise failure.error from failure
            raise AssertionError("a retry context ends by an answer or an error")

    def _span(self, method: str, path: str) -> Span:
        return client_span(method, self.service, f"{self.base_url}{path}")

    async def _once(
        self, method: str, path: str, body: bytes | None, params: Any, headers: dict[str, str]
    ) -> httpx.Response:
        try:
            response = await self._client.request(method, path, content=body, params=params, headers=headers)
        except httpx.TransportError as error:
            failure = _network_error(self.service, method, f"{self.base_url}{path}", error)
            raise (_Passing(failure) if method in _SAFE else failure) from error
        _check(self.service, response, method)
        return response

    async def get(self, path: str, *, params: Any = None, raw: bool = False, **options: Any) -> Any:
        """GET: the parsed JSON, or with `raw` the response itself."""
        response = await self.request("GET", path, params=params, **options)
        return response if raw else _decode(response)

    async def post(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """POST, never repeated: the parsed JSON, or with `raw` the response itself."""
        response = await self.request("POST", path, json=json, **options)
        return response if raw else _decode(response)

    async def put(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PUT: the parsed JSON, or with `raw` the response itself."""
        response = await self.request("PUT", path, json=json, **options)
        return response if raw else _decode(response)

    async def patch(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PATCH, never repeated: the parsed JSON, or with `raw` the response itself."""
        response = await self.request("PATCH", path, json=json, **options)
        return response if raw else _decode(response)

    async def delete(self, path: str, *, raw: bool = False, **options: Any) -> Any:
        """DELETE: the parsed JSON, or with `raw` the response itself."""
        response = await self.request("DELETE", path, **options)
        return response if raw else _decode(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class SyncServiceClient:
    """Calls another service from a worker, on behalf of the current identity."""

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        signer: Signer | None = None,
        settings: HttpSettings | None = None,
    ) -> None:
        self.service = service
        self.base_url = base_url.rstrip("/")
        self._signer = signer
        self._client = httpx.Client(
            base_url=self.base_url,
            timeout=_timeouts(settings or HttpSettings()),
            verify=_verifies(self.base_url),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and give the answer; raise `UpstreamError` for an error status or no answer."""
        with self._span(method, path) as traced:
            sent = _headers(self._signer, headers)
            body = content if content is not None else _content(json, sent)
            try:
                for attempt in stamina.retry_context(
                    on=_Passing, attempts=_ATTEMPTS, wait_initial=0.05, wait_max=_MAX_WAIT_SECONDS
                ):
                    with attempt:
                        response = self._once(method, path, body, params, sent)
                        traced.note({"http.response.status_code": response.status_code})
                        return response
            except _Passing as failure:
                raise failure.error from failure
            raise AssertionError("a retry context ends by an answer or an error")

    def _span(self, method: str, path: str) -> Span:
        return client_span(method, self.service, f"{self.base_url}{path}")

    def _once(self, method: str, path: str, body: bytes | None, params: Any, headers: dict[str, str]) -> httpx.Response:
        try:
            response = self._client.request(method, path, content=body, params=params, headers=headers)
        except httpx.TransportError as error:
            failure = _network_error(self.service, method, f"{self.base_url}{path}", error)
            raise (_Passing(failure) if method in _SAFE else failure) from error
        _check(self.service, response, method)
        return response

    def get(self, path: str, *, params: Any = None, raw: bool = False, **options: Any) -> Any:
        """GET: the parsed JSON, or with `raw` the response itself."""
        response = self.request("GET", path, params=params, **options)
        return response if raw else _decode(response)

    def post(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """POST, never repeated: the parsed JSON, or with `raw` the response itself."""
        response = self.request("POST", path, json=json, **options)
        return response if raw else _decode(response)

    def put(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PUT: the parsed JSON, or with `raw` the response itself."""
        response = self.request("PUT", path, json=json, **options)
        return response if raw else _decode(response)

    def patch(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any:
        """PATCH, never repeated: the parsed JSON, or with `raw` the response itself."""
        response = self.request("PATCH", path, json=json, **options)
        return response if raw else _decode(response)

    def delete(self, path: str, *, raw: bool = False, **options: Any) -> Any:
        """DELETE: the parsed JSON, or with `raw` the response itself."""
        response = self.request("DELETE", path, **options)
        return response if raw else _decode(response)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
