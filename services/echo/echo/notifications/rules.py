"""Who is told of an execution event. Pure. Source: Spinnaker's Echo and Orca, notifications."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from kork.documents import Document, object_in, objects_in

_PHASES = frozenset({"starting", "complete", "failed"})
_LEVELS = frozenset({"pipeline", "orchestration", "stage"})
_JUDGMENT = "manualJudgment"
_JUDGED = {"starting": "manualJudgment", "complete": "manualJudgmentContinue", "failed": "manualJudgmentStop"}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What happened: `event` is what a notification's `when` may list (`pipeline.failed`, `manualJudgment`)."""

    level: str
    phase: str
    event: str


def occasions_of(type: str, payload: Document) -> list[Occasion]:
    """Give what an event of orca's means to receivers; nothing for cancelled executions and synthetic stages.

    A manual judgment is two occasions: the stage's own, and the one on which people are asked, or told.
    """
    origin, _, rest = type.partition(":")
    level, _, phase = rest.partition(":")
    if origin != "orca" or level not in _LEVELS or phase not in _PHASES or payload.get("canceled"):
        return []
    occasions = [Occasion(level, phase, f"{level}.{phase}")]
    if level == "stage":
        if payload.get("isSynthetic"):
            return []
        if payload.get("type") == _JUDGMENT and _was_judged(phase, payload):
            occasions.append(Occasion(level, phase, _JUDGED[phase]))
    return occasions


def _was_judged(phase: str, payload: Document) -> bool:
    """Say whether a judgment's end is a judge's: one that ran out of time is not, where the event tells."""
    judgment = object_in(payload.get("context")).get("judgmentStatus")
    return phase != "failed" or judgment in (None, "stop")


def receivers(occasion: Occasion, payload: Document, application: Document) -> list[Document]:
    """Give the notifications of an occasion, from the execution (or stage) and the application's document.

    Those of a stage count when it says `sendNotifications`; whoever is asked for a judgment is always asked.
    """
    if occasion.level == "stage":
        context = object_in(payload.get("context"))
        if not _is_true(context.get("sendNotifications")) and occasion.event != _JUDGMENT:
            return []
        configured = objects_in(context.get("notifications"))
    else:
        configured = merged(objects_in(payload.get("notifications")), application)
    return [each for each in configured if _wants(each, occasion.event)]


def merged(own: list[Document], application: Document) -> list[Document]:
    """Add an application's notifications to an execution's own, as far as those don't cover them.

    An entry whose type and receiver are there already is added with the occasions that are not.
    """
    result = list(own)
    for type, entries in application.items():
        for entry in objects_in(entries):
            added = {"type": type} | entry
            covered = {
                when for each in own if _receiver(each) == _receiver(added) for when in _occasions(each.get("when"))
            }
            missing = [when for when in _occasions(added.get("when")) if when not in covered]
            if missing:
                result.append(added | {"when": missing})
    return result


def _receiver(notification: Document) -> tuple[Any, Any]:
    return notification.get("type"), notification.get("publisherName") or notification.get("address")


def _wants(notification: Document, event: str) -> bool:
    occasions = _occasions(notification.get("when"))
    asks_judges = any(when.startswith(_JUDGMENT) for when in occasions)
    return event in occasions and asks_judges == event.startswith(_JUDGMENT)


def _occasions(when: Any) -> list[str]:
    if isinstance(when, str):
        return [part.strip() for part in when.split(",")]
    items: Iterable[Any] = cast(list[Any], when) if isinstance(when, list) else []
    return [item for item in items if isinstance(item, str)]


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
