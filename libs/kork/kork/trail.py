"""What leads from work back to the request that began it: through calls, stored work, workers and the bus.

A service reads it from a request's headers, its logs and spans carry it, calls to other services carry it on. Whoever
stores work to be done later stores the trail beside it, and follows it when the work is done.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, cast

from kork import tracing

REQUEST_ID_HEADER = "X-SPINNAKER-REQUEST-ID"
EXECUTION_ID_HEADER = "X-SPINNAKER-EXECUTION-ID"
ORIGIN_HEADER = "X-SPINNAKER-USER-ORIGIN"
_TRACE_HEADER = "traceparent"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Trail:
    """The id of the request, the execution for which the work is done, where its user is (`deck`, `api`), the trace.

    Each is empty where it isn't known.
    """

    request_id: str = ""
    execution: str = ""
    origin: str = ""
    traceparent: str = ""

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> "Trail":
        """Read the trail of a request; what could not be sent on in a header is left out."""
        return cls(
            _sendable(headers.get(REQUEST_ID_HEADER)),
            _sendable(headers.get(EXECUTION_ID_HEADER)),
            _sendable(headers.get(ORIGIN_HEADER)),
            _sendable(headers.get(_TRACE_HEADER)),
        )

    @classmethod
    def of_document(cls, document: Any) -> "Trail":
        """Read what `document` wrote; nothing of anything else."""
        if not isinstance(document, dict):
            return cls()
        kept = cast(dict[str, str], document)
        return cls(
            kept.get("requestId", ""), kept.get("execution", ""), kept.get("origin", ""), kept.get("traceparent", "")
        )

    def document(self) -> dict[str, str] | None:
        """Give it as JSON, to be stored; None when there is nothing to store."""
        named = {
            "requestId": self.request_id,
            "execution": self.execution,
            "origin": self.origin,
            "traceparent": self.traceparent,
        }
        return {name: value for name, value in named.items() if value} or None

    def to(self, execution: str) -> "Trail":
        """Give the trail of an execution's work; without a request's id it is known by the execution's.

        Source: Spinnaker's AuthenticatedRequest.
        """
        return replace(self, execution=execution, request_id=self.request_id or execution)


_NONE = Trail()
_current: ContextVar[Trail] = ContextVar("trail", default=_NONE)


def current_trail() -> Trail:
    """Give the trail that this code follows, its trace being the current span's; to be stored with work for later."""
    trail = _current.get()
    parent = tracing.traceparent()
    return replace(trail, traceparent=parent) if parent != trail.traceparent else trail


def current_request_id() -> str:
    """Give the id of the request being served, or an empty string."""
    return _current.get().request_id


def current_execution() -> str:
    """Give the id of the execution for which this code works, or an empty string."""
    return _current.get().execution


@contextmanager
def follow(trail: Trail, *, service: str = "") -> Iterator[None]:
    """Follow a trail during a block: its logs, spans and calls to other services carry it.

    `service` says to which service the block belongs, where that isn't known from around it.
    """
    token = _current.set(trail)
    serving = tracing.current_service.set(service) if service else None
    try:
        with tracing.resumed_trace(trail.traceparent):
            yield
    finally:
        _current.reset(token)
        if serving is not None:
            tracing.current_service.reset(serving)


def trail_headers() -> dict[str, str]:
    """Give the headers by which another service goes on with the current trail."""
    trail = _current.get()
    headers: dict[str, str] = {}
    if trail.request_id:
        headers[REQUEST_ID_HEADER] = trail.request_id
    if trail.execution:
        headers[EXECUTION_ID_HEADER] = trail.execution
    if trail.origin:
        headers[ORIGIN_HEADER] = trail.origin
    if parent := tracing.traceparent():
        headers[_TRACE_HEADER] = parent
    return headers


def _sendable(value: str | None) -> str:
    return value if value and len(value) <= _LONGEST and value.isascii() and value.isprintable() else ""
