"""Celery as a bell.

A message carries ids only; what it stands for is in Postgres. So nothing is configured that would
make Celery a store: no result backend, no ETA, no reliance on redelivery. A lost message is rung
again by whoever keeps the work (orca's clock, clouddriver's sweep). Messages are written by `kork.bell`;
only workers need Celery.
"""

from typing import Any

from celery import Celery

from kork.settings import ServiceSettings

_LONGEST_TASK_SECONDS = 3600


def make_celery(settings: ServiceSettings) -> Celery:
    """Make the Celery application of a worker, which reads what `kork.bell` writes."""
    app: Any = Celery("gennaker", broker=settings.redis.url)
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
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
    )
    return app
