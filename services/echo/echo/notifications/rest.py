"""Forwarding of every execution event to the addresses of `rest.endpoints`."""

import base64
from typing import ClassVar

from kork.clock import EpochMillis
from kork.documents import Document
from kork.http import ServiceClient

from echo.notifications.definition import Delivery, SendFailed
from echo.notifications.posting import post_json
from echo.settings import EchoSettings


class RestForwarder:
    """Posts events in Echo's envelope, wrapped when the endpoint says so. Nobody configures it in a pipeline."""

    type: ClassVar[str] = "rest"
    metadata: ClassVar[Document | None] = None

    def address_of(self, notification: Document) -> str | None:
        """Give None: only the settings name addresses."""
        return None

    async def send(self, delivery: Delivery, http: ServiceClient, settings: EchoSettings) -> None:
        """Post the event with the headers and the credentials of its endpoint."""
        endpoint = next((each for each in settings.rest.endpoints if each.url == delivery.address), None)
        if endpoint is None:
            raise SendFailed("the address is no longer one of rest.endpoints", final=True)
        headers = dict(endpoint.headers) | {"X-Gennaker-Delivery": delivery.id}
        if endpoint.username:
            pair = base64.b64encode(f"{endpoint.username}:{endpoint.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        body = delivery.message
        if endpoint.wrap:
            body = {"eventName": endpoint.event_name, endpoint.field_name: body}
        await post_json(http, endpoint.url, body, headers)


def envelope(id: str, type: str, payload: Document, at: EpochMillis) -> Document:
    """Give an execution event in Echo's envelope."""
    details: Document = {
        "source": "orca",
        "type": type,
        "created": str(at),
        "application": payload.get("application"),
        "attributes": {},
        "requestHeaders": {},
    }
    return {"details": details, "content": payload, "payload": {}, "eventId": id}
