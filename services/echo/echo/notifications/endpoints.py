"""`/notifications`: what other services want to have sent, and what became of it."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query
from kork.app import run_sync
from kork.bodies import JsonObject
from kork.database import Database
from kork.documents import Document, object_in
from kork.errors import BadRequest
from kork.ids import new_ulid

from echo.notifications.catalogue import SenderCatalogue
from echo.notifications.store import NewDelivery, NotificationStore

Limit = Annotated[int, Query(ge=1, le=1000)]


def notification_router(database: Database, senders: SenderCatalogue) -> APIRouter:
    """Make the routes of notifications."""
    router = APIRouter(prefix="/notifications", tags=["notifications"])

    @router.get("/metadata")
    def list_metadata() -> list[Document]:
        """Describe the notification types that people may configure."""
        return senders.metadata()

    @router.post("")
    async def send(body: JsonObject) -> dict[str, Any]:
        """Send a message to each of `to`; a type that nothing here can send is answered like one that can."""
        deliveries = _deliveries(body, senders)
        await run_sync(_keep, deliveries)
        return {"value": ",".join(delivery.id for delivery in deliveries)} if deliveries else {}

    @router.get("/deliveries")
    def list_deliveries(limit: Limit = 100) -> list[Document]:
        """List deliveries, the newest first."""
        with database.connect() as connection:
            return NotificationStore(connection).latest(limit)

    def _keep(deliveries: list[NewDelivery]) -> None:
        with database.begin() as connection:
            NotificationStore(connection).add(deliveries)

    return router


def _deliveries(body: Document, senders: SenderCatalogue) -> list[NewDelivery]:
    type = body.get("notificationType")
    if not isinstance(type, str) or not type:
        raise BadRequest("A notification needs its type in 'notificationType'.")
    to = body.get("to")
    receivers = cast(list[Any], to) if isinstance(to, list) else [to]
    addresses = [each for each in receivers if isinstance(each, str) and each.strip()]
    if not addresses:
        raise BadRequest("A notification needs at least one receiver in 'to'.")
    sender = senders.find(type)
    if sender is None or sender.metadata is None:
        return []
    source, context = object_in(body.get("source")), object_in(body.get("additionalContext"))
    message: Document = {
        "event": body.get("templateGroup") or "notification",
        "level": source.get("executionType"),
        "application": source.get("application"),
        "subject": context.get("customSubject") or context.get("subject"),
        "text": context.get("customBody") or context.get("body") or context.get("message"),
        "execution": {"id": source.get("executionId")},
        "notification": body,
    }
    return [NewDelivery(new_ulid(), sender.type, address, message) for address in addresses]
