"""Cron triggers: started by the schedule, not by an event."""

from typing import ClassVar

from kork.documents import Document

from echo.events.event import Door, Receipt
from echo.schedule.quartz import InvalidCron, parse
from echo.settings import EchoSettings
from echo.triggers.definition import Facts, missing


class CronTrigger:
    """A `cronExpression`, in the time zone of the whole system."""

    type: ClassVar[str] = "cron"
    events: ClassVar[frozenset[str]] = frozenset()
    doors: ClassVar[frozenset[Door]] = frozenset()
    once_per_pipeline: ClassVar[bool] = False

    def fault(self, trigger: Document) -> str | None:
        """An expression that Quartz would take must be there."""
        if lacking := missing(trigger, "cronExpression"):
            return lacking
        try:
            parse(trigger["cronExpression"], str(trigger.get("id") or ""))
        except InvalidCron as error:
            return str(error)
        return None

    def key(self, trigger: Document) -> str:
        """Give nothing: no event looks for cron triggers."""
        return ""

    def event_key(self, receipt: Receipt) -> str:
        """Give nothing."""
        return ""

    def mismatch(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> str | None:
        """No event starts a cron trigger."""
        return "a cron trigger is started by its schedule"

    def facts(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> Facts:
        """Add nothing: the trigger itself says all."""
        return Facts({})
