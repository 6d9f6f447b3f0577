"""The wall clock, in the unit that Spinnaker's JSON uses."""

import time

EpochMillis = int


def now_ms() -> EpochMillis:
    """Say the time now, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
