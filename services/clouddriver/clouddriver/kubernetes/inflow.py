"""From watches into Postgres: what arrives while a batch is being written makes the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from kork.app import run_sync
from kork.database import is_outage
from kork.telemetry import counter, log
from sqlalchemy.exc import DBAPIError

from clouddriver.kubernetes.manifest import Manifest, ResourceRef, metadata_of
from clouddriver.kubernetes.resources import ResourceStore

_log = log("clouddriver.inflow")
_stored = counter("clouddriver_watch_changes_total", "Changes of clusters stored", "account")

_WAITING = 2000
_BATCH = 500
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

Verb = Literal["put", "delete", "drop"]


@dataclass(frozen=True, slots=True)
class _Item:
    verb: Verb
    manifest: Manifest


class Inflow:
    """The way of one account's changes into the store. Who brings more than can be written waits."""

    def __init__(self, account: str, store: ResourceStore) -> None:
        self._account = account
        self._store = store
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_WAITING)

    async def put(self, manifest: Manifest) -> None:
        """Store an object as it is now."""
        await self._queue.put(_Item("put", manifest))

    async def delete(self, manifest: Manifest) -> None:
        """Note that an object was deleted; `manifest` is its last state, with the deletion's version."""
        await self._queue.put(_Item("delete", manifest))

    async def drop(self, manifest: Manifest) -> None:
        """Forget an object that is not to be stored any more."""
        await self._queue.put(_Item("drop", manifest))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await persistently(lambda batch=batch: run_sync(self._write, batch))
            _stored.labels(self._account).inc(len(batch))

    def _write(self, batch: list[_Item]) -> None:
        try:
            self._store.put_all(
                self._account,
                [item.manifest for item in batch if item.verb == "put"],
                deleted=[item.manifest for item in batch if item.verb == "delete"],
            )
        except DBAPIError as error:
            if is_outage(error):
                raise
            if len(batch) == 1:
                ref = ResourceRef.of(batch[0].manifest)
                _log.error("change.not_stored", account=self._account, resource=str(ref), error=str(error.orig))
                return
            # One object that Postgres refuses must not keep the others out.
            for item in batch:
                self._write([item])
            return
        for item in batch:
            if item.verb == "drop":
                uid = str(metadata_of(item.manifest).get("uid") or "")
                self._store.remove(self._account, ResourceRef.of(item.manifest), uid=uid)


async def persistently(work: Callable[[], Awaitable[None]]) -> None:
    """Do something with the database, again and again while Postgres is away."""
    attempt = 0
    while True:
        try:
            return await work()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("database.away", error=str(error).splitlines()[0])
        await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
        attempt += 1
