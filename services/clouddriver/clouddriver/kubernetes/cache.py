"""Watch the accounts that this process has the leases of."""

import asyncio
import os
import socket
from dataclasses import dataclass

from kork.app import run_sync
from kork.background import end
from kork.database import Database
from kork.telemetry import log

from clouddriver.kubernetes.accounts import ACCOUNTS_CHANNEL, Account, Accounts
from clouddriver.kubernetes.inflow import persistently
from clouddriver.kubernetes.leases import LEASES_CHANNEL, AccountLeases, Lease
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.kubernetes.supervisor import Supervisor

_log = log("clouddriver.cache")

_RENEWALS_PER_LEASE = 3
_PURGE_ROUNDS = 60
_REMEMBER_DELETED_SECONDS = 600
_SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Watched:
    account: Account
    lease: Lease
    task: "asyncio.Future[None]"


class Cache:
    """The watches of the accounts. Any number of processes may run one each: they share the accounts evenly.

    `owner` names this process among the others. The same name after a restart goes on at once; two at a time
    must never have the same one.
    """

    def __init__(
        self, accounts: Accounts, database: Database, *, owner: str | None = None, lease_seconds: float = 15.0
    ) -> None:
        self._accounts = accounts
        self._database = database
        self._store = ResourceStore(database)
        self._states = AccountStates(database)
        self._leases = AccountLeases(
            database, owner or f"{socket.gethostname()}:{os.getpid()}:cache", seconds=lease_seconds
        )
        self._pause = lease_seconds / _RENEWALS_PER_LEASE
        self._watched: dict[str, _Watched] = {}
        self._known: frozenset[str] = frozenset()
        self._rounds = 0

    def watching(self) -> list[str]:
        """List the accounts that this process watches now."""
        return sorted(self._watched)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with self._database.listen(LEASES_CHANNEL, ACCOUNTS_CHANNEL) as inbox:
                while True:
                    await persistently(self._round)
                    if await inbox.next(self._pause) is not None:
                        await asyncio.sleep(_SETTLE_SECONDS)
                        inbox.drain()
        finally:
            await end(*(watched.task for watched in self._watched.values()))
            self._watched.clear()
            await self._leave()

    async def _round(self) -> None:
        await run_sync(self._accounts.refresh)
        accounts = {account.name: account for account in self._accounts}
        await self._stop([name for name, watched in self._watched.items() if accounts.get(name) is not watched.account])
        await self._renew(accounts)
        gone = self._known - accounts.keys()
        self._known = frozenset(accounts)
        if gone:
            await run_sync(self._leases.hand_over, gone)
        if gone or self._rounds % _PURGE_ROUNDS == 0:
            await run_sync(self._store.purge, sorted(accounts), _REMEMBER_DELETED_SECONDS)
        self._rounds += 1

    async def _renew(self, accounts: dict[str, Account]) -> None:
        share = await run_sync(self._leases.renew, sorted(accounts), watching=set(self._watched))
        lost = [
            name
            for name, watched in self._watched.items()
            if share.held.get(name) != watched.lease or watched.task.done()
        ]
        await self._stop(lost)
        surplus = set(share.surplus)
        if surplus:
            await self._stop([name for name in self._watched if name in surplus])
            await run_sync(self._leases.hand_over, surplus)
        for name, lease in share.held.items():
            if name not in surplus and name not in self._watched:
                self._start(accounts[name], lease)

    def _start(self, account: Account, lease: Lease) -> None:
        supervisor = Supervisor(account, self._store.under(lease), self._states.under(lease))
        self._watched[account.name] = _Watched(account, lease, asyncio.ensure_future(supervisor.run()))
        _log.info("account.taken", account=account.name)

    async def _stop(self, names: list[str]) -> None:
        """End watches; the lease stays ours, so that a new watch of a changed account begins in the same round."""
        ended = [self._watched.pop(name) for name in names]
        await end(*(watched.task for watched in ended))
        for watched in ended:
            _log.info("account.left", account=watched.account.name)

    async def _leave(self) -> None:
        try:
            await asyncio.shield(run_sync(self._leases.leave))
        except Exception as error:
            _log.debug("lease.not_released", error=str(error))
