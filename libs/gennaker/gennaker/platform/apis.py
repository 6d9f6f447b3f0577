"""The APIs of all services, on one event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from kork.settings import ServiceSettings

from gennaker.exits import PlatformError
from gennaker.services import SERVICES

_GRACE_SECONDS = 3


class _Api(uvicorn.Server):
    """A server that leaves signals to the platform, and sleeps until it is told to stop.

    An application that has requests without an end of their own ends them in `app.state.before_shutdown`.
    """

    def __init__(self, app: Any) -> None:
        super().__init__(_configuration(app))
        self._before_shutdown = getattr(app.state, "before_shutdown", None)
        self._stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self._stop.wait()

    def stop(self) -> None:
        """Let the requests under way end, and end."""
        if self._before_shutdown is not None:
            self._before_shutdown()
        self.should_exit = True
        self._stop.set()


def make_apps(settings: Mapping[str, ServiceSettings]) -> dict[str, Any]:
    """Import the services and make their applications, by name."""
    return {service.name: service.create_app(settings[service.name]) for service in SERVICES}


@asynccontextmanager
async def serving(apps: Mapping[str, Any], sockets: Mapping[str, socket.socket]) -> AsyncIterator[None]:
    """Serve the applications during a block; entered when all accept requests.

    Raises `PlatformError` when one can't start.
    """
    servers = {name: _Api(app) for name, app in apps.items()}
    running = {name: asyncio.create_task(_serve(name, server, sockets[name])) for name, server in servers.items()}
    try:
        await _until_started(servers, running)
        yield
    finally:
        for server in servers.values():
            server.stop()
        await asyncio.gather(*running.values(), return_exceptions=True)


def _configuration(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _serve(name: str, server: _Api, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as error:
        raise PlatformError(f"{name} can't start; the log says why.") from error


async def _until_started(servers: Mapping[str, _Api], running: Mapping[str, "asyncio.Task[None]"]) -> None:
    while not all(server.started for server in servers.values()):
        for name, task in running.items():
            if task.done():
                error = task.exception()
                raise error or PlatformError(f"{name} ended as it started; the log says why.")
        await asyncio.sleep(0.01)
