"""Bells: Celery messages that say what to look at, written with one command and without waiting.

They may be lost, doubled or late: whoever keeps the work rings again. The messages are Celery's (protocol 2), as
kombu lays them out on Redis; Celery's own `send_task` waits seconds for a Redis that is away.
"""

import base64
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from kork.telemetry import log

ORCA_QUEUE = "orca"
ORCA_TASKS_QUEUE = "orca.tasks"
CLOUDDRIVER_QUEUE = "clouddriver"

_log = log("kork.bell")
_TIMEOUT_SECONDS = 2.0
_EMBEDDED: dict[str, None] = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))


class Bell:
    """Rings workers on Redis. What can't be rung is logged."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),
        )

    def ring(self, task: str, queue: str, calls: Iterable[Sequence[Any]]) -> None:
        """Have a task run, once for each list of arguments (which are JSON)."""
        messages = [celery_message(task, queue, list(arguments)) for arguments in calls]
        if not messages:
            return
        try:
            self._redis.lpush(queue, *messages)
        except (RedisError, OSError) as error:
            _log.warning("bell.silent", queue=queue, count=len(messages), error=str(error))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def celery_message(task: str, queue: str, arguments: list[Any]) -> bytes:
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
