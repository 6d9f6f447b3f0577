"""Bells between transactions and the loops that act on them: Postgres' NOTIFY, on one connection per process."""

import asyncio

from kork.database import Database

PIPELINES = "echo_pipelines"
STARTS = "echo_starts"
SCHEDULE = "echo_schedule"
NOTICES = "echo_notices"
DELIVERIES = "echo_deliveries"


class Bell:
    """Wakes the one loop that waits for it. Many rings before it wakes are one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the loop, or keep it from falling asleep."""
        self._rung.set()

    async def wait(self, timeout: float) -> None:
        """Sleep until the bell rings, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()


class Bells:
    """The bells of a process, by their channels."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bells = {channel: Bell() for channel in (PIPELINES, STARTS, SCHEDULE, NOTICES, DELIVERIES)}

    def __getitem__(self, channel: str) -> Bell:
        return self._bells[channel]

    async def run(self) -> None:
        """Ring until cancelled. After a lost connection all are rung: something may have been missed."""
        async with self._database.listen(*self._bells) as inbox:
            async for notification in inbox:
                rung = self._bells.values() if notification is None else [self._bells[notification.channel]]
                for bell in rung:
                    bell.ring()
