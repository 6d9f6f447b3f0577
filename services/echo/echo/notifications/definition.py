"""What a notification type says. A new one is one class, found by the entry point group `echo.notifications`."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from kork.documents import Document
from kork.http import ServiceClient

from echo.settings import EchoSettings


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to an address: its id is the same each time that it is tried."""

    id: str
    sender: str
    address: str
    message: Document
    attempts: int


class SendFailed(Exception):
    """A message could not be handed over. `final`: trying again is of no use."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Sender(Protocol):
    """Hands messages over to one kind of receivers."""

    type: ClassVar[str]
    metadata: ClassVar[Document | None]

    def address_of(self, notification: Document) -> str | None:
        """Give the address in a notification, or None when it has none."""
        ...

    async def send(self, delivery: Delivery, http: ServiceClient, settings: EchoSettings) -> None:
        """Hand a message over, or raise `SendFailed`. May be called again for the same delivery."""
        ...
