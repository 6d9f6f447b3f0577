"""Server-sent events: their text, their ids, and whom they interest. Pure.

Source: the WHATWG HTML standard, "Server-sent events".
"""

from dataclasses import dataclass
from typing import Any

import orjson
from kork.bus import Event

StreamId = tuple[int, int]
START: StreamId = (0, 0)


@dataclass(frozen=True, slots=True)
class Message:
    """One event of the stream: its place in it, what it is, whom it is about."""

    id: StreamId
    type: str
    data: bytes
    application: str
    execution_id: str
    pipeline_config_id: str

    def text(self) -> bytes:
        """Give the event as it is sent."""
        return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (*self.id, self.type.encode(), self.data)


@dataclass(frozen=True, slots=True)
class Interest:
    """Which events a client wants; what is empty lets all pass. Applications compare ignoring case."""

    application: str = ""
    execution_ids: frozenset[str] = frozenset()
    pipeline_config_ids: frozenset[str] = frozenset()

    def includes(self, message: Message) -> bool:
        """Say whether a message is wanted."""
        return (
            (not self.application or self.application.lower() == message.application.lower())
            and (not self.execution_ids or message.execution_id in self.execution_ids)
            and (not self.pipeline_config_ids or message.pipeline_config_id in self.pipeline_config_ids)
        )


def message_of(id: StreamId, event: Event) -> Message:
    """Make the message that tells of an event of orca's."""
    payload: dict[str, Any] = event.payload
    return Message(
        id=id,
        type=event.type,
        data=orjson.dumps(payload),
        application=str(payload.get("application") or ""),
        execution_id=str(payload.get("executionId") or ""),
        pipeline_config_id=str(payload.get("pipelineConfigId") or ""),
    )


def parse_id(text: str) -> StreamId | None:
    """Read an id (`<ms>-<n>`); None when it is none of ours."""
    milliseconds, dash, number = text.strip().partition("-")
    if not (dash and milliseconds.isascii() and milliseconds.isdigit() and number.isascii() and number.isdigit()):
        return None
    if len(milliseconds) > 15 or len(number) > 15:
        return None
    return int(milliseconds), int(number)


def format_id(id: StreamId) -> str:
    """Write an id as Redis and clients know it."""
    return f"{id[0]}-{id[1]}"


def comment(text: str) -> bytes:
    """A line that clients ignore: a heartbeat, or the reason of an end."""
    return f": {text}\n\n".encode()


def reset(reason: str, id: StreamId) -> bytes:
    """The event that tells a client to load what it shows anew, because the stream can't go on where it was."""
    data = orjson.dumps({"reason": reason})
    return b"id: %d-%d\nevent: stream.reset\ndata: %s\n\n" % (*id, data)
