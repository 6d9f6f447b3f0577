"""What we know of the clusters, in Postgres.

The newest version of an object wins, in whatever order watch events and the results of our own operations
arrive; a deletion is remembered for some minutes, so that a late older version doesn't bring the object back.
"""

import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from kork.database import Database
from moniker import Moniker, moniker_of
from sqlalchemy import Connection, text

from clouddriver.kubernetes.leases import Lease
from clouddriver.kubernetes.manifest import (
    NATIVE_GROUPS,
    Manifest,
    ResourceRef,
    annotations_of,
    group_version,
    items,
    kind_key,
    metadata_of,
    without_secrets,
)

_COLUMNS = ("account", "application", "cluster", "stack", "detail", "sequence")

_PUT = text(
    """
    INSERT INTO resource AS known (
        account, api_group, kind, namespace, name, uid, resource_version,
        application, cluster, stack, detail, sequence, owners, body, deleted
    )
    SELECT :account, api_group, kind, namespace, name, uid, resource_version,
        application, cluster, stack, detail, sequence, string_to_array(owners, ','), body, body IS NULL
    FROM unnest(
        CAST(:api_group AS text[]), CAST(:kind AS text[]), CAST(:namespace AS text[]), CAST(:name AS text[]),
        CAST(:uid AS text[]), CAST(:resource_version AS bigint[]), CAST(:application AS text[]),
        CAST(:cluster AS text[]), CAST(:stack AS text[]), CAST(:detail AS text[]), CAST(:sequence AS bigint[]),
        CAST(:owners AS text[]), CAST(:body AS json[])
    ) AS given (
        api_group, kind, namespace, name, uid, resource_version,
        application, cluster, stack, detail, sequence, owners, body
    )
    WHERE NOT :only_watched OR EXISTS (
        SELECT FROM watched_kind AS watched
        WHERE watched.account = :account AND watched.api_group = given.api_group AND watched.kind = given.kind
            AND watched.namespace IN ('', given.namespace)
    )
    ON CONFLICT (account, api_group, kind, namespace, name) DO UPDATE SET
        uid = excluded.uid, resource_version = excluded.resource_version, application = excluded.application,
        cluster = excluded.cluster, stack = excluded.stack, detail = excluded.detail, sequence = excluded.sequence,
        owners = excluded.owners, body = excluded.body, deleted = excluded.deleted, updated_at = clock_timestamp()
    WHERE known.resource_version < excluded.resource_version
        OR excluded.resource_version = 0
        OR (known.resource_version <> excluded.resource_version
            AND known.updated_at < CAST(:listed_at AS timestamptz))
    """
)

_REMOVE = text(
    """
    UPDATE resource SET deleted = true, body = NULL, updated_at = clock_timestamp()
    WHERE account = :account AND kind = :kind AND namespace = :namespace AND name = :name
        AND api_group = ANY(:groups) AND NOT deleted AND (CAST(:uid AS text) IS NULL OR uid = :uid)
    """
)

_REMOVE_VANISHED = text(
    """
    UPDATE resource SET deleted = true, body = NULL, updated_at = clock_timestamp()
    WHERE account = :account AND api_group = :api_group AND kind = :kind AND NOT deleted
        AND (:namespace = '' OR namespace = :namespace)
        AND updated_at < CAST(:listed_at AS timestamptz)
        AND NOT uid = ANY(CAST(:uids AS text[]))
    """
)

_KINDS = text("SELECT DISTINCT api_group, kind FROM resource WHERE account = :account")
_NARROW = text(
    """
    DELETE FROM resource
    WHERE account = :account AND (
        (api_group, kind) IN (SELECT * FROM unnest(CAST(:groups AS text[]), CAST(:kinds AS text[])))
        OR namespace <> '' AND (
            namespace = ANY(CAST(:omitted AS text[]))
            OR cardinality(CAST(:namespaces AS text[])) > 0 AND NOT namespace = ANY(CAST(:namespaces AS text[]))
        )
    )
    """
)

_FRESH = """
    EXISTS (
        SELECT FROM watched_kind AS watched JOIN account_state USING (account)
        WHERE watched.account = :account AND watched.kind = :kind AND watched.api_group = ANY(:groups)
            AND watched.namespace IN ('', :namespace) AND watched.state = 'WATCHING'
            AND account_state.leased_until > clock_timestamp()
    )
"""

_GET = text(
    f"""
    SELECT known.body::text AS body, {_FRESH} AS fresh
    FROM (SELECT) AS always LEFT JOIN resource AS known
        ON known.account = :account AND known.kind = :kind AND known.namespace = :namespace AND known.name = :name
        AND known.api_group = ANY(:groups) AND NOT known.deleted
    LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Resource:
    """An object that we know, with its account and the moniker that its annotations and name give it."""

    account: str
    moniker: Moniker
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored under a name. `fresh`: its kind is being watched, so that this is what the cluster has."""

    manifest: Manifest | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; `kind` in lower case."""

    account: str
    kind: str
    namespace: str
    name: str
    application: str | None
    cluster: str | None


class ResourceStore:
    """The objects of all accounts' clusters."""

    def __init__(self, database: Database, lease: Lease | None = None) -> None:
        self._database = database
        self._lease = lease

    def under(self, lease: Lease) -> "ResourceStore":
        """Give the store as the holder of a lease writes to it: every change raises `LeaseLost` once that is gone."""
        return ResourceStore(self._database, lease)

    def put(self, account: str, manifest: Manifest) -> None:
        """Write an operation's own result through, so that the next read has it.

        Kept only when its kind is watched: what is not watched is read from the cluster itself.
        """
        self.put_all(account, [manifest], only_watched=True)

    def put_all(
        self,
        account: str,
        manifests: Iterable[Manifest],
        *,
        deleted: Iterable[Manifest] = (),
        listed_at: datetime | None = None,
        only_watched: bool = False,
    ) -> None:
        """Store objects, and remember the deletion of others, in one transaction.

        `listed_at` is for the objects of a full list: what was not stored after that moment is overwritten
        even when its version is higher, for a server that was restored from a backup counts anew.
        """
        rows = _newest([_row(m) for m in manifests] + [_row(m) | {"body": None} for m in deleted])
        if not rows:
            return
        columns: dict[str, Any] = {key: [row[key] for row in rows] for key in rows[0]}
        with self._writing() as connection:
            connection.execute(
                _PUT, {"account": account, "only_watched": only_watched, "listed_at": listed_at, **columns}
            )

    def remove(self, account: str, ref: ResourceRef, *, uid: str | None = None) -> None:
        """Note that an object is gone (`uid`: only if it is still that one)."""
        with self._writing() as connection:
            connection.execute(_REMOVE, {"account": account, "uid": uid, **_key(ref)})

    def remove_vanished(
        self, account: str, group: str, kind: str, namespace: str, uids: Sequence[str], listed_at: datetime
    ) -> int:
        """Note the deletion of what a full list (begun at `listed_at`) didn't have; say how many."""
        with self._writing() as connection:
            return connection.execute(
                _REMOVE_VANISHED,
                {
                    "account": account,
                    "api_group": group,
                    "kind": kind_key(kind),
                    "namespace": namespace,
                    "uids": list(uids),
                    "listed_at": listed_at,
                },
            ).rowcount

    def get(self, account: str, ref: ResourceRef) -> Manifest | None:
        """Give the object that we know under a name."""
        return self.known(account, ref).manifest

    def known(self, account: str, ref: ResourceRef) -> Known:
        """Give the object that we know under a name, and whether that is what the cluster has now."""
        with self._database.connect() as connection:
            row = connection.execute(_GET, {"account": account, **_key(ref)}).one()
        return Known(orjson.loads(row.body) if row.body is not None else None, row.fresh)

    def list(
        self,
        *,
        accounts: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        namespaces: Sequence[str] | None = None,
        application: str | None = None,
        cluster: str | None = None,
        owners: Sequence[str] | None = None,
        uid: str | None = None,
        name: str | None = None,
    ) -> list[Resource]:
        """List objects; every argument narrows. `kinds` in any case; `owners` are uids of owners."""
        where = ["NOT deleted"]
        values: dict[str, Any] = {}
        conditions: list[tuple[str, str, Any]] = [
            ("account = ANY(:accounts)", "accounts", None if accounts is None else list(accounts)),
            ("kind = ANY(:kinds)", "kinds", None if kinds is None else [kind_key(kind) for kind in kinds]),
            ("namespace = ANY(:namespaces)", "namespaces", None if namespaces is None else list(namespaces)),
            ("lower(application) = :application", "application", application and application.lower()),
            ("cluster = :cluster", "cluster", cluster),
            ("uid = :uid", "uid", uid),
            ("name = :name", "name", name),
            ("owners && CAST(:owners AS text[])", "owners", None if owners is None else list(owners)),
        ]
        for condition, name, value in conditions:
            if value is not None:
                where.append(condition)
                values[name] = value
        statement = text(
            f"SELECT {', '.join(_COLUMNS)}, body::text AS body FROM resource WHERE {' AND '.join(where)} "
            "ORDER BY account, namespace, kind, name"
        )
        with self._database.connect() as connection:
            return [_resource(row) for row in connection.execute(statement, values)]

    def clusters(
        self, kinds: Sequence[str], *, application: str | None = None
    ) -> "builtins.list[tuple[str, str, str]]":
        """List the clusters as (application, account, cluster), without reading any body."""
        with self._database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT DISTINCT application, account, cluster FROM resource WHERE NOT deleted "
                    "AND kind = ANY(:kinds) AND application IS NOT NULL AND cluster IS NOT NULL "
                    "AND (CAST(:application AS text) IS NULL OR lower(application) = :application) ORDER BY 1, 2, 3"
                ),
                {
                    "kinds": [kind_key(kind) for kind in kinds],
                    "application": application and application.lower(),
                },
            )
            return [(row.application, row.account, row.cluster) for row in rows]

    def search(self, query: str, kinds: Sequence[str], limit: int = 10_000) -> "builtins.list[Found]":
        """Find objects of kinds whose name or application contains `query`, ignoring case, without any body."""
        with self._database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT account, kind, namespace, name, application, cluster FROM resource WHERE NOT deleted "
                    "AND kind = ANY(:kinds) AND (strpos(lower(name), :query) > 0 "
                    "OR strpos(lower(application), :query) > 0) ORDER BY name, account, namespace LIMIT :limit"
                ),
                {"kinds": [kind_key(kind) for kind in kinds], "query": query.lower(), "limit": limit},
            )
            return [Found(*row) for row in rows]

    def names(self, account: str, kind: str) -> "builtins.list[str]":
        """List the names of an account's objects of a kind, such as its namespaces."""
        with self._database.connect() as connection:
            rows = connection.execute(
                text("SELECT name FROM resource WHERE account = :account AND kind = :kind AND NOT deleted ORDER BY 1"),
                {"account": account, "kind": kind_key(kind)},
            )
            return [row.name for row in rows]

    def now(self) -> datetime:
        """Say the time by the database's clock, by which rows are stamped."""
        with self._database.connect() as connection:
            return connection.execute(text("SELECT clock_timestamp()")).scalar_one()

    def narrow(
        self,
        account: str,
        is_wanted: Callable[[str, str], bool],
        *,
        namespaces: Sequence[str] = (),
        omitted: Sequence[str] = (),
    ) -> int:
        """Drop what an account no longer has since its settings changed: other kinds, other namespaces.

        `is_wanted` decides on a kind (in lower case) and its group; no `namespaces` means all. Says how many went.
        """
        with self._writing() as connection:
            known = connection.execute(_KINDS, {"account": account}).all()
            unwanted = [row for row in known if not is_wanted(row.kind, row.api_group)]
            values = {
                "account": account,
                "groups": [row.api_group for row in unwanted],
                "kinds": [row.kind for row in unwanted],
                "namespaces": list(namespaces),
                "omitted": list(omitted),
            }
            return connection.execute(_NARROW, values).rowcount

    def purge(self, keep_accounts: Sequence[str], deleted_for_seconds: int) -> int:
        """Drop deletions that are older than that, and what belongs to accounts that are no more.

        An account that somebody watches is one that somebody knows: it stays.
        """
        with self._database.begin() as connection:
            return _purge(connection, list(keep_accounts), deleted_for_seconds)

    def forget(self, account: str) -> None:
        """Drop all that is known of an account; who still watches it can write nothing any more."""
        with self._database.begin() as connection:
            for table in ("account_fence", "resource", "watched_kind", "account_state"):
                connection.execute(text(f"DELETE FROM {table} WHERE account = :account"), {"account": account})

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._database.begin() as connection:
            if self._lease is not None:
                self._lease.check(connection)
            yield connection


def _purge(connection: Connection, accounts: list[str], seconds: int) -> int:
    # Those that are gone are found first: what is deleted of them must not depend on when a lease runs out.
    watched = connection.execute(
        text("SELECT account FROM account_state WHERE leased_until > clock_timestamp()")
    ).scalars()
    keep = sorted({*accounts, *watched})
    dropped = connection.execute(
        text(
            "DELETE FROM resource WHERE NOT account = ANY(CAST(:keep AS text[])) "
            "OR (deleted AND updated_at < clock_timestamp() - make_interval(secs => :seconds))"
        ),
        {"keep": keep, "seconds": seconds},
    ).rowcount
    for table in ("watched_kind", "account_state", "account_fence"):
        connection.execute(text(f"DELETE FROM {table} WHERE NOT account = ANY(CAST(:keep AS text[]))"), {"keep": keep})
    return dropped


def _key(ref: ResourceRef) -> dict[str, Any]:
    groups = sorted(NATIVE_GROUPS) if ref.group is None else ["" if ref.group == "core" else ref.group]
    return {
        "kind": kind_key(ref.kind),
        "namespace": _asked(ref.namespace),
        "name": _asked(ref.name),
        "groups": groups,
    }


def _row(manifest: Manifest) -> dict[str, Any]:
    metadata = metadata_of(manifest)
    name, kind = str(metadata.get("name") or ""), str(manifest.get("kind") or "")
    moniker = moniker_of(kind, name, annotations_of(manifest))
    version = str(metadata.get("resourceVersion") or "")
    return {
        "api_group": group_version(manifest)[0],
        "kind": kind_key(kind),
        "namespace": str(metadata.get("namespace") or ""),
        "name": name,
        "uid": str(metadata.get("uid") or ""),
        "resource_version": int(version) if version.isascii() and version.isdigit() and len(version) < 19 else 0,
        "application": _storable(moniker.app),
        "cluster": _storable(moniker.cluster),
        "stack": _storable(moniker.stack),
        "detail": _storable(moniker.detail),
        "sequence": moniker.sequence,
        "owners": ",".join(str(owner.get("uid")) for owner in items(metadata.get("ownerReferences"))),
        "body": orjson.dumps(without_secrets(manifest)).decode(),
    }


def _asked(text: Any) -> str:
    # Postgres takes no NUL in a text, and no name has one: what stands for it here matches nothing.
    return str(text).replace("\0", "\ufffd")


def _storable(value: str | None) -> str | None:
    return value.replace("\0", "") if value else None


def _newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["api_group"], row["kind"], row["namespace"], row["name"])
        if key not in newest or newest[key]["resource_version"] <= row["resource_version"]:
            newest[key] = row
    # In the same order for all writers, so that two of them can't wait for each other.
    return [newest[key] for key in sorted(newest)]


def _resource(row: Any) -> Resource:
    moniker = Moniker(row.application, row.cluster, row.stack, row.detail, row.sequence)
    return Resource(row.account, moniker, orjson.loads(row.body))
