"""Keep one scope of a cluster in Postgres: list, watch, resume; list again when the version is too old."""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import datetime

from kork.app import run_sync
from kork.database import is_outage
from kork.telemetry import counter, log

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.board import Board
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.health import ScopeState
from clouddriver.kubernetes.inflow import Inflow
from clouddriver.kubernetes.manifest import Manifest, metadata_of
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.scopes import is_kept, kept, starts_by_namespace
from clouddriver.kubernetes.watch import Change, Scope, WatchClient

_log = log("clouddriver.reflector")
_lists = counter("clouddriver_lists_total", "Full lists of a kind", "account", "kind")

_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_RECHECK_SECONDS = (20.0, 40.0)
_POLL_SECONDS = (5.0, 60.0)
_POLL_SLOWER = 1.5
_POLL_SHARE = 10
_SHORT_WATCH_SECONDS = 1.0


def backoff(failures: int) -> float:
    """Give the pause (seconds) after so many failures in a row, with jitter so that watches don't march in step."""
    longest = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1]
    return longest * random.uniform(0.5, 1.0)


def next_poll(interval: float, *, changed: bool, list_seconds: float) -> float:
    """Give the pause (seconds) before the next list where watching is not allowed.

    Short while things change, longer while they don't, and never so short that listing is all we do.
    """
    shortest, longest = _POLL_SECONDS
    wanted = shortest if changed else min(interval * _POLL_SLOWER, longest)
    return max(wanted, list_seconds * _POLL_SHARE)


class ListForbidden(Exception):
    """The scope may not be listed."""


class Reflector:
    """The watch of one scope of one account."""

    def __init__(
        self, account: Account, client: WatchClient, scope: Scope, store: ResourceStore, inflow: Inflow, board: Board
    ) -> None:
        self._account = account
        self._client = client
        self._scope = scope
        self._store = store
        self._inflow = inflow
        self._board = board
        self._version: str | None = None
        self._may_watch = True
        self._seen: frozenset[tuple[str, str]] = frozenset()
        self._interval = _POLL_SECONDS[0]

    async def run(self) -> None:
        """Reflect until cancelled. Raises `ListForbidden` when the scope may not be listed."""
        failures = 0
        while True:
            try:
                if self._version is None:
                    self._board.note(self._scope, ScopeState.SYNCING)
                    await self._list()
                    failures = 0
                if self._may_watch:
                    await self._watch()
                    failures = 0
                else:
                    await self._poll()
            except KubernetesError as error:
                failures += 1
                await self._recover(error, failures)
            except Exception as error:
                if not is_outage(error):
                    raise
                failures += 1
                self._version = None
                self._board.note(self._scope, ScopeState.FAILING, "the database is away")
                await asyncio.sleep(backoff(failures))

    async def _recover(self, error: KubernetesError, failures: int) -> None:
        if error.status in (0, 401):
            self._board.note(self._scope, ScopeState.FAILING, error.message)
            await self._board.wait_out(error)
            await asyncio.sleep(random.uniform(0, 0.3))
        elif error.status == 410 or error.reason in ("Expired", "Gone"):
            self._version = None
            await asyncio.sleep(backoff(failures) if failures > 1 else 0)
        elif error.status in (403, 405) and self._version is not None and self._may_watch:
            self._may_watch = False
            _log.warning("watch.forbidden", account=self._account.name, scope=str(self._scope), error=error.message)
        elif error.status == 403:
            raise ListForbidden(error.message) from error
        else:
            self._version = None
            self._board.note(self._scope, ScopeState.FAILING, error.message)
            await asyncio.sleep(backoff(failures))

    async def _list(self) -> bool:
        listed_at: datetime = await run_sync(self._store.now)
        uids: list[str] = []
        seen: set[tuple[str, str]] = set()
        version = ""
        async for page in self._client.pages(self._scope):
            manifests = kept(self._account, page.manifests)
            identities = [_identity(manifest) for manifest in manifests]
            uids += [uid for uid, _ in identities]
            if not self._may_watch:
                seen.update(identities)
            await run_sync(self._store.put_all, self._account.name, manifests, listed_at=listed_at)
            version = page.version
        served = self._scope.served
        await run_sync(
            self._store.remove_vanished,
            self._account.name,
            served.group,
            served.kind,
            self._scope.namespace,
            uids,
            listed_at,
        )
        _lists.labels(self._account.name, served.kind).inc()
        changed = seen != self._seen
        self._seen, self._version = frozenset(seen), version
        return changed

    async def _watch(self) -> None:
        opened = time.monotonic()
        async for change in self._client.changes(self._scope, self._version or ""):
            if change.version:
                self._version = change.version
            self._board.note(self._scope, ScopeState.WATCHING)
            await self._take(change)
        if time.monotonic() - opened < _SHORT_WATCH_SECONDS:
            await asyncio.sleep(backoff(1))

    async def _take(self, change: Change) -> None:
        if change.type == "BOOKMARK":
            return
        if change.type == "DELETED":
            if is_kept(self._account, change.manifest):
                await self._inflow.delete(change.manifest)
        elif is_kept(self._account, change.manifest):
            await self._inflow.put(change.manifest)
        elif change.type == "MODIFIED":
            await self._inflow.drop(change.manifest)

    async def _poll(self) -> None:
        self._board.note(self._scope, ScopeState.POLLING)
        await asyncio.sleep(self._interval * random.uniform(0.9, 1.1))
        started = time.monotonic()
        changed = await self._list()
        self._interval = next_poll(self._interval, changed=changed, list_seconds=time.monotonic() - started)


def _identity(manifest: Manifest) -> tuple[str, str]:
    metadata = metadata_of(manifest)
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")


class KindWatch:
    """The watches of one kind: of the whole cluster when that is allowed, else of namespaces one by one."""

    def __init__(
        self, account: Account, client: WatchClient, whole: Scope, store: ResourceStore, inflow: Inflow, board: Board
    ) -> None:
        self._account = account
        self._client = client
        self._whole = whole
        self._store = store
        self._inflow = inflow
        self._board = board

    async def run(self) -> None:
        """Watch until cancelled."""
        declared = self._account.settings.namespaces
        if not self._whole.served.namespaced:
            await self._reflect_patiently(self._whole)
        elif starts_by_namespace(declared):
            await self._each(declared)
        else:
            while True:
                try:
                    await self._reflector(self._whole).run()
                except ListForbidden:
                    await self._confined(declared or [self._client.connection.namespace])

    async def _confined(self, namespaces: Sequence[str]) -> None:
        self._board.forget(self._whole)
        self._board.confine(namespaces)
        watches = asyncio.ensure_future(self._each(namespaces))
        allowed = asyncio.ensure_future(self._until_allowed(self._whole))
        try:
            await asyncio.wait((watches, allowed), return_when=asyncio.FIRST_COMPLETED)
            if watches.done():
                watches.result()
        finally:
            for task in (watches, allowed):
                task.cancel()
            await asyncio.gather(watches, allowed, return_exceptions=True)
        for namespace in namespaces:
            self._board.forget(Scope(self._whole.served, namespace))
        self._board.confine(())

    async def _each(self, namespaces: Sequence[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for namespace in namespaces:
                group.create_task(self._reflect_patiently(Scope(self._whole.served, namespace)))

    async def _reflect_patiently(self, scope: Scope) -> None:
        while True:
            try:
                await self._reflector(scope).run()
            except ListForbidden as error:
                self._board.note(scope, ScopeState.FORBIDDEN, str(error))
                await self._until_allowed(scope)

    async def _until_allowed(self, scope: Scope) -> None:
        while True:
            await asyncio.sleep(random.uniform(*_RECHECK_SECONDS))
            try:
                if await self._client.may_list(scope):
                    return
            except KubernetesError as error:
                if error.status in (0, 401):
                    await self._board.wait_out(error)

    def _reflector(self, scope: Scope) -> Reflector:
        return Reflector(self._account, self._client, scope, self._store, self._inflow, self._board)
