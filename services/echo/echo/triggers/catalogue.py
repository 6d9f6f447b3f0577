"""Which trigger types there are."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points

from echo.events.event import Event
from echo.triggers.definition import TriggerType

GROUP = "echo.triggers"


class TriggerCatalogue:
    """The trigger types, by their names and by the events that they look at. Names are compared ignoring case."""

    def __init__(self, types: Iterable[TriggerType]) -> None:
        self._types: dict[str, TriggerType] = {}
        for each in types:
            if self._types.setdefault(each.type.lower(), each) is not each:
                raise ValueError(f"The trigger type '{each.type}' is declared twice.")

    @staticmethod
    @cache
    def load() -> "TriggerCatalogue":
        """Load the trigger types of all installed packages."""
        return TriggerCatalogue(entry.load()() for entry in entry_points(group=GROUP))

    def find(self, type: object) -> TriggerType | None:
        """Give the type of that name, or None."""
        return self._types.get(type.lower()) if isinstance(type, str) else None

    def looking_at(self, event: Event) -> list[TriggerType]:
        """Give the types that look at events of this type which came by this door."""
        return [each for each in self._types.values() if event.type.lower() in each.events and event.door in each.doors]
