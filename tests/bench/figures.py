"""Figures, how they are printed, and how they stand beside a real Orca's."""

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `goal` is what we hold ourselves to, `orca` what a real Orca needed on such a machine."""

    name: str
    value: float
    unit: str
    goal: str = ""
    orca: float | None = None

    def line(self) -> str:
        """`name value unit`, for scripts."""
        return f"{self.name} {self.value:.4g} {self.unit}"

    @property
    def ratio(self) -> str:
        """How a real Orca's value stands to ours, or nothing where it has none."""
        return f"{self.orca / self.value:.1f} ×" if self.orca and self.value else ""


def p50(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = ["| figure | value | unit | goal | a real Orca | Orca / ours |", "| --- | ---: | --- | --- | ---: | ---: |"]
    for each in figures:
        orca = f"{each.orca:g}" if each.orca else ""
        rows.append(f"| `{each.name}` | {each.value:.4g} | {each.unit} | {each.goal} | {orca} | {each.ratio} |")
    return "\n".join(rows)


def write_part(page: Path, command: str, text: str) -> None:
    """Replace the part of a page that a command has written, or add it; the rest stays."""
    heading = f"## `{command}`"
    old = page.read_text()
    part = f"{heading}\n\n{text}\n"
    pattern = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    there = pattern.search(old)
    new = pattern.sub(lambda _: part + "\n", old) if there else f"{old.rstrip()}\n\n{part}"
    page.write_text(new.rstrip() + "\n")
