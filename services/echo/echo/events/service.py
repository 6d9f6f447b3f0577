"""Receives events: kept, matched and turned into starts in one transaction."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from kork.clock import now_ms
from kork.database import Database, notify
from kork.documents import Document
from kork.telemetry import counter, log
from kork.tracing import span
from kork.trail import follow
from sqlalchemy import Connection

from echo.bells import PIPELINES
from echo.events.event import Event, Receipt, posted_event, webhook_event
from echo.events.store import EventStore, Waiting
from echo.pipelines.store import PipelineStore
from echo.settings import EchoSettings
from echo.starts.store import StartStore
from echo.triggers.catalogue import TriggerCatalogue
from echo.triggers.matching import Outcome, outcome_of

_log = log("echo.events")
_events = counter("echo_events_total", "Events received", "type", "result")
_BATCH = 50
_KEPT_HEADERS = ("x-", "ce-", "idempotency-key", "content-type")
_DROPPED_HEADERS = ("x-gennaker-identity", "x-spinnaker-", "x-forwarded-")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an event. `matched` and `unmatched` are as told to a caller who asks for them."""

    event_id: str
    duplicate: bool = False
    waiting: bool = False
    matched: list[Document] = field(default_factory=list[Document])
    unmatched: list[Document] = field(default_factory=list[Document])


class EventService:
    """Events, each received in a transaction of its own."""

    def __init__(self, database: Database, settings: EchoSettings, catalogue: TriggerCatalogue) -> None:
        self._database = database
        self._settings = settings
        self._catalogue = catalogue

    def receive(self, event: Event, *, all_sources: bool = False) -> Received:
        """Keep an event with the starts that follow from it. A repeated delivery starts nothing again.

        While echo has never read front50's pipelines the event waits, and is matched when it has. With
        `all_sources` the triggers for other sources are looked at too, so that it can be said why they don't match.
        """
        id, now = str(uuid.uuid4()), now_ms()
        with self._database.begin() as connection:
            waits = not self._pipelines(connection).is_loaded()
            first = EventStore(connection).add(id, event, now, waits=waits)
            if first is not None:
                _events.labels(_label(self._catalogue, event), "duplicate").inc()
                starts = StartStore(connection).of_event(first)
                return Received(first, duplicate=True, matched=[_told(start) for start in starts])
            if waits:
                _events.labels(_label(self._catalogue, event), "waiting").inc()
                return Received(id, waiting=True)
            outcome = self.start_matching(connection, Receipt(id, event, now), all_sources=all_sources)
        _log.info("event.received", event_id=id, type=event.type, source=event.source, starts=len(outcome.starts))
        return Received(
            id,
            matched=[
                {
                    "application": start.body.get("application"),
                    "pipeline": start.body.get("name"),
                    "pipelineId": start.body.get("id"),
                    "executionId": start.execution_id,
                    "triggerType": start.trigger.get("type"),
                }
                for start in outcome.starts
            ],
            unmatched=[each.told() for each in outcome.unmatched],
        )

    def receive_within(self, connection: Connection, receipt: Receipt) -> None:
        """Receive an event of the bus, whose repetition the bus takes care of, within its transaction.

        It waits until front50 was asked for what is newest: the pipeline that it is to start may have been saved
        just before, and word of that comes by another stream.
        """
        EventStore(connection).add(receipt.id, receipt.event, receipt.received_at, waits=True)
        notify(connection, PIPELINES)

    def start_matching(self, connection: Connection, receipt: Receipt, *, all_sources: bool = False) -> Outcome:
        """Keep the starts that follow from an event."""
        store, total = self._pipelines(connection), Outcome([], [])
        about = {"gennaker.event.type": receipt.event.type, "gennaker.event.source": receipt.event.source}
        with span("match triggers", about) as traced:
            for type in self._catalogue.looking_at(receipt.event):
                candidates = store.candidates(type.type, None if all_sources else type.event_key(receipt))
                outcome = outcome_of(receipt, type, candidates, self._settings)
                total.starts.extend(outcome.starts)
                total.unmatched.extend(outcome.unmatched)
            traced.note({"gennaker.event.starts": len(total.starts)})
        StartStore(connection).add(total.starts)
        result = "matched" if total.starts else "unmatched"
        _events.labels(_label(self._catalogue, receipt.event), result).inc()
        return total

    def has_waiting(self) -> bool:
        """Say whether events wait for pipelines to be read."""
        with self._database.connect() as connection:
            return EventStore(connection).has_waiting()

    def match_waiting(self) -> None:
        """Match the events that have waited for pipelines to be read."""
        while True:
            with self._database.begin() as connection:
                events = EventStore(connection)
                waiting = events.take_waiting(_BATCH)
                for each in waiting:
                    event = _again(each)
                    with follow(each.trail, service="echo"):
                        self.start_matching(connection, Receipt(each.id, event, each.received_at))
                    events.matched(each.id, now_ms())
            if len(waiting) < _BATCH:
                return

    def find(self, id: str) -> Document | None:
        """Give what is known of an event and of what it started, or None."""
        with self._database.connect() as connection:
            found = EventStore(connection).find(id)
            return found | {"starts": StartStore(connection).of_event(id)} if found else None

    def _pipelines(self, connection: Connection) -> PipelineStore:
        return PipelineStore(connection, self._settings, self._catalogue)


def useful_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers that an event may be judged by, in lower case; never who is asking, or credentials."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in lower.items()
        if name.startswith(_KEPT_HEADERS) and not name.startswith(_DROPPED_HEADERS)
    }


def _again(waiting: Waiting) -> Event:
    if waiting.door == "webhook":
        return webhook_event(waiting.type, waiting.source, waiting.raw, waiting.headers)
    return posted_event(waiting.raw, waiting.headers, waiting.door)


def _label(catalogue: TriggerCatalogue, event: Event) -> str:
    """Give the event's type for a metric: what callers make up is one label."""
    return event.type.lower() if catalogue.looking_at(event) else "other"


def _told(start: Document) -> Document:
    return {
        "application": start["application"],
        "pipeline": start["name"],
        "pipelineId": start["pipelineId"],
        "executionId": start["executionId"],
        "triggerType": start["triggerType"],
    }
