"""The events for one client, kept while it reads."""

import asyncio

from gate.streams.message import Interest, Message, StreamId


class Subscription:
    """A queue of bounded length. A client that is too far behind loses its stream, not gate its memory.

    `since` is the place in the stream from which on events are offered; None until the reader knows it.
    `ended` is the reason why no more will come, empty while more may.
    """

    def __init__(self, interest: Interest, since: StreamId | None, length: int) -> None:
        self.interest = interest
        self.since = since
        self.ended = ""
        self._length = length
        self._waiting: list[Message] = []
        self._changed = asyncio.Event()

    def offer(self, message: Message) -> bool:
        """Take a message if it is wanted; give False when the client is too far behind for it."""
        if self.ended or not self.interest.includes(message):
            return True
        if len(self._waiting) >= self._length:
            self._waiting.clear()
            self.end("you read too slowly; connect again, and what you missed follows")
            return False
        self._waiting.append(message)
        self._changed.set()
        return True

    def place(self, since: StreamId) -> None:
        """Say from where on events will be offered."""
        self.since = since
        self._changed.set()

    def end(self, reason: str) -> None:
        """Have the stream end after what waits, with a comment that says why."""
        self.ended = reason
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until something has changed; give False when the time is over before."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return self._changed.is_set()
        self._changed.clear()
        return True

    def take(self) -> list[Message]:
        """Give what waits."""
        taken, self._waiting = self._waiting, []
        return taken
