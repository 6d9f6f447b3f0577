"""Identifiers of executions, stages, events and operations."""

import threading
import time

from ulid import ULID

_lock = threading.Lock()
_last = 0


def new_ulid() -> str:
    """Make a ULID: 26 characters of upper-case Crockford base 32, increasing within this process.

    Ids made in the same millisecond keep their order, so that a list sorted by id is a list sorted by birth.
    """
    global _last
    with _lock:
        value = int(ULID.from_timestamp(time.time()))
        if value >> 80 <= _last >> 80:
            value = _last + 1
        _last = value
    return str(ULID.from_int(value))


def is_ulid(text: str) -> bool:
    """Say whether `text` could have come from `new_ulid`."""
    try:
        ULID.from_str(text)
    except ValueError:
        return False
    return len(text) == 26
