"""Manifests: Kubernetes objects as plain documents, and safe ways to look into them.

A manifest comes from a user or from an API server, so nothing in it can be trusted to have its type.
"""

from math import isfinite
from typing import Any, cast

from clouddriver.kubernetes.kinds import Kind, full_name, kind_of

Manifest = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def mapping_at(manifest: Manifest, *path: str) -> dict[str, Any]:
    """Give the object at `path`, or an empty one when there is none; changing that changes nothing."""
    value: Any = manifest
    for key in path:
        if not isinstance(value, dict):
            return {}
        value = cast(dict[str, Any], value).get(key)
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def items_at(manifest: Manifest, *path: str) -> list[dict[str, Any]]:
    """Give the objects of the list at `path`, without what is no object; empty when there is no list."""
    parent = mapping_at(manifest, *path[:-1])
    value = parent.get(path[-1])
    if not isinstance(value, list):
        return []
    return [cast(dict[str, Any], item) for item in cast(list[Any], value) if isinstance(item, dict)]


def text_at(manifest: Manifest, *path: str) -> str:
    """Give the text at `path`, or an empty one."""
    value = mapping_at(manifest, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def number_at(manifest: Manifest, *path: str) -> int | None:
    """Give the whole number at `path` (3.0 counts as 3), or None."""
    value = mapping_at(manifest, *path[:-1]).get(path[-1])
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return int(value)


def name_of(manifest: Manifest) -> str:
    """Give the object's name, else its `generateName`."""
    return text_at(manifest, "metadata", "name") or text_at(manifest, "metadata", "generateName")


def namespace_of(manifest: Manifest) -> str:
    """Give the object's namespace; an empty text when it has none."""
    return text_at(manifest, "metadata", "namespace")


def kind_of_manifest(manifest: Manifest) -> Kind:
    """Find the kind of a manifest."""
    return kind_of(text_at(manifest, "apiVersion"), text_at(manifest, "kind"))


def full_name_of(manifest: Manifest) -> str:
    """Give the full resource name: `deployment shop`."""
    return full_name(kind_of_manifest(manifest), name_of(manifest))


def annotations_of(manifest: Manifest) -> dict[str, Any]:
    """Give the object's annotations, for reading."""
    return mapping_at(manifest, "metadata", "annotations")
