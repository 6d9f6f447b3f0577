"""Notifications by webhook: the message is posted as JSON to an address."""

from typing import ClassVar

from kork.documents import Document
from kork.http import ServiceClient

from echo.notifications.definition import Delivery, SendFailed
from echo.notifications.posting import post_json
from echo.settings import EchoSettings
from echo.triggers.constraints import matches


class WebhookSender:
    """Posts the message with its delivery's id, by which the receiver tells a repetition.

    The address is the notification's `address` or `url`, and must match `notifications.urlPattern`.
    """

    type: ClassVar[str] = "webhook"
    metadata: ClassVar[Document | None] = {
        "notificationType": "webhook",
        "uiType": "BASIC",
        "parameters": [
            {
                "name": "address",
                "defaultValue": "",
                "type": "string",
                "label": "URL",
                "description": "where the notification is posted, as JSON",
            }
        ],
    }

    def address_of(self, notification: Document) -> str | None:
        """Give the URL."""
        for key in ("address", "url"):
            value = notification.get(key)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return None

    async def send(self, delivery: Delivery, http: ServiceClient, settings: EchoSettings) -> None:
        """Post the message."""
        if not matches(settings.notifications.url_pattern, delivery.address):
            raise SendFailed("the address is not one that notifications.urlPattern allows", final=True)
        headers = {
            "X-Gennaker-Delivery": delivery.id,
            "X-Gennaker-Event": str(delivery.message.get("event", "")),
        }
        await post_json(http, delivery.address, {"deliveryId": delivery.id} | delivery.message, headers)
