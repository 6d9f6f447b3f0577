"""Sending spans by OTLP over HTTP. Imported only when an endpoint is set.

Spans go into a queue of bounded length, which a thread of its own empties: an endpoint that is slow or away costs
spans, never time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from kork.tracing import Attributes, Span, SpanKind

_EXPORT_SECONDS = 5
_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
}


class OtlpTracing:
    """Makes spans, each with the resource of its service, and sends them all through one queue."""

    def __init__(self, default_service: str, endpoint: str) -> None:
        self._default_service = default_service
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        )
        self._tracers: dict[str, trace.Tracer] = {}
        self._lock = threading.Lock()

    def span(self, name: str, service: str, kind: SpanKind, attributes: Attributes) -> Span:
        """Start a span below the current one."""
        tracer = self._tracer(service or self._default_service)
        return _LiveSpan(tracer.start_span(name, kind=_KINDS[kind], attributes=attributes))

    def traceparent(self) -> str:
        """Give the current span as W3C's `traceparent`, or an empty text."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent", "")

    @contextmanager
    def resumed(self, traceparent: str) -> Iterator[None]:
        """Make spans children of the one that `traceparent` names; one that can't be read begins a new trace."""
        token = context.attach(propagate.extract({"traceparent": traceparent}, context.Context()))
        try:
            yield
        finally:
            context.detach(token)

    def end(self) -> None:
        """Send what is left; may take long."""
        self._processor.shutdown()

    def _tracer(self, service: str) -> trace.Tracer:
        with self._lock:
            tracer = self._tracers.get(service)
            if tracer is None:
                resource = Resource.create({"service.name": service, "service.namespace": "gennaker"})
                provider = TracerProvider(resource=resource, shutdown_on_exit=False)
                provider.add_span_processor(self._processor)
                tracer = self._tracers[service] = provider.get_tracer("gennaker")
        return tracer


class _LiveSpan(Span):
    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None, /
    ) -> None:
        context.detach(self._token)
        if isinstance(error, Exception):
            self._span.record_exception(error)
            self.fail(f"{type(error).__name__}: {error}")
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        self._span.set_status(trace.StatusCode.ERROR, reason)
