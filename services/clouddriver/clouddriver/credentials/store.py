"""The definitions of accounts in Postgres: every version of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from kork.clock import now_ms
from kork.database import Database, notify
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from clouddriver.kubernetes.accounts import ACCOUNTS_CHANNEL


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """One version of a definition, as it is stored; `body` is None where the account was deleted. Times in epoch ms."""

    name: str
    type: str
    version: int
    body: Document | None
    modified_at: int


class DefinitionStore:
    """Reads and writes definitions. Every change is told on `ACCOUNTS_CHANNEL` when it is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def generation(self) -> int:
        """Give the number of the newest change; 0 before the first."""
        with self._database.connect() as connection:
            return connection.execute(text("SELECT coalesce(max(change), 0) FROM account_definition")).scalar_one()

    def list(self, type_: str, *, starting_at: str = "", limit: int | None = None) -> Sequence[StoredDefinition]:
        """List the accounts of a type by name, from `starting_at` on."""
        with self._database.connect() as connection:
            rows = connection.execute(_LIST, {"type": type_, "starting_at": starting_at, "limit": limit}).all()
        return [_definition(row) for row in rows]

    def find(self, name: str) -> StoredDefinition | None:
        """Give the newest version, be it a deletion."""
        with self._database.connect() as connection:
            return _newest(connection, name)

    def history(self, name: str) -> Sequence[StoredDefinition]:
        """List all versions, the newest first."""
        with self._database.connect() as connection:
            rows = connection.execute(_HISTORY, {"name": name}).all()
        return [_definition(row) for row in rows]

    def write(self, name: str, type_: str, body: Document | None, user: str) -> StoredDefinition:
        """Add a version; `None` deletes the account."""
        with self._database.begin() as connection:
            # One at a time, so that changes become visible in the order of their numbers.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('clouddriver.account_definition'))"))
            before = _newest(connection, name)
            written = StoredDefinition(name, type_, (before.version if before else 0) + 1, body, now_ms())
            connection.execute(
                _WRITE,
                {
                    "name": name,
                    "version": written.version,
                    "type": type_,
                    "body": None if body is None else write_json(body).decode(),
                    "at": written.modified_at,
                    "by": user,
                },
            )
            notify(connection, ACCOUNTS_CHANNEL)
        return written


def _newest(connection: Connection, name: str) -> StoredDefinition | None:
    row = connection.execute(_FIND, {"name": name}).first()
    return _definition(row) if row else None


def _definition(row: Any) -> StoredDefinition:
    return StoredDefinition(row.name, row.type, row.version, cast("Document | None", row.body), row.modified_at)


_FIND = text("SELECT * FROM account_definition WHERE name = :name ORDER BY version DESC LIMIT 1")
_HISTORY = text("SELECT * FROM account_definition WHERE name = :name ORDER BY version DESC")
_LIST = text(
    """
    SELECT * FROM (
        SELECT DISTINCT ON (name) * FROM account_definition WHERE name >= :starting_at ORDER BY name, version DESC
    ) AS newest
    WHERE type = :type AND body IS NOT NULL ORDER BY name LIMIT :limit
    """
)
_WRITE = text(
    "INSERT INTO account_definition (name, version, type, body, modified_at, modified_by) "
    "VALUES (:name, :version, :type, CAST(:body AS json), :at, :by)"
)
