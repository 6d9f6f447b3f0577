"""Documents as front50 keeps them: as they were given, with every version of them."""

from dataclasses import dataclass

from kork.clock import EpochMillis
from kork.documents import Document


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is stored: when it was saved last (ms), by whom, and how often so far."""

    body: Document
    version: int
    created_at: EpochMillis
    updated_at: EpochMillis
    updated_by: str
