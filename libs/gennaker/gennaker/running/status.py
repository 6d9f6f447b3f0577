"""The lines that tell a person how the platform comes up."""

import sys
import time


class StatusLines:
    """Prints a line a part, with the time it took."""

    def __init__(self) -> None:
        self._color = sys.stdout.isatty()
        self._started = time.monotonic()

    def report(self, part: str, detail: str, seconds: float | None) -> None:
        """Print a part that is ready, or news (`seconds` is `None`) of one that was ready before."""
        mark = self._paint("✓", "32") if seconds is not None else self._paint("!", "33")
        took = f"{seconds:6.1f} s" if seconds is not None else " " * 8
        print(f"  {mark} {part:<9} {took}  {detail}", flush=True)

    def ready(self) -> float:
        """Give the seconds since this began."""
        return time.monotonic() - self._started

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text
