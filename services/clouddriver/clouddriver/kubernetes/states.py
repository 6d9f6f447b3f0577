"""The accounts' health and the freshness of what we know, in Postgres: written where the watches run, read
wherever the API runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kork.database import Database
from sqlalchemy import text

from clouddriver.kubernetes.health import UNWATCHED, AccountHealth, ScopeStanding
from clouddriver.kubernetes.leases import Lease
from clouddriver.kubernetes.manifest import kind_key


@dataclass(frozen=True, slots=True)
class KindState:
    """How fresh one kind of an account is; `namespace` is empty for all of them."""

    kind: str
    group: str
    namespace: str
    state: str
    reason: str
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account's health as it was found at `checked_at`."""

    health: AccountHealth
    checked_at: datetime | None
    kinds: tuple[KindState, ...]


class AccountStates:
    """What is known of the accounts' health."""

    def __init__(self, database: Database, lease: Lease | None = None) -> None:
        self._database = database
        self._lease = lease

    def under(self, lease: Lease) -> "AccountStates":
        """Give the states as the holder of a lease writes them: a report raises `LeaseLost` once that is gone."""
        return AccountStates(self._database, lease)

    def report(self, account: str, health: AccountHealth, standings: Iterable[ScopeStanding]) -> None:
        """Write how an account and its watches stand."""
        rows = [
            {
                "account": account,
                "api_group": standing.scope.served.group,
                "kind": kind_key(standing.scope.served.kind),
                "namespace": standing.scope.namespace,
                "state": str(standing.state),
                "reason": standing.reason,
            }
            for standing in standings
        ]
        with self._database.begin() as connection:
            if self._lease is not None:
                self._lease.check(connection)
            connection.execute(
                text(
                    "UPDATE account_state SET status = :status, reason = :reason, fix = :fix, "
                    "checked_at = clock_timestamp() WHERE account = :account"
                ),
                {"account": account, "status": health.status, "reason": health.reason, "fix": health.fix},
            )
            connection.execute(
                text(
                    "DELETE FROM watched_kind WHERE account = :account AND NOT (api_group, kind, namespace) IN "
                    "(SELECT * FROM unnest(CAST(:groups AS text[]), CAST(:kinds AS text[]), CAST(:spaces AS text[])))"
                ),
                {
                    "account": account,
                    "groups": [row["api_group"] for row in rows],
                    "kinds": [row["kind"] for row in rows],
                    "spaces": [row["namespace"] for row in rows],
                },
            )
            if rows:
                connection.execute(_REPORT_KIND, rows)

    def read(self, accounts: Sequence[str]) -> dict[str, AccountState]:
        """Read the state of accounts; one that no process watches says so."""
        with self._database.connect() as connection:
            states = connection.execute(
                text(
                    "SELECT *, leased_until > clock_timestamp() AS watched FROM account_state "
                    "WHERE account = ANY(CAST(:accounts AS text[]))"
                ),
                {"accounts": list(accounts)},
            ).all()
            kinds = connection.execute(
                text(
                    "SELECT * FROM watched_kind WHERE account = ANY(CAST(:accounts AS text[])) "
                    "ORDER BY account, kind, namespace"
                ),
                {"accounts": list(accounts)},
            ).all()
        by_account: dict[str, list[KindState]] = {}
        for row in kinds:
            by_account.setdefault(row.account, []).append(
                KindState(row.kind, row.api_group, row.namespace, row.state, row.reason, row.synced_at)
            )
        found = {row.account: _state(row, by_account.get(row.account, [])) for row in states}
        return {name: found.get(name, AccountState(UNWATCHED, None, ())) for name in accounts}


_REPORT_KIND = text(
    """
    INSERT INTO watched_kind AS known (account, api_group, kind, namespace, state, reason, synced_at)
    VALUES (
        :account, :api_group, :kind, :namespace, :state, :reason,
        CASE WHEN :state IN ('WATCHING', 'POLLING') THEN clock_timestamp() END
    )
    ON CONFLICT (account, api_group, kind, namespace) DO UPDATE SET
        state = excluded.state, reason = excluded.reason, synced_at = coalesce(excluded.synced_at, known.synced_at)
    """
)


def _state(row: Any, kinds: Sequence[KindState]) -> AccountState:
    health = AccountHealth(row.status, row.reason, row.fix) if row.watched else UNWATCHED
    return AccountState(health, row.checked_at, tuple(kinds))
