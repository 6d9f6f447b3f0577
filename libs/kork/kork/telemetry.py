"""Logs and metrics.

Logs are events with fields, one JSON object a line, and name the request and the execution that they belong to
(`kork.trail`). Metrics are Prometheus'.
"""

import logging
import sys
from typing import Any, cast

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram

from kork.settings import LoggingSettings
from kork.trail import current_execution, current_request_id


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Give the logger `name`: `log("orca.worker").info("execution.completed", application=…)`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(component=name))


def _add_trail(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    if request_id := current_request_id():
        event.setdefault("request_id", request_id)
    if execution := current_execution():
        event.setdefault("execution", execution)
    return event


def configure_logging(settings: LoggingSettings) -> None:
    """Set up structlog, and send what libraries log through it, from `warning` upwards."""
    level = getattr(logging, settings.level.upper())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trail,
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
