"""What every object of a cluster shows, and how it belongs to others. Pure.

Source: Spinnaker's Clouddriver, the Kubernetes view models and its relationships between objects.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clouddriver.kubernetes.document import full_name_of, kind_of_manifest, mapping_at, name_of, namespace_of, text_at
from clouddriver.kubernetes.kinds import SpinnakerKind
from clouddriver.kubernetes.manifest import Manifest, items, labels_of, metadata_of
from clouddriver.kubernetes.resources import Resource

PROVIDER = "kubernetes"


def uid_of(manifest: Manifest) -> str:
    """Give an object's uid."""
    return text_at(manifest, "metadata", "uid")


def owners_of(manifest: Manifest) -> list[dict[str, Any]]:
    """List what an object belongs to, each as `{kind, name, uid, …}`."""
    return items(metadata_of(manifest).get("ownerReferences"))


def shelf_of(manifest: Manifest) -> SpinnakerKind:
    """Say on which of Spinnaker's shelves an object is."""
    return kind_of_manifest(manifest).spinnaker_kind


def created_at(manifest: Manifest) -> int | None:
    """Say when an object was created, in milliseconds since 1970; `None` when it doesn't say."""
    return instant_ms(text_at(manifest, "metadata", "creationTimestamp"))


def instant_ms(text: str) -> int | None:
    """Read Kubernetes' time as milliseconds since 1970."""
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return None


def shown(resource: Resource) -> dict[str, Any]:
    """Give the fields that every view of an object has."""
    manifest = resource.manifest
    namespace = namespace_of(manifest)
    return {
        "name": full_name_of(manifest),
        "displayName": name_of(manifest),
        "account": resource.account,
        "namespace": namespace,
        "region": namespace,
        "kind": kind_of_manifest(manifest).name,
        "apiVersion": str(manifest.get("apiVersion") or ""),
        "labels": labels_of(manifest),
        "moniker": resource.moniker.to_json(),
        "createdTime": created_at(manifest),
        "cloudProvider": PROVIDER,
    }


def selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Say whether a Service's selector matches labels; an empty one matches nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def template_labels(manifest: Manifest) -> dict[str, Any]:
    """Give the labels of the pods that a workload makes."""
    return mapping_at(manifest, "spec", "template", "metadata", "labels")
