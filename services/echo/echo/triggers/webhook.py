"""Webhook triggers."""

from typing import ClassVar

from kork.documents import Document, object_in

from echo.artifacts.extraction import artifacts_of
from echo.events.event import Door, Receipt
from echo.settings import EchoSettings
from echo.triggers.constraints import unmet_constraint
from echo.triggers.definition import Facts, missing


class WebhookTrigger:
    """A webhook from exactly this `source` whose payload meets the `payloadConstraints`."""

    type: ClassVar[str] = "webhook"
    events: ClassVar[frozenset[str]] = frozenset({"webhook"})
    doors: ClassVar[frozenset[Door]] = frozenset({"webhook", "event"})
    once_per_pipeline: ClassVar[bool] = False

    def fault(self, trigger: Document) -> str | None:
        """A source must be named."""
        return missing(trigger, "source")

    def key(self, trigger: Document) -> str:
        """Give the source."""
        return str(trigger["source"])

    def event_key(self, receipt: Receipt) -> str:
        """Give the source."""
        return receipt.event.source

    def mismatch(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> str | None:
        """Say which constraint the payload doesn't meet."""
        return unmet_constraint(object_in(trigger.get("payloadConstraints")), receipt.event.payload)

    def facts(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> Facts:
        """Give the payload, and the parameters and artifacts in it."""
        payload = receipt.event.payload
        parameters = object_in(trigger.get("parameters")) | object_in(payload.get("parameters"))
        return Facts({"parameters": parameters, "payload": payload}, artifacts_of(receipt.event, settings.webhooks))
