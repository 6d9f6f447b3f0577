"""Bells: short messages that say what to look at. They may be lost, doubled or late.

They are Celery messages (protocol 2, as kombu lays them out on Redis), written here with one command
and no retries: an API that can't ring goes on at once, and the clock rings later. Celery's own
`send_task` costs five times as much and waits seconds for a Redis that is away.
"""

import base64
import uuid
from collections.abc import Iterable
from typing import Any, Protocol

import orjson
from kork.celery import ORCA_QUEUE, ORCA_TASKS_QUEUE
from kork.telemetry import log
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

ADVANCE = "orca.advance"
RUN = "orca.run"
_log = log("orca.bell")
_TIMEOUT_SECONDS = 2.0
_EMBEDDED: dict[str, None] = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))

Run = tuple[str, str, str, int]


class Bell(Protocol):
    """Tells workers what to look at, as well as it can."""

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        ...

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run: (execution, stage, task, attempt)."""
        ...


class CeleryBell:
    """Rings workers on Redis. What can't be rung is logged."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),
        )

    def advance(self, execution_ids: Iterable[str]) -> None:
        """Have executions advanced."""
        self._ring(ORCA_QUEUE, [message(ADVANCE, ORCA_QUEUE, [each]) for each in execution_ids])

    def run(self, runs: Iterable[Run]) -> None:
        """Have I/O tasks run."""
        self._ring(ORCA_TASKS_QUEUE, [message(RUN, ORCA_TASKS_QUEUE, list(each)) for each in runs])

    def _ring(self, queue: str, messages: list[bytes]) -> None:
        if not messages:
            return
        try:
            self._redis.lpush(queue, *messages)
        except (RedisError, OSError) as error:
            _log.warning("bell.silent", queue=queue, count=len(messages), error=str(error))


def message(task: str, queue: str, arguments: list[Any]) -> bytes:
    """Write a call of a Celery task as a worker reads it from Redis."""
    call_id = str(uuid.uuid4())
    body = base64.b64encode(orjson.dumps([arguments, {}, _EMBEDDED])).decode()
    return orjson.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": call_id,
                "root_id": call_id,
                "retries": 0,
                "timelimit": [None, None],
                "argsrepr": repr(arguments),
                "kwargsrepr": "{}",
                "ignore_result": True,
            },
            "properties": {
                "correlation_id": call_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": call_id,
            },
        }
    )
