"""The platform's worker: `python -m gennaker.worker CONFIGURATION`.

One Celery worker on threads for all queues. It says that it works by writing its process id to
`run/worker.ready` in the platform's home, and answers probes and `/metrics` where `probes.port` is set.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery import signals
from kork.bell import CLOUDDRIVER_QUEUE, ORCA_QUEUE, ORCA_TASKS_QUEUE
from kork.celery import make_celery
from kork.database import Database
from kork.probes import serve_probes
from kork.settings import ServiceSettings
from kork.telemetry import configure_logging
from kork.tracing import configure_tracing, end_tracing

from gennaker.configuration import Configuration
from gennaker.services import SERVICES

THREADS = 8


def main() -> None:
    """Work until SIGTERM, then end what is under way."""
    file = Path(sys.argv[1])
    configuration = Configuration.load(file)
    common = configuration.settings(ServiceSettings)
    configure_logging(common.logging)
    configure_tracing("worker", common.telemetry)
    serve_probes(common, Database(common.database, schema="orca"))
    app: Any = make_celery(common)
    for service in SERVICES:
        if find_spec(f"{service.name}.worker"):
            import_module(f"{service.name}.worker").register(app, configuration.settings(service.settings_type()))

    def ready(**_: Any) -> None:
        (file.parent / "worker.ready").write_text(str(os.getpid()))

    signals.worker_ready.connect(ready, weak=False)
    worker: Any = app.Worker(
        pool="threads",
        concurrency=THREADS,
        queues=[ORCA_QUEUE, ORCA_TASKS_QUEUE, CLOUDDRIVER_QUEUE],
        hostname=f"gennaker-{os.getpid()}@%h",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
    )
    try:
        worker.start()
    finally:
        end_tracing()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
