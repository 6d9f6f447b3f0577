"""What processes use: processor seconds and resident memory, children included."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil


def _family(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            yield process
            yield from process.children(recursive=True)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time (user and system, s) that the living processes and their children have used so far."""
    total = 0.0
    for process in _family(pids):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_mb(pids: Iterable[int]) -> float:
    """Memory (MB) of the processes and their children; pages that several share are counted once (PSS)."""
    total = 0
    for process in _family(pids):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6


def resident_sum_mb(pids: Iterable[int]) -> float:
    """Memory (MB) as `ps` adds it up: a page that two processes share is counted twice."""
    total = 0
    for process in _family(pids):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 1e6
