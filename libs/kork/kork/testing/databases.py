"""Databases of services."""

from collections.abc import Iterator
from contextlib import contextmanager

from kork.database import Database
from kork.settings import DatabaseSettings


@contextmanager
def migrated(settings: DatabaseSettings, schema: str) -> Iterator[Database]:
    """Give a database with the schema of a service, up to date; its connections are closed at the end."""
    database = Database(settings, schema=schema)
    try:
        database.migrate()
        yield database
    finally:
        database.dispose()
