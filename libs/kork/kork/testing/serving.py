"""ASGI applications on real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from kork.testing.waiting import wait_until

_STARTS_WITHIN_SECONDS = 60.0
_STOPS_WITHIN_SECONDS = 10.0


class Server:
    """An application on a port of loopback. It is made anew by each start; the port stays its own all along."""

    def __init__(self, make_app: Callable[[], ASGIApp], port: int = 0) -> None:
        self._make_app = make_app
        self._socket = _bound(port)
        self._running: tuple[uvicorn.Server, threading.Thread] | None = None
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve on a thread; returns when requests are taken."""
        config = uvicorn.Config(self._make_app(), log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), _STARTS_WITHIN_SECONDS)
        assert server.started, "the application did not start; the log says why"
        self._running = (server, thread)

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._running is not None:
            server, thread = self._running
            server.should_exit = True
            thread.join(_STOPS_WITHIN_SECONDS)
            self._running = None
            self._socket = _bound(self.port)

    def close(self) -> None:
        """Stop, and give the port back."""
        self.stop()
        self._socket.close()


@contextmanager
def serving(app: ASGIApp, port: int = 0) -> Iterator[Server]:
    """Serve an application until the block ends; without a port, on a free one."""
    server = Server(lambda: app, port)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
