"""Two workers beside one: on calls that take their time, and on stages that only cost processor time."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from driver import pipeline
from gennaker.platform import Platform

CALL_SECONDS = 1.0
CALLS_OPEN = {
    "userConfiguredUrlRestrictions": {
        "allowedHostnamesRegex": "",
        "rejectLocalhost": False,
        "rejectLinkLocal": False,
        "rejectVerbatimIps": False,
    }
}


@contextmanager
def slow_server() -> Iterator[str]:
    """An HTTP server whose every answer takes `CALL_SECONDS`; gives its address."""

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(CALL_SECONDS)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    with Server(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/slow"
        server.shutdown()


def calls(application: str, url: str, width: int) -> dict[str, Any]:
    """A pipeline that makes so many slow calls beside each other."""
    stages = [
        {
            "refId": str(n),
            "type": "webhook",
            "name": f"call {n}",
            "requisiteStageRefIds": [],
            "url": url,
            "method": "GET",
        }
        for n in range(width)
    ]
    return pipeline(application, stages)


@contextmanager
def another_worker(platform: Platform) -> Iterator[None]:
    """Run a second worker of a platform during a block."""
    ready = platform.home.run / "worker.ready"
    process = subprocess.Popen(
        [sys.executable, "-m", "gennaker.worker", str(platform.home.run / "platform.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(lambda: ready.read_text().strip() == str(process.pid))
        time.sleep(2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the second worker does not start")
        time.sleep(0.05)
