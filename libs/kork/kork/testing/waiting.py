"""Waiting on conditions."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_PAUSE_SECONDS = 0.01


def wait_until(condition: Callable[[], T], timeout: float = 60.0) -> T:
    """Wait until a condition holds, and give what it gave; fail after `timeout` seconds with what was last seen."""
    return watch(condition, bool, timeout)


async def wait_until_async(condition: Callable[[], T], timeout: float = 60.0) -> T:
    """Do as `wait_until`, without blocking the loop."""
    deadline = time.monotonic() + timeout
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"not so after {timeout:g} s: {seen!r}"
        await asyncio.sleep(_PAUSE_SECONDS)
    return seen


def watch(read: Callable[[], T], condition: Callable[[T], object], timeout: float = 60.0) -> T:
    """Read until what was read is as wanted, and give it; fail after `timeout` seconds with what was last read."""
    deadline = time.monotonic() + timeout
    while not condition(seen := read()):
        assert time.monotonic() < deadline, f"not so after {timeout:g} s: {seen!r}"
        time.sleep(_PAUSE_SECONDS)
    return seen
