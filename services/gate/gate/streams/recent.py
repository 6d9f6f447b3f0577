"""Which events have been seen lately, so that none is told twice when the relay sends again. Pure."""

from collections import OrderedDict

from kork.clock import EpochMillis

_WINDOW_MS = 120_000
_MOST = 20_000


class Recent:
    """Remembers the ids of the last minutes.

    After Redis lost its memory the relay sends all of the last day again. What was seen lately is known by
    its id; what is much older than the newest event seen is such a repetition too.
    """

    def __init__(self, newest: EpochMillis) -> None:
        """Begin where the newest event is of time `newest` (ms)."""
        self._seen: OrderedDict[str, EpochMillis] = OrderedDict()
        self._newest = newest

    def is_new(self, id: str, at: EpochMillis) -> bool:
        """Say whether this event was not told before, and remember it."""
        if id in self._seen or at < self._newest - _WINDOW_MS:
            return False
        self._seen[id] = at
        self._newest = max(self._newest, at)
        while len(self._seen) > _MOST or next(iter(self._seen.values())) < self._newest - _WINDOW_MS:
            self._seen.popitem(last=False)
        return True
