"""Probes for processes without an API, and waiting for a schema: what a container platform asks of them."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kork.database import Database, is_outage
from kork.settings import ServiceSettings, SettingsError
from kork.telemetry import log

_log = log("kork.probes")
_POLL_SECONDS = 1.0
_TIMEOUT_SECONDS = 3.0

Check = Callable[[], None]


def serve_probes(settings: ServiceSettings, database: Database) -> None:
    """Answer probes on `probes.port` from a thread of its own, if that is set.

    `/health/liveness`: the process runs. `/health` and `/health/readiness`: Postgres and Redis can be asked.
    `/metrics`: for Prometheus. Raises `SettingsError` when the port is taken.
    """
    if not settings.probes.port:
        return
    checks: Mapping[str, Check] = {"database": database.check, "redis": _redis_check(settings.redis.url)}

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            elif self.path == "/health/liveness":
                self._answer(200, b'{"status": "UP"}')
            elif self.path in ("/health", "/health/readiness"):
                faults = {name: fault for name, check in checks.items() if (fault := _fault(check))}
                body = {"status": "DOWN" if faults else "UP", "components": _components(checks, faults)}
                self._answer(503 if faults else 200, json.dumps(body).encode())
            else:
                self._answer(404, b"{}")

        def _answer(self, status: int, body: bytes, media_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    place = (settings.probes.host, settings.probes.port)
    try:
        server = ThreadingHTTPServer(place, Probe)
    except OSError as error:
        raise SettingsError(f"Probes can't be answered on {place[0]}:{place[1]} (probes.port): {error}.") from error
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def wait_until_migrated(database: Database) -> None:
    """Wait until the schema has all that this code needs, however long Postgres or the migration takes."""
    while not _is_migrated(database):
        _log.info("migration.awaited", schema=database.schema)
        time.sleep(_POLL_SECONDS)


def _is_migrated(database: Database) -> bool:
    try:
        return database.is_migrated()
    except Exception as error:
        if not is_outage(error):
            raise
        return False


def _redis_check(url: str) -> Check:
    from redis import Redis

    client = Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)

    def check() -> None:
        client.ping()

    return check


def _fault(check: Check) -> str:
    try:
        check()
    except Exception as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def _components(checks: Mapping[str, Check], faults: Mapping[str, str]) -> dict[str, object]:
    return {
        name: {"status": "DOWN", "details": {"error": faults[name]}} if name in faults else {"status": "UP"}
        for name in checks
    }
