"""The embedded servers start, keep their data over a kill, and leave nothing behind."""

import os
from pathlib import Path

import psycopg
import pytest
from gennaker.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from redis import Redis


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_postgres_keeps_its_data_when_it_is_killed(tmp_path: Path):
    with EmbeddedPostgres(tmp_path / "pg") as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
        busy = [psycopg.connect(server.url) for _ in range(20)]
        for connection in busy:
            connection.execute("SELECT count(*) FROM pg_class")
        killed = server.pid
        server.kill()
        assert not alive(killed)
        server.start()
        for connection in busy:
            connection.close()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        pid = server.pid
    assert not alive(pid)


def test_redis_starts_and_ends(tmp_path: Path):
    with EmbeddedRedis(tmp_path / "redis") as server:
        with Redis.from_url(server.url_of(200)) as client:
            client.set("a", "b")
            assert client.get("a") == b"b"
        pid = server.pid
    assert not alive(pid)


def test_a_port_that_is_taken_is_told(tmp_path: Path):
    with EmbeddedPostgres(tmp_path / "one") as server:
        second = EmbeddedPostgres(tmp_path / "two", server.port)
        with pytest.raises(EmbeddedServerError, match=f"port {server.port} is in use"):
            second.start()
