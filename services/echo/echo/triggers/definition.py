"""What a trigger type says. A new type is one class, found by the entry point group `echo.triggers`."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from kork.documents import Document

from echo.events.event import Door, Receipt
from echo.settings import EchoSettings


@dataclass(frozen=True, slots=True)
class Facts:
    """What a start is told of its event: fields for the trigger, and the artifacts that came with it."""

    fields: Document
    artifacts: tuple[Document, ...] = ()


class TriggerType(Protocol):
    """A type of triggers: which events it looks at, how a trigger matches, what the start is told.

    Methods are pure and never raise for odd triggers or payloads. `events` are the types of events that it
    looks at; it is empty for a type that something else than an event starts. `doors` are the ways by which such an
    event may come: a webhook can be sent by anybody. `once_per_pipeline`: an event starts a pipeline once, though
    several of its triggers match.
    """

    type: ClassVar[str]
    events: ClassVar[frozenset[str]]
    doors: ClassVar[frozenset[Door]]
    once_per_pipeline: ClassVar[bool]

    def fault(self, trigger: Document) -> str | None:
        """Say what keeps a trigger from ever matching, such as a field that is missing, or None."""
        ...

    def key(self, trigger: Document) -> str:
        """Give the key under which a faultless trigger is found."""
        ...

    def event_key(self, receipt: Receipt) -> str:
        """Give the key of the triggers that an event may match."""
        ...

    def mismatch(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> str | None:
        """Say why a trigger doesn't match an event with its key, or None when it does."""
        ...

    def facts(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> Facts:
        """Give what the start is told."""
        ...


def missing(trigger: Document, *fields: str) -> str | None:
    """Say which of the text fields that a trigger needs it lacks, or None."""
    lacking = [field for field in fields if not isinstance(trigger.get(field), str) or not trigger[field].strip()]
    return f"the trigger lacks {' and '.join(repr(field) for field in lacking)}" if lacking else None


def is_enabled(trigger: Document) -> bool:
    """Say whether a trigger is on: `enabled` is true, or the text 'true'."""
    enabled = trigger.get("enabled")
    return enabled is True or (isinstance(enabled, str) and enabled.lower() == "true")
