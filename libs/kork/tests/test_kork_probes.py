"""Probes of processes without an API, and waiting for a migrated schema."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from gennaker.embedded import EmbeddedRedis
from gennaker.embedded.process import free_port
from kork.database import Database
from kork.probes import serve_probes, wait_until_migrated
from kork.settings import DatabaseSettings, ProbesSettings, RedisSettings, ServiceSettings, SettingsError


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_answers_probes_and_says_what_is_away(postgres_url: str, tmp_path: Path) -> None:
    port = free_port()
    database = Database(DatabaseSettings(url=postgres_url), schema="front50")
    with EmbeddedRedis(tmp_path) as redis:
        settings = ServiceSettings(redis=RedisSettings(url=redis.url), probes=ProbesSettings(port=port))
        serve_probes(settings, database)
        assert ask(port, "/health/liveness")[0] == 200
        assert ask(port, "/health/readiness")[0] == 200
        assert "# HELP" in ask(port, "/metrics")[1]
        assert ask(port, "/other")[0] == 404
        with pytest.raises(SettingsError, match=r"probes\.port"):
            serve_probes(settings, database)
    status, body = ask(port, "/health")
    assert status == 503
    components = json.loads(body)["components"]
    assert components["database"] == {"status": "UP"}
    assert components["redis"]["status"] == "DOWN"
    assert ask(port, "/health/liveness")[0] == 200
    database.dispose()


def test_no_port_no_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    serve_probes(ServiceSettings(), Database(DatabaseSettings(), schema="front50"))
    assert threading.active_count() == before


def test_waiting_ends_when_the_schema_is_migrated(postgres_url: str, wait_until: Callable[..., None]) -> None:
    database = Database(DatabaseSettings(url=postgres_url), schema="front50")
    waiting = threading.Thread(target=wait_until_migrated, args=(database,), daemon=True)
    waiting.start()
    assert not database.is_migrated()
    assert waiting.is_alive()
    database.migrate()
    assert database.is_migrated()
    wait_until(lambda: not waiting.is_alive())
    database.dispose()
