"""Watch one account: connect, watch its kinds, say how it is, heal."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from kork.app import run_sync
from kork.background import end
from kork.telemetry import log

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.board import Board
from clouddriver.kubernetes.discovery import Kinds, ServedKind
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.health import AccountHealth, ScopeState, diagnose, judge
from clouddriver.kubernetes.inflow import Inflow, persistently
from clouddriver.kubernetes.leases import LeaseLost
from clouddriver.kubernetes.reflector import KindWatch
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.scopes import is_wanted, watched_kinds
from clouddriver.kubernetes.states import AccountStates
from clouddriver.kubernetes.watch import Scope, WatchClient

_log = log("clouddriver.account")
T = TypeVar("T")

_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_SETTLE_SECONDS = 0.1
_LOOK_SECONDS = 15.0
_REDISCOVER_LOOKS = 20


class Supervisor:
    """The life of one account in this process; nothing that goes wrong in it reaches another account."""

    def __init__(self, account: Account, store: ResourceStore, states: AccountStates) -> None:
        self._account = account
        self._store = store
        self._states = states
        self._reported: object = None
        self._one_thread = anyio.CapacityLimiter(1)

    async def run(self) -> None:
        """Watch until cancelled, or until the account is another process's."""
        try:
            await self._supervise()
        except LeaseLost:
            _log.info("account.lost", account=self._account.name)

    async def _supervise(self) -> None:
        failures = 0
        while True:
            try:
                kinds = await self._aside(self._connect)
                failures = 0
                await self._watch(kinds)
            except KubernetesError as error:
                failures += 1
                await self._say(diagnose(error, self._account.name, self._origin()), Board())
            except LeaseLost:
                raise
            except Exception as error:
                failures += 1
                _log.exception("account.failed", account=self._account.name, error=str(error))
                await self._say(AccountHealth("DOWN", f"The watch failed: {error}", "See the log."), Board())
            if failures:
                await asyncio.sleep(_pause(failures))

    async def _aside(self, work: Callable[[], T]) -> T:
        """Do what may hang with the account's cluster on a thread of its own: no other account, no API waits for it."""
        return await anyio.to_thread.run_sync(work, limiter=self._one_thread, abandon_on_cancel=True)

    def _connect(self) -> Kinds:
        return self._account.client.rediscover()

    async def _watch(self, kinds: Kinds) -> None:
        connection = await self._aside(self._account.connection)
        client, board = WatchClient(connection), Board()
        inflow = Inflow(self._account.name, self._store)
        running: dict[ServedKind, asyncio.Future[None]] = {}
        writer = asyncio.ensure_future(inflow.run())
        looks = 0
        try:
            await persistently(lambda: run_sync(self._narrow))
            while not await self._aside(connection.changed):
                for served in watched_kinds(self._account, kinds):
                    if served not in running:
                        scope = Scope(served)
                        watch = KindWatch(self._account, client, scope, self._store, inflow, board)
                        running[served] = asyncio.ensure_future(watch.run())
                await self._attend(client, board, [writer, *running.values()])
                looks += 1
                if looks % _REDISCOVER_LOOKS == 0 and board.trouble is None:
                    kinds = await self._aside(self._connect)
            _log.info("account.reconfigured", account=self._account.name)
        finally:
            await end(writer, *running.values())
            await client.close()

    def _narrow(self) -> None:
        settings = self._account.settings
        self._store.narrow(
            self._account.name,
            partial(is_wanted, self._account),
            namespaces=settings.namespaces,
            omitted=settings.omit_namespaces,
        )

    async def _attend(self, client: WatchClient, board: Board, tasks: "list[asyncio.Future[None]]") -> None:
        """Report what changes, until it is time to look whether the kubeconfig has changed."""
        deadline = asyncio.get_running_loop().time() + _LOOK_SECONDS
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            for task in tasks:
                if task.done():
                    task.result()
            if board.trouble is not None:
                await self._say(diagnose(board.trouble, self._account.name, self._origin()), board)
                if await self._heals(client):
                    board.recovered()
                else:
                    return
            try:
                async with asyncio.timeout(left):
                    await board.changed.wait()
            except TimeoutError:
                return
            await asyncio.sleep(_SETTLE_SECONDS)
            board.changed.clear()
            if board.trouble is None:
                await self._report(board)

    async def _heals(self, client: WatchClient) -> bool:
        """Ask the server until it answers, or some seconds have passed."""
        for attempt in range(1, len(_RETRY_SECONDS) + 1):
            try:
                await client.probe()
            except KubernetesError:
                await asyncio.sleep(_pause(attempt))
                if await self._aside(client.connection.changed):
                    return False
            else:
                return True
        return False

    async def _report(self, board: Board) -> None:
        standings = board.standings()
        if any(standing.state is ScopeState.SYNCING for standing in standings) and self._reported is None:
            # Known to write-throughs at once; judged when the first lists are done.
            await persistently(lambda: run_sync(self._states.report, self._account.name, _SYNCING, standings))
            return
        declared = bool(self._account.settings.namespaces)
        await self._say(judge(standings, namespaces_declared=declared, confined_to=board.confined_to), board)

    async def _say(self, health: AccountHealth, board: Board) -> None:
        standings = board.standings()
        news = (health, tuple(standings))
        if news == self._reported:
            return
        before = self._reported
        await persistently(lambda: run_sync(self._states.report, self._account.name, health, standings))
        self._reported = news
        if not isinstance(before, tuple) or before[0] != health:
            _log.info(
                "account.health", account=self._account.name, status=health.status, reason=health.reason, fix=health.fix
            )

    def _origin(self) -> str:
        return self._account.settings.kubeconfig_file or f"the settings of account '{self._account.name}'"


_SYNCING = AccountHealth("DEGRADED", "The first lists are under way.", "Wait some seconds.")


def _pause(failures: int) -> float:
    return _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1] * random.uniform(0.7, 1.0)
