"""The moniker: to what a resource belongs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Moniker:
    """The application, cluster, stack, detail and sequence number of a resource."""

    app: str | None = None
    cluster: str | None = None
    stack: str | None = None
    detail: str | None = None
    sequence: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give Spinnaker's JSON form; what is not known is there as null."""
        return {
            "app": self.app,
            "cluster": self.cluster,
            "stack": self.stack,
            "detail": self.detail,
            "sequence": self.sequence,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Moniker":
        """Read Spinnaker's JSON form; blank texts and wrong types count as not known."""
        sequence = body.get("sequence")
        return cls(
            app=_text(body.get("app")),
            cluster=_text(body.get("cluster")),
            stack=_text(body.get("stack")),
            detail=_text(body.get("detail")),
            sequence=sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None,
        )


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
