"""Celery as a bell.

A message carries ids only; what it stands for is in Postgres. So nothing is configured that would
make Celery a store: no result backend, no ETA, no reliance on redelivery. A lost message is rung
again by whoever keeps the work (orca's clock, clouddriver's sweep).
"""

from collections.abc import Iterable
from typing import Any

from celery import Celery

from kork.settings import ServiceSettings

ORCA_QUEUE = "orca"
ORCA_TASKS_QUEUE = "orca.tasks"
CLOUDDRIVER_QUEUE = "clouddriver"

_LONGEST_TASK_SECONDS = 3600


def make_celery(settings: ServiceSettings, include: Iterable[str] = ()) -> Celery:
    """Make the Celery application of a worker, or of an API that rings workers' bells."""
    app: Any = Celery("gennaker", broker=settings.redis.url, include=list(include))
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": _LONGEST_TASK_SECONDS,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "retry_on_timeout": True,
        },
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=ORCA_QUEUE,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=30,
        timezone="UTC",
        enable_utc=True,
    )
    return app
