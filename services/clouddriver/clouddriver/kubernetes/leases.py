"""Which process watches which account: shared evenly, by leases in Postgres, each with a fencing number.

A process that was away too long may still believe that it holds an account. It can do no harm: whoever begins to
watch gets a new number, and writes under an older one are refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kork.database import Database, notify
from sqlalchemy import Connection, text

from clouddriver.kubernetes.health import STARTING

LEASES_CHANNEL = "clouddriver_leases"

_FORGET_MEMBER_SECONDS = 3600


class LeaseLost(Exception):
    """Another process watches the account now, or nobody should: what was about to be written was not."""

    def __init__(self, account: str) -> None:
        super().__init__(f"The account '{account}' is not watched by this process any more.")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write what is known of an account."""

    account: str
    fence: int

    def check(self, connection: Connection) -> None:
        """Raise `LeaseLost` unless this is still the newest; until the transaction ends nobody can take over."""
        held = connection.execute(_CHECK, {"account": self.account, "fence": self.fence}).first()
        if held is None:
            raise LeaseLost(self.account)


@dataclass(frozen=True, slots=True)
class Share:
    """What a process has: leases by account, and those accounts that it should give up so that others have as many."""

    held: Mapping[str, Lease]
    surplus: Sequence[str]


def quotas(held: Mapping[str, int], total: int) -> dict[str, int]:
    """Say how many of `total` accounts each process should have, given how many each has now. Pure.

    They differ by one at most; who has more already keeps the odd one, so that nothing moves without need.
    """
    if not held:
        return {}
    least, more = divmod(total, len(held))
    by_wealth = sorted(held, key=lambda owner: (-held[owner], owner))
    return {owner: least + (position < more) for position, owner in enumerate(by_wealth)}


class AccountLeases:
    """The leases of one process, `owner`."""

    def __init__(self, database: Database, owner: str, *, seconds: float = 15.0) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds

    def renew(self, accounts: Sequence[str], *, watching: Collection[str] = ()) -> Share:
        """Be alive, keep what is ours of `accounts`, and take our part of those that nobody has.

        What is ours and not among those that we are `watching` begins anew: under a new fence, and nothing of it
        counts as fresh until it is in step.
        """
        with self._database.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('clouddriver.leases'))"))
            self._be_alive(connection)
            counts = self._counts(connection, accounts)
            ours = set(self._keep(connection, accounts))
            quota = quotas(counts, len(set(accounts)))[self._owner]
            if len(ours) < quota:
                ours |= self._take(connection, accounts, quota - len(ours))
            begun = sorted(ours - set(watching))
            if begun:
                self._begin(connection, begun)
            fences = connection.execute(_FENCES, {"accounts": sorted(ours)}).all()
            held = {row.account: Lease(row.account, row.fence) for row in fences}
            return Share(held, sorted(ours)[quota:])

    def hand_over(self, accounts: Collection[str]) -> None:
        """Let accounts go, whose watches have ended, and wake the others."""
        with self._database.begin() as connection:
            connection.execute(_LET_GO, {"owner": self._owner, "accounts": sorted(accounts)})
            notify(connection, LEASES_CHANNEL)

    def leave(self) -> None:
        """Let everything go and be no member any more; the others take over at once."""
        with self._database.begin() as connection:
            connection.execute(_LEAVE, {"owner": self._owner})
            connection.execute(text("DELETE FROM cache_member WHERE owner = :owner"), {"owner": self._owner})
            notify(connection, LEASES_CHANNEL)

    def _be_alive(self, connection: Connection) -> None:
        joined = connection.execute(
            _BE_ALIVE, {"owner": self._owner, "seconds": self._seconds, "forget": _FORGET_MEMBER_SECONDS}
        ).scalar_one()
        if joined:
            notify(connection, LEASES_CHANNEL)

    def _counts(self, connection: Connection, accounts: Sequence[str]) -> dict[str, int]:
        rows = connection.execute(_COUNTS, {"accounts": list(accounts)}).all()
        return {row.owner: row.accounts for row in rows}

    def _keep(self, connection: Connection, accounts: Sequence[str]) -> list[str]:
        values = {"accounts": list(accounts), "owner": self._owner, "seconds": self._seconds}
        return [row.account for row in connection.execute(_KEEP, values)]

    def _take(self, connection: Connection, accounts: Sequence[str], most: int) -> set[str]:
        connection.execute(_ADD_FENCES, {"accounts": sorted(accounts)})
        values = {
            "accounts": list(accounts),
            "owner": self._owner,
            "seconds": self._seconds,
            "most": most,
            "status": STARTING.status,
            "reason": STARTING.reason,
            "fix": STARTING.fix,
        }
        return {row.account for row in connection.execute(_TAKE, values)}

    @staticmethod
    def _begin(connection: Connection, accounts: Sequence[str]) -> None:
        values = {"status": STARTING.status, "reason": STARTING.reason, "fix": STARTING.fix}
        connection.execute(_NEW_FENCES, {"accounts": accounts})
        connection.execute(_NOT_FRESH, {"accounts": accounts})
        connection.execute(_NOT_CHECKED, {"accounts": accounts, **values})


_CHECK = text("SELECT FROM account_fence WHERE account = :account AND fence = :fence FOR SHARE")
_FENCES = text("SELECT account, fence FROM account_fence WHERE account = ANY(CAST(:accounts AS text[]))")
_BE_ALIVE = text(
    """
    WITH forgotten AS (
        DELETE FROM cache_member
        WHERE owner <> :owner AND alive_until < clock_timestamp() - make_interval(secs => :forget)
    ), before AS (SELECT alive_until > clock_timestamp() AS alive FROM cache_member WHERE owner = :owner)
    INSERT INTO cache_member (owner, alive_until)
    VALUES (:owner, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until
    RETURNING NOT coalesce((SELECT alive FROM before), false) AS joined
    """
)
_COUNTS = text(
    """
    SELECT member.owner, count(state.account) AS accounts
    FROM cache_member AS member LEFT JOIN account_state AS state
        ON state.owner = member.owner AND state.leased_until > clock_timestamp()
        AND state.account = ANY(CAST(:accounts AS text[]))
    WHERE member.alive_until > clock_timestamp()
    GROUP BY member.owner
    """
)
_KEEP = text(
    """
    UPDATE account_state SET leased_until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE owner = :owner AND account = ANY(CAST(:accounts AS text[])) AND leased_until > clock_timestamp()
    RETURNING account
    """
)
_ADD_FENCES = text(
    "INSERT INTO account_fence (account) SELECT unnest(CAST(:accounts AS text[])) ON CONFLICT DO NOTHING"
)
# An account in whose name somebody is writing just now is left for the next round.
_TAKE = text(
    """
    WITH free AS (
        SELECT fence.account FROM account_fence AS fence LEFT JOIN account_state AS state USING (account)
        WHERE fence.account = ANY(CAST(:accounts AS text[]))
            AND (state.account IS NULL OR state.leased_until <= clock_timestamp())
        ORDER BY fence.account LIMIT :most
        FOR UPDATE OF fence SKIP LOCKED
    )
    INSERT INTO account_state AS state (account, status, reason, fix, owner, leased_until)
    SELECT account, :status, :reason, :fix, :owner, clock_timestamp() + make_interval(secs => :seconds) FROM free
    ON CONFLICT (account) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
    RETURNING account
    """
)
_NEW_FENCES = text(
    "UPDATE account_fence SET fence = nextval('account_fence_number') WHERE account = ANY(CAST(:accounts AS text[]))"
)
_NOT_FRESH = text(
    "UPDATE watched_kind SET state = 'SYNCING', reason = '' WHERE account = ANY(CAST(:accounts AS text[]))"
)
_NOT_CHECKED = text(
    "UPDATE account_state SET status = :status, reason = :reason, fix = :fix "
    "WHERE account = ANY(CAST(:accounts AS text[]))"
)
_LET_GO = text(
    "UPDATE account_state SET leased_until = clock_timestamp() "
    "WHERE owner = :owner AND account = ANY(CAST(:accounts AS text[]))"
)
_LEAVE = text("UPDATE account_state SET leased_until = clock_timestamp() WHERE owner = :owner")
