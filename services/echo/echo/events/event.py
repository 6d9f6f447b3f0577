"""An event, as triggers look at it. Pure: an event is a function of the request that brought it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
from kork.clock import EpochMillis
from kork.documents import Document, as_object, object_in, read_object, write_json
from kork.errors import BadRequest

from echo.scm import normalize

# Given by whoever sends the delivery, the same when it is sent again.
_DELIVERY_HEADERS = ("x-gennaker-delivery", "idempotency-key", "x-event-id", "x-github-delivery")
_DELIVERY_HEADERS_OF_SOURCE = {"bitbucket": ("x-request-uuid", "x-request-id"), "stash": ("x-request-id",)}
_DELIVERY_KEYS = ("eventId", "deliveryId")
_LONGEST_ID = 200

Door = Literal["webhook", "event", "bus"]
"""How an event came in: from anybody, from another service by HTTP, or by the bus."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, of a `type` and from a `source`, and by which `door` it came.

    `content` is the payload with what was made clear of it (a git event's branch), `payload` the payload as
    it came; `headers` have lower-case names; `raw` is the body as it was signed. `delivery_id` is the same
    when the sender repeats the delivery, and None when it has no id. `suppressed`: nothing follows from it.
    """

    door: Door
    type: str
    source: str
    content: Document
    payload: Document
    headers: Mapping[str, str]
    raw: bytes
    delivery_id: str | None = None
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event with the id and the time (ms) of its arrival."""

    id: str
    event: Event
    received_at: EpochMillis


def webhook_event(type: str, source: str | None, raw: bytes, headers: Mapping[str, str]) -> Event:
    """Read a webhook; raise `BadRequest` for a body that is no JSON object.

    Without `source` in the path it is the payload's own `source`. An empty body is taken from Bitbucket only.
    """
    if not raw.strip():
        if source != "bitbucket":
            raise BadRequest("The body is empty; send the payload as a JSON object, '{}' when there is none.")
        payload: Document = {}
    else:
        payload = read_object(raw)
    content = dict(payload)
    if source is None:
        given = payload.get("source")
        source = given if isinstance(given, str) else ""
    if "x-event-key" in headers:
        content["event_type"] = headers["x-event-key"]
    suppressed = False
    if type.lower() == "git":
        normalized = normalize(source, content, headers)
        suppressed = normalized is None
        content |= normalized or {}
    return Event(
        door="webhook",
        type=type,
        source=source,
        content=content,
        payload=payload,
        headers=headers,
        raw=raw,
        delivery_id=delivery_id(source, payload, headers),
        suppressed=suppressed,
    )


def posted_event(raw: bytes, headers: Mapping[str, str], door: Door = "event") -> Event:
    """Read an event in Echo's own envelope `{details: {type, source, requestHeaders}, content, payload}`."""
    body = read_object(raw)
    details = as_object(body.get("details"), "The 'details' of an event")
    type, source = details.get("type"), details.get("source")
    if not isinstance(type, str) or not type:
        raise BadRequest("An event needs its type in 'details.type'.")
    content = as_object(body.get("content") or {}, "The 'content' of an event")
    given = {
        name.lower(): str(cast(list[Any], values)[0]) if isinstance(values, list) and values else str(values)
        for name, values in object_in(details.get("requestHeaders")).items()
    }
    own_id = body.get("eventId")
    return Event(
        door=door,
        type=type,
        source=source if isinstance(source, str) else "",
        content=content,
        payload=object_in(body.get("payload")) or content,
        headers=given,
        raw=raw,
        delivery_id=f"event:{own_id}" if isinstance(own_id, str) and 0 < len(own_id) <= _LONGEST_ID else None,
    )


def ended_event(payload: Document) -> Event:
    """Make the event of an execution's end, as orca told it on the bus."""
    envelope = {"details": {"type": "pipeline", "source": "orca"}, "content": payload}
    return posted_event(write_json(envelope), {}, "bus")


def delivery_id(source: str, payload: Document, headers: Mapping[str, str]) -> str | None:
    """Give what is the same when a delivery is repeated, or None.

    A header decides alone. An `eventId` or `deliveryId` in the payload, which could be a name that many
    payloads share, counts together with the rest of the payload.
    """
    for name in (*_DELIVERY_HEADERS, *_DELIVERY_HEADERS_OF_SOURCE.get(source.lower(), ())):
        value = headers.get(name, "").strip()
        if value:
            return f"{name}:{value if len(value) <= _LONGEST_ID else hashlib.sha256(value.encode()).hexdigest()}"
    for key in _DELIVERY_KEYS:
        value = payload.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return f"payload:{_digest(payload)}"
    return None


def _digest(payload: Document) -> str:
    try:
        canonical = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        canonical = repr(sorted(payload.items())).encode()
    return hashlib.sha256(canonical).hexdigest()
