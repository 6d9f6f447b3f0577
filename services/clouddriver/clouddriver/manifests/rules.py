"""Which object of a cluster is meant, and how a manifest is answered. Pure.

Source: Spinnaker's Clouddriver, `ManifestController` and the criteria of dynamic targets.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from clouddriver.kubernetes.annotations import manifest_moniker
from clouddriver.kubernetes.artifact_binding import artifacts_in
from clouddriver.kubernetes.document import full_name_of, kind_of_manifest, name_of, namespace_of, number_at, text_at
from clouddriver.kubernetes.manifest import Manifest, annotations_of, metadata_of, without_secrets
from clouddriver.kubernetes.rollout_status import rollout_status

CRITERIA = ("oldest", "newest", "second_newest", "largest", "smallest")
_APPLICATION = "moniker.spinnaker.io/application"
_CLUSTER = "moniker.spinnaker.io/cluster"


def of_cluster(manifests: Iterable[Manifest], app: str, cluster: str) -> list[Manifest]:
    """Keep the objects that say to be of this cluster of this application; names don't count."""
    return [
        manifest
        for manifest in manifests
        if annotations_of(manifest).get(_APPLICATION) == app and annotations_of(manifest).get(_CLUSTER) == cluster
    ]


def choose(manifests: Sequence[Manifest], criteria: str) -> Manifest | None:
    """Choose by criteria; `None` when there are too few. Raises `ValueError` for criteria that there are not."""
    by_age = sorted(manifests, key=lambda manifest: text_at(manifest, "metadata", "creationTimestamp"))
    by_size = sorted(manifests, key=_size)
    ordered, position = {
        "oldest": (by_age, 0),
        "newest": (by_age, len(by_age) - 1),
        "second_newest": (by_age, len(by_age) - 2),
        "smallest": (by_size, 0),
        "largest": (by_size, len(by_size) - 1),
    }.get(criteria.lower(), (None, 0))
    if ordered is None:
        raise ValueError(f"There are no criteria '{criteria}'; use one of {', '.join(CRITERIA)}.")
    return ordered[position] if 0 <= position < len(ordered) else None


def _size(manifest: Manifest) -> int:
    replicas = number_at(manifest, "spec", "replicas")
    return -1 if replicas is None else replicas


def coordinates(manifest: Manifest) -> dict[str, str]:
    """Name an object: `{kind, namespace, name}`."""
    return {
        "kind": kind_of_manifest(manifest).name,
        "namespace": namespace_of(manifest),
        "name": name_of(manifest),
    }


def present(
    account: str, manifest: Manifest, events: Sequence[Manifest] = (), metrics: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Give an object as Spinnaker answers it."""
    return {
        "account": account,
        "name": full_name_of(manifest),
        "location": namespace_of(manifest),
        "moniker": manifest_moniker(manifest).to_json(),
        "manifest": without_secrets(manifest),
        "status": rollout_status(manifest).to_json(),
        "artifacts": [artifact.to_json() for artifact in artifacts_in(manifest)],
        "events": [without_secrets(event) for event in sorted(events, key=_happened)],
        "warnings": [],
        "metrics": list(metrics),
    }


def _happened(event: Manifest) -> tuple[bool, str]:
    when = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    when = when or metadata_of(event).get("creationTimestamp")
    return not when, str(when or "")
