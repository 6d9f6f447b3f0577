"""`/notifications`."""

from typing import Any, cast

from fastapi import APIRouter, Response
from kork.bodies import JsonObject, JsonObjects, answer
from kork.caller import CurrentUser
from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest

from front50.notifications.store import GLOBAL, NotificationStore

# Entries of the global document that show up in each application's, by type.
_SHARED = ("email", "googlechat", "hipchat", "microsoftteams", "pubsub", "slack", "sms", "webhook")


def notification_router(database: Database) -> APIRouter:
    """Make the routes of notifications."""
    router = APIRouter(prefix="/notifications", tags=["notifications"])

    @router.get("")
    def list_notifications() -> Response:
        """List all notification documents."""
        with database.connect() as connection:
            return answer(NotificationStore(connection).all())

    @router.get("/global")
    def get_global() -> Response:
        """Give the document that holds for all applications; `{}` when there is none."""
        with database.connect() as connection:
            return answer(NotificationStore(connection).find(GLOBAL) or {})

    @router.post("/global")
    def save_global(body: JsonObject, user: CurrentUser) -> Response:
        """Save the document that holds for all applications."""
        with database.begin() as connection:
            NotificationStore(connection).save(GLOBAL, body, user.user)
        return Response(status_code=200)

    @router.post("/batchUpdate")
    def save_many(bodies: JsonObjects, user: CurrentUser) -> Response:
        """Save documents of applications, each named by its `application`; all or none."""
        with database.begin() as connection:
            for position, body in enumerate(bodies):
                NotificationStore(connection).save(_application(body, position), body, user.user)
        return Response(status_code=200)

    @router.get("/{level}/{name}")
    def get_notifications(level: str, name: str) -> Response:
        """Give an application's document, with the entries of the global one; `{}` when there is neither."""
        _check_level(level)
        with database.connect() as connection:
            store = NotificationStore(connection)
            return answer(merge(store.find(name) or {}, store.find(GLOBAL) or {}))

    @router.post("/{level}/{name}")
    def save_notifications(level: str, name: str, body: JsonObject, user: CurrentUser) -> Response:
        """Save an application's document."""
        _check_level(level)
        with database.begin() as connection:
            NotificationStore(connection).save(name, body, user.user)
        return Response(status_code=200)

    @router.delete("/{level}/{name}")
    def delete_notifications(level: str, name: str) -> Response:
        """Delete an application's document; nothing to do when there is none."""
        _check_level(level)
        with database.begin() as connection:
            NotificationStore(connection).delete(name)
        return Response(status_code=200)

    return router


def merge(own: Document, shared: Document) -> Document:
    """Append the entries of the global document to an application's own, type by type."""
    merged = dict(own)
    for key in _SHARED:
        entries = _entries(own, key) + _entries(shared, key)
        if entries:
            merged[key] = entries
    return merged


def _entries(document: Document, key: str) -> list[Any]:
    value = document.get(key)
    return cast(list[Any], value) if isinstance(value, list) else []


def _check_level(level: str) -> None:
    if level.lower() != "application":
        raise BadRequest(f"There is no notification level '{level}'; use 'application', or /notifications/global.")


def _application(body: Document, position: int) -> str:
    name = body.get("application")
    if not isinstance(name, str) or not name.strip():
        raise BadRequest(f"Item {position} needs the application's name in 'application'.")
    return name
