"""The schema changes while an orca of before goes on: its statements work, and nobody is held off for long.

The statements are those of revision 0002, kept here as they were. A migration that breaks them needs two releases:
one that no longer uses what goes, and a later one that removes it.
"""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from kork import migrations
from kork.database import Database
from kork.ids import new_ulid
from kork.settings import DatabaseSettings
from kork.testing.waiting import watch

FIRST = "0002"
INSERT = (
    "INSERT INTO execution (id, type, application, name, pipeline_config_id, root_id, status, canceled, build_time,"
    " start_time, end_time, trigger, body, trail)"
    " VALUES (%s, 'PIPELINE', 'shop', 'p', 'c', NULL, 'NOT_STARTED', false, 1, NULL, NULL, %s, '{}', NULL)"
    " ON CONFLICT (id) DO NOTHING"
)
INSERT_STAGE = (
    "INSERT INTO stage (execution_id, id, position, ref_id, type, name, status, requisites, context, outputs, tasks,"
    " rest) VALUES (%s, 's', 1, '1', 'wait', 'w', 'RUNNING', '[]', '{}', '{}', '[]', '{}')"
)
UPDATE = "UPDATE execution SET status = %s, canceled = false, start_time = 2, end_time = 3, body = '{}' WHERE id = %s"
UPDATE_STAGE = "UPDATE stage SET status = 'SUCCEEDED', tasks = '[]', rest = '{}' WHERE execution_id = %s AND id = 's'"
DUE = (
    "INSERT INTO due (execution_id, due_at) VALUES (%s, 5)"
    " ON CONFLICT (execution_id) DO UPDATE SET due_at = excluded.due_at, rings = 0"
)
OFFER = (
    "INSERT INTO io_task (execution_id, stage_id, task_id, attempt, owner, lease_until)"
    " VALUES (%s, 's', '1', 1, NULL, 5) ON CONFLICT (execution_id, stage_id, task_id) DO NOTHING"
)
WAIT = "INSERT INTO waiting (execution_id, pipeline_config_id, since) VALUES (%s, 'c', 1)"
EVENT = (
    "INSERT INTO outbox (id, stream, type, key, payload, created_at, trail) VALUES (%s, 's', 't', 'k', '{}', 1, NULL)"
)
LIST = (
    "SELECT e.id, e.type, e.application, e.name, e.pipeline_config_id, e.root_id, e.status, e.canceled, e.build_time,"
    " e.start_time, e.end_time, e.trigger::text, e.body::text FROM execution e WHERE e.application = 'shop'"
    " ORDER BY e.build_time DESC, e.id DESC LIMIT 5"
)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A database as the first release left it."""
    database = Database(DatabaseSettings(url=postgres_url), schema="orca")
    database.migrate(to=FIRST)
    yield database
    database.dispose()


def session(database: Database, **options: Any) -> "psycopg.Connection[Any]":
    return psycopg.connect(database.settings.url, options="-c search_path=orca,public", **options)


class OldOrca:
    """Writes and reads as the first release does, until it is told to end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._end = threading.Event()
        self.done = 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "OldOrca":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)

    def _work(self) -> None:
        try:
            with session(self._database, autocommit=True) as connection:
                while not self._end.is_set():
                    self._run_one(connection)
                    self.done += 1
        except Exception as error:
            self.error = error

    def _run_one(self, connection: "psycopg.Connection[Any]") -> None:
        id = new_ulid()
        with connection.transaction():
            connection.execute(INSERT, [id, '{"type": "manual", "eventId": "e"}'])
            connection.execute(INSERT_STAGE, [id])
            connection.execute(DUE, [id])
        with connection.transaction():
            assert connection.execute("SELECT FROM execution WHERE id = %s FOR UPDATE SKIP LOCKED", [id]).rowcount == 1
            connection.execute(UPDATE, ["RUNNING", id])
            connection.execute(OFFER, [id])
            connection.execute(WAIT, [id])
            connection.execute(EVENT, [id])
        with connection.transaction():
            connection.execute(UPDATE_STAGE, [id])
            connection.execute(UPDATE, ["SUCCEEDED", id])
            for table in ("due", "io_task", "waiting"):
                assert connection.execute(f"DELETE FROM {table} WHERE execution_id = %s", [id]).rowcount == 1
        assert len(connection.execute(LIST).fetchall()) >= 1


def add_history(database: Database, executions: int) -> None:
    with session(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO execution (id, type, application, status, build_time, trigger, body)"
            " SELECT 'old-' || n, 'PIPELINE', 'old', 'SUCCEEDED', n, '{\"type\": \"manual\"}', '{}'"
            " FROM generate_series(1, %s) AS n",
            [executions],
        )


def test_an_orca_of_before_works_while_and_after_the_schema_changes(database: Database):
    add_history(database, 30_000)
    with OldOrca(database) as old:
        watch(lambda: old.done, lambda done: done > 20 or old.error, 60)
        database.migrate()
        at = old.done
        watch(lambda: old.done, lambda done: done > at + 20 or old.error, 60)
    assert old.error is None
    assert database.is_migrated()
    with session(database) as connection:
        invalid = connection.execute("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid").fetchall()
        assert invalid == []


def test_a_lock_that_is_not_to_be_had_holds_off_nobody_and_is_asked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(migrations, "_PAUSES_SECONDS", (0.2,) * 300)
    add_history(database, 10)
    migrating = threading.Thread(target=database.migrate)
    with session(database) as reader:
        reader.execute("SELECT count(*) FROM execution")
        with OldOrca(database) as old:
            migrating.start()
            watch(lambda: old.done, lambda done: done > 100 or old.error, 60)
        assert old.error is None
        assert not database.is_migrated()
    migrating.join(60)
    assert database.is_migrated()


def test_several_that_start_at_once_migrate_once(postgres_url: str):
    databases = [Database(DatabaseSettings(url=postgres_url), schema="orca") for _ in range(4)]
    errors: list[Exception] = []

    def migrate(database: Database) -> None:
        try:
            database.migrate()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=[each]) for each in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert databases[0].is_migrated()
    for each in databases:
        each.dispose()


def test_an_index_whose_building_was_cut_off_is_built_anew(database: Database):
    add_history(database, 10)
    with session(database, autocommit=True) as connection:
        connection.execute("CREATE INDEX execution_latest ON execution (name)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'execution_latest'::regclass")
    database.migrate()
    with session(database) as connection:
        row: Any = connection.execute("SELECT pg_get_indexdef('execution_latest'::regclass)").fetchone()
        assert "build_time DESC" in row[0]


@pytest.mark.parametrize("table", ["due", "io_task", "waiting", "execution", "stage", "outbox"])
def test_tables_are_vacuumed_in_small_steps(database: Database, table: str):
    database.migrate()
    with session(database) as connection:
        row: Any = connection.execute(
            "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE oid = %s::regclass", [table]
        ).fetchone()
    assert "autovacuum_vacuum_scale_factor=0" in row[0]
