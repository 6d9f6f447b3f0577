"""What names an object of a cluster, and the few parts of a manifest that every object has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from clouddriver.kubernetes.kinds import CATALOGUE, NATIVE_GROUPS

__all__ = [
    "LAST_APPLIED",
    "NATIVE_GROUPS",
    "Manifest",
    "ResourceRef",
    "annotations_of",
    "group_version",
    "items",
    "kind_key",
    "labels_of",
    "mapping",
    "metadata_of",
    "without_secrets",
]

Manifest = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_BY_ALIAS = {alias: kind.api_kind.lower() for kind in CATALOGUE for alias in kind.aliases}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    """What names one object of a cluster.

    `kind` in any case (`Deployment`, `replicaSet`); `group` is the API group (`apps`, `""` for core), or `None`
    for a kind of Kubernetes itself, whichever group serves it; `namespace` is empty for a cluster-wide kind.
    """

    kind: str
    group: str | None
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f" in namespace '{self.namespace}'" if self.namespace else ""
        return f"{self.kind} '{self.name}'{where}"

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "ResourceRef":
        """Name the object that a manifest describes."""
        metadata = metadata_of(manifest)
        return cls(
            kind=str(manifest.get("kind") or ""),
            group=group_version(manifest)[0],
            namespace=str(metadata.get("namespace") or ""),
            name=str(metadata.get("name") or ""),
        )

    @classmethod
    def parse(cls, full_name: str, namespace: str) -> "ResourceRef":
        """Read Spinnaker's `<kind>[.<group>] <name>`. Raises `ValueError` saying what it should look like."""
        words = full_name.split(" ")
        if len(words) != 2 or not all(words):
            raise ValueError(f"'{full_name}' is no name of a resource; it must be '<kind> <name>'.")
        kind, _, group = words[0].partition(".")
        return cls(
            kind=kind, group=None if group.lower() in NATIVE_GROUPS else group, namespace=namespace, name=words[1]
        )


def group_version(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Split `apiVersion`: `apps/v1` is (`apps`, `v1`), `v1` is (``, `v1`)."""
    group, _, version = str(manifest.get("apiVersion") or "").rpartition("/")
    return group, version


def metadata_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Give the metadata; an empty object where there is none."""
    return mapping(manifest.get("metadata"))


def annotations_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Give the annotations; an empty object where there are none."""
    return mapping(metadata_of(manifest).get("annotations"))


def labels_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Give the labels; an empty object where there are none."""
    return mapping(metadata_of(manifest).get("labels"))


def mapping(value: Any) -> dict[str, Any]:
    """Take a value as an object; an empty one when it is something else."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    """Take a value as a list of objects, without what is no object."""
    if not isinstance(value, list):
        return []
    return [cast(dict[str, Any], item) for item in cast(list[Any], value) if isinstance(item, dict)]


def kind_key(kind: str) -> str:
    """Give the form in which kinds are compared and stored: lower case, short names (`rs`) written out."""
    lowered = kind.lower()
    return _BY_ALIAS.get(lowered, lowered)


def without_secrets(manifest: Manifest) -> Manifest:
    """Give a manifest as it may be stored: no `managedFields`, and nothing of what a Secret holds.

    The last applied configuration of a Secret repeats its data, so it goes too. The argument stays as it was.
    """
    metadata = {key: value for key, value in metadata_of(manifest).items() if key != "managedFields"}
    kept = dict(manifest)
    if kind_key(str(manifest.get("kind") or "")) == "secret" and group_version(manifest)[0] == "":
        kept.pop("data", None)
        kept.pop("stringData", None)
        if "annotations" in metadata:
            annotations = mapping(metadata["annotations"])
            metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return kept | {"metadata": metadata}
