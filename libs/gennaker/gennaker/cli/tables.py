"""Tables for people: columns as wide as their content, no frames, fit for `grep`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; an absent value is shown as a dash."""
    lines = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *lines]) for i in range(len(head))]
    for line in [list(head), *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def when(millis: int | None) -> str:
    """Give a time (epoch ms) in the reader's zone."""
    return f"{datetime.fromtimestamp(millis / 1000):%Y-%m-%d %H:%M:%S}" if millis else "–"


def duration(start: int | None, end: int | None) -> str:
    """Give the time from `start` to `end` (epoch ms) in the unit that fits."""
    if start is None or end is None:
        return ""
    seconds = max(0, end - start) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _cell(value: Any) -> str:
    return "–" if value in (None, "") else str(value)
