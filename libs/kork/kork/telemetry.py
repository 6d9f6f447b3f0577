"""Logs, metrics, request ids and traces.

Logs are events with fields, one JSON object a line. Metrics are Prometheus'. Traces follow an
execution from webhook to cloud call; the exporter is imported only when an endpoint is set.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram

from kork.settings import LoggingSettings, TelemetrySettings

REQUEST_ID_HEADER = "X-SPINNAKER-REQUEST-ID"

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_tracing = False
_service = "gennaker"


def current_request_id() -> str:
    """Give the id of the request being served, or an empty string."""
    return _request_id.get()


@contextmanager
def request_id_context(request_id: str) -> Iterator[None]:
    """Carry `request_id` through a block: into its logs and its calls to other services."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Give the logger `name`: `log("orca.worker").info("execution.completed", application=…)`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(component=name))


def _add_request_id(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    request_id = _request_id.get()
    if request_id:
        event["request_id"] = request_id
    return event


def configure_logging(settings: LoggingSettings) -> None:
    """Set up structlog, and send what libraries log through it, from `warning` upwards."""
    level = getattr(logging, settings.level.upper())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
    ]
    if settings.format == "json":
        renderer: Any = structlog.processors.JSONRenderer(serializer=_dumps)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.root.handlers = [handler]
    logging.root.setLevel(max(level, logging.WARNING))


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def counter(name: str, description: str, *labels: str) -> Counter:
    """Declare a Prometheus counter. Declare each name once, at import."""
    return Counter(name, description, labels)


def gauge(name: str, description: str, *labels: str) -> Gauge:
    """Declare a Prometheus gauge. Declare each name once, at import."""
    return Gauge(name, description, labels)


def histogram(name: str, description: str, *labels: str) -> Histogram:
    """Declare a Prometheus histogram of seconds. Declare each name once, at import."""
    return Histogram(name, description, labels)


def configure_tracing(service: str, settings: TelemetrySettings) -> None:
    """Send traces to `settings.endpoint`; do nothing, and import nothing heavy, without one."""
    global _tracing, _service
    _service = service
    if not settings.endpoint or _tracing:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _tracing = True


@contextmanager
def span(name: str, carrier: dict[str, str] | None = None, **attributes: str | int | bool) -> Iterator[None]:
    """Trace a block; `carrier` holds the incoming `traceparent`. Free when tracing is off."""
    if not _tracing:
        yield
        return
    from opentelemetry import propagate, trace

    parent = propagate.extract(carrier) if carrier else None
    with trace.get_tracer(_service).start_as_current_span(name, context=parent, attributes=attributes):
        yield


def trace_headers() -> dict[str, str]:
    """Give the headers that continue the current trace in another service."""
    headers: dict[str, str] = {}
    if _tracing:
        from opentelemetry import propagate

        propagate.inject(headers)
    return headers
