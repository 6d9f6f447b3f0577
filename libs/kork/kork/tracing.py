"""Traces: spans from a webhook to the cloud call, sent by OTLP when an endpoint is set.

Without an endpoint nothing is imported and nothing is made: a span is a call that gives the same empty one. All
services of a process send through one queue; each is a resource of its own (`service.name`), so a trace shows who did
what.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Literal, Protocol

from kork.settings import TelemetrySettings

SpanKind = Literal["internal", "server", "client"]
Attributes = Mapping[str, str | int | bool]
_LAST_SECONDS = 2.0

current_service: ContextVar[str] = ContextVar("service", default="")


class Span:
    """A block that is traced. This one is what there is while tracing is off: it does nothing."""

    __slots__ = ()

    def __enter__(self) -> "Span":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None, /
    ) -> None:
        return None

    def rename(self, name: str) -> None:
        """Give the span the name that only its work could tell."""

    def note(self, attributes: Attributes) -> None:
        """Add what the work showed."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed; an exception that leaves the block does so by itself."""


class Tracing(Protocol):
    """Makes spans and sends them."""

    def span(self, name: str, service: str, kind: SpanKind, attributes: Attributes) -> Span:
        """Start a span below the current one."""
        ...

    def traceparent(self) -> str:
        """Give the current span as W3C's `traceparent`, or an empty text."""
        ...

    def resumed(self, traceparent: str) -> AbstractContextManager[object]:
        """Make spans children of a span of another process, or of another time, during a block."""
        ...

    def end(self) -> None:
        """Send what is left; may take long."""
        ...


_NOTHING = Span()
_UNCHANGED: AbstractContextManager[object] = nullcontext()
_tracing: Tracing | None = None


def configure_tracing(service: str, settings: TelemetrySettings) -> None:
    """Send traces to `settings.endpoint`, once per process; do nothing, and import nothing heavy, without one.

    `service` names spans of code that doesn't say to which service it belongs.
    """
    global _tracing
    if settings.endpoint and _tracing is None:
        from kork.otlp import OtlpTracing

        _tracing = OtlpTracing(service, settings.endpoint)


def end_tracing() -> None:
    """Send the last spans at the end of the process, and wait for it two seconds at most."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing is not None:
        sender = threading.Thread(target=tracing.end, name="last-spans", daemon=True)
        sender.start()
        sender.join(_LAST_SECONDS)


def span(name: str, attributes: Attributes | None = None, *, kind: SpanKind = "internal") -> Span:
    """Trace a block: `with span("start", {"gennaker.execution.id": id}): …`. Free while tracing is off."""
    if _tracing is None:
        return _NOTHING
    return _tracing.span(name, current_service.get(), kind, attributes or {})


def traceparent() -> str:
    """Give what continues the current trace elsewhere or later; empty while tracing is off."""
    return _tracing.traceparent() if _tracing is not None else ""


def resumed_trace(traceparent: str) -> AbstractContextManager[object]:
    """Continue a trace during a block."""
    return _tracing.resumed(traceparent) if _tracing is not None and traceparent else _UNCHANGED
