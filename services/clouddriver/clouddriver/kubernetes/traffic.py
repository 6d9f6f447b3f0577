"""Putting workloads behind services, and taking them out. Pure.

Source: Clouddriver's `KubernetesServiceHandler` (attach, detach).
"""

import copy
from collections.abc import Iterable
from typing import Any, cast

from clouddriver.kubernetes.document import Manifest, full_name_of, mapping_at


class TrafficError(Exception):
    """A workload can't be put behind a service; the message says why."""


def selector_of(service: Manifest) -> dict[str, str]:
    """Give the labels by which a service finds pods. Raises `TrafficError` when it has none."""
    selector = mapping_at(service, "spec", "selector")
    if not selector:
        raise TrafficError(f"The {full_name_of(service)} has no selector, so nothing can be put behind it.")
    return {str(key): str(value) for key, value in selector.items()}


def attached(workload: Manifest, service: Manifest) -> Manifest:
    """Give the workload with the service's selector among its pods' labels (its own, for a pod).

    Raises `TrafficError` when the two share a label already: then traffic could never be taken away again.
    """
    selector = selector_of(service)
    joined = copy.deepcopy(workload)
    labels = _pod_labels(joined)
    shared = sorted(set(selector) & set(labels))
    if shared:
        raise TrafficError(
            "Service selector must have no label keys in common with target workload: "
            f"{full_name_of(service)} and {full_name_of(workload)} share {', '.join(shared)}."
        )
    labels.update(selector)
    return joined


def is_behind(workload: Manifest, selectors: Iterable[dict[str, str]]) -> bool:
    """Say whether every one of these selectors finds the pods of a workload."""
    labels = labels_at(workload, labels_path(workload))
    return all(labels.get(key) == value for selector in selectors for key, value in selector.items())


def labels_path(workload: Manifest) -> str:
    """Give the JSON pointer to the labels that decide about a workload's traffic."""
    template = mapping_at(workload, "spec", "template", "metadata", "labels")
    return "/spec/template/metadata/labels" if template else "/metadata/labels"


def enabling_patch(labels: dict[str, Any], path: str, selector: dict[str, str]) -> list[dict[str, Any]]:
    """Give the JSON patch that adds a selector to labels at `path`; empty when they have it."""
    changes = [
        {"op": "replace" if key in labels else "add", "path": f"{path}/{_escaped(key)}", "value": value}
        for key, value in selector.items()
        if labels.get(key) != value
    ]
    return changes if labels or not changes else [{"op": "add", "path": path, "value": dict(selector)}]


def disabling_patch(labels: dict[str, Any], path: str, selector: dict[str, str]) -> list[dict[str, Any]]:
    """Give the JSON patch that removes a selector from labels at `path`; empty when they don't have it."""
    return [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in selector if key in labels]


def labels_at(workload: Manifest, path: str) -> dict[str, Any]:
    """Give the labels at a JSON pointer, for reading."""
    return mapping_at(workload, *path.strip("/").split("/"))


def _pod_labels(workload: Manifest) -> dict[str, Any]:
    if mapping_at(workload, "spec", "template", "metadata", "labels"):
        return mapping_at(workload, "spec", "template", "metadata", "labels")
    metadata = cast(dict[str, Any], workload.setdefault("metadata", {}))
    return cast(dict[str, Any], metadata.setdefault("labels", {}))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
