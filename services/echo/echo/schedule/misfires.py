"""What to do about a fire time that is due, late or missed. Pure.

Source: Quartz' policy "do nothing" as Spinnaker's Echo sets it, and Echo's compensation job.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kork.clock import EpochMillis

from echo.settings import SchedulerSettings

Next = Callable[[EpochMillis], EpochMillis | None]


@dataclass(frozen=True, slots=True)
class Fire:
    """The fire time to start for (None: it was missed), and the next one."""

    at: EpochMillis | None
    next: EpochMillis | None


def decide(due: EpochMillis, now: EpochMillis, next_after: Next, settings: SchedulerSettings) -> Fire:
    """Decide on a trigger whose fire time `due` has come; `next_after(t)` gives its first fire time after t.

    A time that is up to `misfireThresholdMs` late fires. One that is later is missed: with compensation, the last
    fire time in the window fires in its place, once; without, nothing does.
    """
    following = next_after(now)
    if now - due <= settings.misfire_threshold_ms:
        return Fire(due, following)
    compensation = settings.compensation_job
    if not compensation.enabled:
        return Fire(None, following)
    newest = now - compensation.tolerance_ms
    oldest = newest - compensation.window_ms
    candidate = due if due >= oldest else next_after(oldest - 1)
    last: EpochMillis | None = None
    while candidate is not None and candidate <= newest:
        last = candidate
        candidate = next_after(candidate)
    return Fire(last, following)
