"""Which kinds of notifications there are."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points

from kork.documents import Document

from echo.notifications.definition import Sender
from echo.notifications.rest import RestForwarder

GROUP = "echo.notifications"


class SenderCatalogue:
    """The senders, by their types. Types are compared ignoring case."""

    def __init__(self, senders: Iterable[Sender]) -> None:
        self._senders = {sender.type.lower(): sender for sender in senders}

    @staticmethod
    @cache
    def load() -> "SenderCatalogue":
        """Load the senders of all installed packages."""
        return SenderCatalogue([RestForwarder(), *(entry.load()() for entry in entry_points(group=GROUP))])

    def find(self, type: object) -> Sender | None:
        """Give the sender of a type, or None."""
        return self._senders.get(type.lower()) if isinstance(type, str) else None

    def metadata(self) -> list[Document]:
        """Describe the types that people may configure, as the UI expects it."""
        return [sender.metadata for sender in self._senders.values() if sender.metadata]
