"""The platform's APIs as a process of their own: `python -m gennaker.apis CONFIGURATION`.

It says that it serves by writing its process id to `run/apis.ready` in the platform's home.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop
from kork.settings import ServiceSettings
from kork.telemetry import configure_logging
from kork.tracing import configure_tracing, end_tracing

from gennaker.configuration import Configuration
from gennaker.platform.apis import make_apps, serving
from gennaker.platform.ports import open_sockets


def main() -> None:
    """Serve until SIGTERM or SIGINT, then let the requests under way end."""
    file = Path(sys.argv[1])
    configuration = Configuration.load(file)
    common = configuration.settings(ServiceSettings)
    configure_logging(common.logging)
    configure_tracing("gennaker", common.telemetry)
    try:
        uvloop.run(_serve(configuration, file.parent / "apis.ready"))
    finally:
        end_tracing()


async def _serve(configuration: Configuration, ready: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = configuration.all_settings()
    sockets = open_sockets(settings)
    async with serving(make_apps(settings), sockets):
        ready.write_text(str(os.getpid()))
        await stop.wait()


if __name__ == "__main__":
    main()
