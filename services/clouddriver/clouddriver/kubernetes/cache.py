"""Watch all accounts that this process holds the lease of."""

import asyncio
import socket

from kork.app import run_sync
from kork.background import end
from kork.telemetry import log

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.inflow import persistently
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.kubernetes.supervisor import Supervisor

_log = log("clouddriver.cache")

_LEASE_SECONDS = 15.0
_RENEW_SECONDS = 5.0
_PURGE_ROUNDS = 60
_REMEMBER_DELETED_SECONDS = 600


class Cache:
    """The watches of the accounts. Several processes may run one each: an account is watched by one of them.

    `owner` names this process among the others; the same after a restart, so that it goes on at once.
    """

    def __init__(
        self, accounts: Accounts, store: ResourceStore, states: AccountStates, *, owner: str | None = None
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._states = states
        self._owner = owner or f"{socket.gethostname()}:cache"
        self._running: dict[str, asyncio.Future[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        names = [account.name for account in self._accounts]
        rounds = 0
        try:
            while True:
                await persistently(lambda: self._renew(names))
                if rounds % _PURGE_ROUNDS == 0:
                    await persistently(lambda: run_sync(self._purge, names))
                rounds += 1
                await asyncio.sleep(_RENEW_SECONDS)
        finally:
            await end(*self._running.values())
            self._running.clear()
            await _quietly_release(self._states, self._owner)

    async def _renew(self, names: list[str]) -> None:
        watching = set(self._running)
        held = set(await run_sync(self._states.claim, names, self._owner, _LEASE_SECONDS, watching=watching))
        for name in [name for name in self._running if name not in held or self._running[name].done()]:
            task = self._running.pop(name)
            await end(task)
            _log.info("account.left", account=name)
        for name in sorted(held - self._running.keys()):
            supervisor = Supervisor(self._accounts.get(name), self._store, self._states)
            self._running[name] = asyncio.ensure_future(supervisor.run())
            _log.info("account.taken", account=name)

    def _purge(self, names: list[str]) -> None:
        self._store.purge(names, _REMEMBER_DELETED_SECONDS)


async def _quietly_release(states: AccountStates, owner: str) -> None:
    try:
        await asyncio.shield(run_sync(states.release, owner))
    except Exception as error:
        _log.debug("lease.not_released", error=str(error))
