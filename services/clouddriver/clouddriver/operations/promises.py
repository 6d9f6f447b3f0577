"""Versions that running operations are about to create, so that two of them never take the same one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kork.database import Database
from sqlalchemy import text

from clouddriver.kubernetes.versioning import PriorVersion, choose_version


@dataclass(frozen=True, slots=True)
class VersionedObject:
    """What has versions: a name of a kind in a namespace of an account."""

    account: str
    namespace: str
    kind: str
    name: str


class Versions(Protocol):
    """Says which version an object gets."""

    def promise(self, target: VersionedObject, content: str, live: Callable[[], list[PriorVersion]]) -> int:
        """Choose the version for a content; `live` lists the versions that are in the cluster."""
        ...


class ForeseenVersions:
    """Says which version an operation would get if it began now; promises nothing, writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._foreseen: dict[VersionedObject, list[PriorVersion]] = {}

    def promise(self, target: VersionedObject, content: str, live: Callable[[], list[PriorVersion]]) -> int:
        """Choose the version for a content, those that this plan has foreseen already included."""
        with self._database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT sequence, content FROM promised_version WHERE account = :account"
                    " AND namespace = :namespace AND kind = :kind AND name = :name ORDER BY sequence"
                ),
                {
                    "account": target.account,
                    "namespace": target.namespace,
                    "kind": target.kind,
                    "name": target.name,
                },
            )
            promised = [PriorVersion(row.sequence, row.content) for row in rows]
        foreseen = self._foreseen.setdefault(target, [])
        sequence = choose_version(content, live() + promised + foreseen)
        foreseen.append(PriorVersion(sequence, content))
        return sequence


class VersionPromises:
    """Gives versions to one operation."""

    def __init__(self, database: Database, operation_id: str) -> None:
        self._database = database
        self._operation_id = operation_id

    def promise(self, target: VersionedObject, content: str, live: Callable[[], list[PriorVersion]]) -> int:
        """Choose the version for a content, and keep it for this operation until that ends.

        `live` lists the versions that are in the cluster; it is asked while nobody else gets a version of this
        object. An operation that asks again for the same content gets the same version.
        """
        key = {
            "account": target.account,
            "namespace": target.namespace,
            "kind": target.kind,
            "name": target.name,
        }
        where = "account = :account AND namespace = :namespace AND kind = :kind AND name = :name"
        with self._database.begin() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 0))"),
                {"k": "/".join(["version", *key.values()])},
            )
            own = connection.execute(
                text(
                    f"SELECT sequence FROM promised_version WHERE {where} AND content = :content"
                    " AND operation_id = :operation"
                ),
                key | {"content": content, "operation": self._operation_id},
            ).scalar()
            if own is not None:
                return own
            promised = connection.execute(
                text(f"SELECT sequence, content FROM promised_version WHERE {where} ORDER BY sequence"), key
            )
            priors = live() + [PriorVersion(row.sequence, row.content) for row in promised]
            sequence = choose_version(content, priors)
            connection.execute(
                text(
                    "INSERT INTO promised_version (account, namespace, kind, name, sequence, content, operation_id)"
                    " VALUES (:account, :namespace, :kind, :name, :sequence, :content, :operation)"
                    " ON CONFLICT DO NOTHING"
                ),
                key | {"sequence": sequence, "content": content, "operation": self._operation_id},
            )
        return sequence
