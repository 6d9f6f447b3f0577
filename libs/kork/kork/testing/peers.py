"""A real HTTP server for tests: answers as a function says, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` and `raw_path` with and without percent signs decoded, `query` by name."""

    method: str
    path: str
    raw_path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Give the body, parsed."""
        return orjson.loads(self.content) if self.content else None


def _requests() -> list[Request]:
    return []


@dataclass(slots=True)
class Peer:
    """A running server: its address, and the requests so far."""

    url: str
    requests: list[Request] = field(default_factory=_requests)

    def asked(self, method: str, path_part: str = "") -> list[Request]:
        """List the requests of a method whose path contains `path_part`."""
        return [each for each in self.requests if each.method == method and path_part in each.path]


@contextmanager
def serve(reply: Callable[[Request], Reply]) -> Iterator[Peer]:
    """Serve on a free port of loopback until the block ends. A body that is no text or bytes is sent as JSON."""
    peer = Peer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            query = {key: values[0] for key, values in parse_qs(split.query, keep_blank_values=True).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, unquote(split.path), split.path, query, headers, self.rfile.read(length))
            peer.requests.append(request)
            status, body, *more = reply(request)
            content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else _json(body)
            self.send_response(status)
            headers_out = {"Content-Type": "application/json", **(more[0] if more else {})}
            for key, value in headers_out.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _json(body: Any) -> bytes:
    return b"" if body is None else orjson.dumps(body)
