"""Showing an execution: redrawn in place on a terminal, a line a change elsewhere, nothing for scripts."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gennaker.watching.follow import Show
from gennaker.watching.lines import Rollout, headline, stage_lines


@contextmanager
def shower(*, quiet: bool = False) -> Iterator[Show]:
    """Give the way of showing that fits standard output."""
    if quiet:
        yield lambda execution, rollouts: None
    elif sys.stdout.isatty():
        with _live() as show:
            yield show
    else:
        yield ChangeLog().show


class ChangeLog:
    """Prints a line for each change: for logs and pipes."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, str]] = {}
        self._status: str | None = None

    def show(self, execution: dict[str, Any], rollouts: Mapping[str, Rollout]) -> None:
        """Print what has changed since the last time."""
        if self._status is None:
            print(headline(execution), flush=True)
        for line in stage_lines(execution, rollouts):
            now = (line.status, line.detail)
            if line.status != "NOT_STARTED" and self._seen.get(line.stage_id) != now:
                print(line.text(), flush=True)
            self._seen[line.stage_id] = now
        if self._status not in (None, execution["status"]):
            print(headline(execution), flush=True)
        self._status = execution["status"]


@contextmanager
def _live() -> Iterator[Show]:
    from rich.live import Live
    from rich.text import Text

    latest: list[tuple[dict[str, Any], Mapping[str, Rollout]]] = []

    def draw() -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        if latest:
            execution, rollouts = latest[-1]
            text.append(headline(execution), style="bold")
            for line in stage_lines(execution, rollouts):
                text.append("\n")
                text.append(line.text(), style=line.color)
        return text

    def show(execution: dict[str, Any], rollouts: Mapping[str, Rollout]) -> None:
        latest[:] = [(execution, dict(rollouts))]
        live.refresh()

    with Live(get_renderable=draw, refresh_per_second=4) as live:
        yield show
