"""Handles the events of the bus, each in the transaction that remembers it."""

from kork.bus import Event as BusEvent
from kork.database import notify
from kork.documents import Document, object_in, objects_in
from sqlalchemy import Connection

from echo.bells import PIPELINES
from echo.events.event import Receipt, ended_event
from echo.events.service import EventService
from echo.notifications.applications import ApplicationReceivers
from echo.notifications.rest import RestForwarder, envelope
from echo.notifications.rules import occasions_of
from echo.notifications.store import NewDelivery, NotificationStore
from echo.pipelines.store import PipelineStore
from echo.settings import EchoSettings
from echo.triggers.catalogue import TriggerCatalogue

GROUP = "echo"
STREAMS = ("orca.executions", "front50.changes")
_ENDS = ("orca:pipeline:complete", "orca:pipeline:failed")
_PIPELINE_CHANGES = ("pipeline.saved", "pipeline.deleted")


class BusHandler:
    """Turns events of orca and front50 into rows that echo's loops work on."""

    def __init__(
        self,
        settings: EchoSettings,
        catalogue: TriggerCatalogue,
        events: EventService,
        applications: ApplicationReceivers,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._events = events
        self._applications = applications

    def wants(self, event: BusEvent) -> bool:
        """Say whether anything follows from an event; of most of them nobody wants to be told."""
        if event.stream == "front50.changes":
            return event.type in _PIPELINE_CHANGES
        if not event.type.startswith("orca:"):
            return False
        ends_pipeline = event.type in _ENDS and bool(event.payload.get("pipelineConfigId"))
        return ends_pipeline or self._forwards or self._has_notice(event)

    def handle(self, connection: Connection, event: BusEvent) -> None:
        """Handle one event within its transaction."""
        if event.stream == "front50.changes":
            self._note_change(connection, event)
        elif event.type.startswith("orca:"):
            self._start_dependents(connection, event)
            self._keep_notice(connection, event)
            self._forward(connection, event)

    def _note_change(self, connection: Connection, event: BusEvent) -> None:
        id = event.payload.get("id")
        if event.type in _PIPELINE_CHANGES and isinstance(id, str) and id:
            PipelineStore(connection, self._settings, self._catalogue).note_change(id, event.created_at)
            notify(connection, PIPELINES)

    def _start_dependents(self, connection: Connection, event: BusEvent) -> None:
        if event.type not in _ENDS or not event.payload.get("pipelineConfigId"):
            return
        receipt = Receipt(event.id, ended_event(event.payload), event.created_at)
        self._events.receive_within(connection, receipt)

    def _keep_notice(self, connection: Connection, event: BusEvent) -> None:
        if self._has_notice(event):
            NotificationStore(connection).add_notice(event.id, event.type, event.payload)

    @property
    def _forwards(self) -> bool:
        return self._settings.rest.enabled and bool(self._settings.rest.endpoints)

    def _forward(self, connection: Connection, event: BusEvent) -> None:
        if not self._forwards:
            return
        message: Document = envelope(event.id, event.type, event.payload, event.created_at)
        NotificationStore(connection).add(
            NewDelivery(f"{event.id}-rest-{n}", RestForwarder.type, endpoint.url, message)
            for n, endpoint in enumerate(self._settings.rest.endpoints)
        )

    def _has_notice(self, event: BusEvent) -> bool:
        """Say whether somebody is, or may be, to be told: an application that isn't known may have receivers."""
        if not occasions_of(event.type, event.payload):
            return False
        if event.type.startswith("orca:stage:"):
            return bool(objects_in(object_in(event.payload.get("context")).get("notifications")))
        application = event.payload.get("application")
        known = self._applications.remembered(application) if isinstance(application, str) else {}
        return known != {} or bool(objects_in(event.payload.get("notifications")))
