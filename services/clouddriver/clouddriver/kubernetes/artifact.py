"""Artifacts: things outside that a manifest refers to, as Spinnaker writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Artifact:
    """A thing with a type, a name, a place, a version and a reference by which it is fetched or named."""

    type: str
    name: str | None = None
    location: str | None = None
    version: str | None = None
    reference: str | None = None
    artifact_account: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def account(self) -> str | None:
        """Give the account in which a Kubernetes object is, when it says one."""
        value = self.metadata.get("account")
        return value if isinstance(value, str) and value else None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Artifact":
        """Read Spinnaker's JSON form; unknown fields are kept. Values of the wrong type count as absent."""
        metadata = body.get("metadata")
        return cls(
            type=_text(body.get("type")) or "",
            name=_text(body.get("name")),
            location=_text(body.get("location")),
            version=_text(body.get("version")),
            reference=_text(body.get("reference")),
            artifact_account=_text(body.get("artifactAccount")),
            metadata=cast(dict[str, Any], metadata) if isinstance(metadata, dict) else {},
            more={key: value for key, value in body.items() if key not in _KEYS},
        )

    def to_json(self) -> dict[str, Any]:
        """Give Spinnaker's JSON form."""
        known = {
            "type": self.type,
            "name": self.name,
            "location": self.location,
            "version": self.version,
            "reference": self.reference,
            "artifactAccount": self.artifact_account,
        }
        metadata = {"metadata": dict(self.metadata)} if self.metadata else {}
        return {key: value for key, value in known.items() if value is not None} | metadata | dict(self.more)


_KEYS = frozenset({"type", "name", "location", "version", "reference", "artifactAccount", "metadata"})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
