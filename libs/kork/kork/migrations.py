"""Bringing a schema up to date while others use it.

A migration is `<service>/<service>/migrations/versions/0001_what.py` with `revision = "0001"`; each runs in a
transaction of its own. What it locks it gets within seconds or not at all, and then it tries again: a lock that is
waited for holds off everybody who comes later. Indexes of tables in use are built by `add_index`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from kork.telemetry import log

LOCK_TIMEOUT_MS = 3000
_log = log("kork.migrations")
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 5.0, 10.0, 10.0, 20.0, 20.0)
_TURN_SECONDS = 0.2


def folder_of(package: str) -> Path:
    """Give the folder of a package's migrations; raises `LookupError`."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"There is no package '{package}' with migrations.")
    return Path(next(iter(spec.submodule_search_locations))) / "migrations" / "versions"


def newest_revision(folder: Path) -> str | None:
    """Give the newest revision of a folder."""
    names = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    return names[-1].split("_", 1)[0] if names else None


def recorded_revision(connection: Connection, schema: str) -> str | None:
    """Give the revision that a schema has, if it has any."""
    exists = connection.execute(text("SELECT to_regclass(:t)"), {"t": f'"{schema}".alembic_version'}).scalar()
    if exists is None:
        return None
    return connection.execute(text(f'SELECT version_num FROM "{schema}".alembic_version')).scalar()


def upgrade(engine: Engine, schema: str, folder: Path, to: str) -> None:
    """Run the migrations that a schema misses, up to the revision `to` ("head": all); one process at a time.

    The engine's connections must have `lock_timeout` set. Raises what the last try raised when a lock isn't to be had.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        # Asked for again and again: who waits inside Postgres has a snapshot, for which an index that is being built
        # would wait in turn.
        while not guard.execute(text("SELECT pg_try_advisory_lock(hashtext(:s))"), {"s": f"migrate:{schema}"}).scalar():
            time.sleep(_TURN_SECONDS)
        for pause in (*_PAUSES_SECONDS, None):
            try:
                with engine.connect() as connection:
                    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
                    connection.commit()
                    _run(connection, folder, schema, to)
                return
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable) or pause is None:
                    raise
                _log.warning("migration.waits_for_lock", schema=schema, error=str(error.orig).splitlines()[0])
                time.sleep(pause)


def add_index(op: Any, name: str, on: str) -> None:
    """Build an index in a migration, without holding off who writes (`op` is Alembic's; `on`: `table (columns) …`).

    What was changed before in the same migration is committed, so all of it must be repeatable.
    """
    table = on.split(None, 1)[0]
    connection: Connection = op.get_bind()
    state = connection.execute(
        text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
    ).scalar()
    if state:
        return
    if state is None and not connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})")).scalar():
        op.execute(text(f"CREATE INDEX {name} ON {on}".replace(":", r"\:")))
        return
    with _beside_others(op):
        if state is False:
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {on}".replace(":", r"\:")))


def drop_index(op: Any, name: str) -> None:
    """Remove an index in a migration, without holding off anybody; the rule of `add_index` holds here too."""
    with _beside_others(op):
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _beside_others(op: Any) -> Iterator[None]:
    """Leave the transaction for statements that wait for those under way, but for which nobody waits."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")


def _run(connection: Connection, folder: Path, schema: str, to: str) -> None:
    runtime: Any = import_module("alembic.runtime.migration")
    operations: Any = import_module("alembic.operations")
    scripts: Any = import_module("alembic.script")
    directory = scripts.ScriptDirectory(str(folder.parent), version_locations=[str(folder)])

    def steps(revision: Any, _: Any) -> Any:
        return directory._upgrade_revs(to, revision)  # Alembic's own `upgrade` command does the same

    context = runtime.MigrationContext.configure(
        connection,
        opts={
            "version_table_schema": schema,
            "fn": steps,
            "transactional_ddl": True,
            "transaction_per_migration": True,
        },
    )
    with operations.Operations.context(context):
        context.run_migrations()
