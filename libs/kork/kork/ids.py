"""Identifiers of executions, stages, events and operations."""

import hashlib
import threading
import time

from ulid import ULID

from kork.clock import EpochMillis

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


def ulid_for(seed: str, at: EpochMillis) -> str:
    """Make the ULID that belongs to `seed`: always the same for the same seed and time (epoch ms).

    What is started on behalf of something gets its id this way, so that starting it twice starts one.
    """
    digest = hashlib.sha256(seed.encode()).digest()[:10]
    return str(ULID.from_bytes(at.to_bytes(6, "big") + digest))


def ulid_time(text: str) -> EpochMillis | None:
    """Say when a ULID was made (epoch ms); `None` for what is none."""
    try:
        return round(ULID.from_str(text).timestamp * 1000)
    except ValueError:
        return None


def is_ulid(text: str) -> bool:
    """Say whether `text` could have come from `new_ulid`."""
    try:
        ULID.from_str(text)
    except ValueError:
        return False
    return len(text) == 26
