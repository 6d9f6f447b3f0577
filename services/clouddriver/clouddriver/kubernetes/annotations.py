"""Spinnaker's annotations and labels: what users ask for by them, and what a deploy writes. Pure.

Source: Clouddriver's `KubernetesManifestAnnotater`, `KubernetesManifestLabeler`, `KubernetesManifestStrategy`.
"""

import copy
import re
from dataclasses import dataclass
from typing import Any, cast

import orjson
from moniker import SEQUENCE, Moniker, moniker_annotations, moniker_of
from moniker.kubernetes import annotation

from clouddriver.kubernetes.artifact import Artifact
from clouddriver.kubernetes.document import (
    Manifest,
    annotations_of,
    full_name_of,
    kind_of_manifest,
    mapping_at,
    name_of,
)

ARTIFACT_TYPE = "artifact.spinnaker.io/type"
ARTIFACT_NAME = "artifact.spinnaker.io/name"
ARTIFACT_LOCATION = "artifact.spinnaker.io/location"
ARTIFACT_VERSION = "artifact.spinnaker.io/version"
LOAD_BALANCERS = "traffic.spinnaker.io/load-balancers"
CACHING_IGNORE = "caching.spinnaker.io/ignore"
VERSIONED = "strategy.spinnaker.io/versioned"
RECREATE = "strategy.spinnaker.io/recreate"
REPLACE = "strategy.spinnaker.io/replace"
SERVER_SIDE_APPLY = "strategy.spinnaker.io/server-side-apply"
MAX_VERSION_HISTORY = "strategy.spinnaker.io/max-version-history"
USE_SOURCE_CAPACITY = "strategy.spinnaker.io/use-source-capacity"
CONTENT_HASH = "gennaker.io/content-hash"

APP_LABEL = "app.kubernetes.io/name"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class AnnotationError(Exception):
    """An annotation has a value that can't be used; the message says which and what it may be."""


@dataclass(frozen=True, slots=True)
class DeployStrategy:
    """What a manifest's annotations ask of its deploy. `recreate` wins over `replace`."""

    versioned: bool | None = None
    recreate: bool = False
    replace: bool = False
    force_conflicts: bool = False
    use_source_capacity: bool = False
    max_version_history: int | None = None


@dataclass(frozen=True, slots=True)
class LabelRules:
    """Whether and how labels are written; `managed_by` is the value of the managed-by label."""

    enabled: bool = True
    managed_by: str = "spinnaker"
    on_template: bool = True


def deploy_strategy(manifest: Manifest) -> DeployStrategy:
    """Read the strategy annotations. Raises `AnnotationError` when one can't be understood."""
    versioned = _read(manifest, VERSIONED)
    return DeployStrategy(
        versioned=None if versioned is None else _is_true(versioned),
        recreate=_is_true(_read(manifest, RECREATE)),
        replace=_is_true(_read(manifest, REPLACE)),
        force_conflicts=(_read(manifest, SERVER_SIDE_APPLY) or "").lower() == "force-conflicts",
        use_source_capacity=_is_true(_read(manifest, USE_SOURCE_CAPACITY)),
        max_version_history=_history_length(manifest),
    )


def _history_length(manifest: Manifest) -> int | None:
    value = _read(manifest, MAX_VERSION_HISTORY)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise AnnotationError(
            f"The annotation {MAX_VERSION_HISTORY} of {full_name_of(manifest)} is '{value}'; "
            "it has to be a whole number, 0 or more."
        )
    return int(value)


def load_balancers_of(manifest: Manifest) -> list[str]:
    """Read the load balancers (`service shop`) that a workload is said to be behind."""
    value = _read(manifest, LOAD_BALANCERS)
    if value is None:
        return []
    try:
        names: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast(list[Any], names)):
        raise AnnotationError(
            f"The annotation {LOAD_BALANCERS} of {full_name_of(manifest)} is '{value}'; "
            'it has to be a JSON list of names, as ["service shop"].'
        )
    return cast(list[str], names)


def load_balancers_annotation(names: list[str]) -> dict[str, str]:
    """Give the annotation that says which load balancers a workload is behind."""
    return {LOAD_BALANCERS: orjson.dumps(names).decode()}


def manifest_moniker(manifest: Manifest) -> Moniker:
    """Say to what a live object belongs."""
    return moniker_of(kind_of_manifest(manifest).name, name_of(manifest), annotations_of(manifest))


def artifact_of(manifest: Manifest, account: str) -> Artifact | None:
    """Read the artifact that a live object is; None when no deploy of Spinnaker's wrote it."""
    type_ = _read(manifest, ARTIFACT_TYPE)
    if type_ is None:
        return None
    return Artifact(
        type=type_,
        name=_read(manifest, ARTIFACT_NAME),
        location=_read(manifest, ARTIFACT_LOCATION),
        version=_read(manifest, ARTIFACT_VERSION),
        reference=name_of(manifest),
        metadata={"account": account},
    )


def annotated(
    manifest: Manifest,
    moniker: Moniker,
    artifact: Artifact,
    labels: LabelRules,
    more: dict[str, str] | None = None,
) -> Manifest:
    """Give the manifest with Spinnaker's annotations and labels, on itself and on its pod template.

    An annotation that is there already wins. Labels: the application unless there is one, who manages it
    always, the sequence when there is one. `more` are annotations for the object only, which always win.
    """
    written = copy.deepcopy(manifest)
    values = moniker_annotations(moniker) | {
        ARTIFACT_TYPE: artifact.type,
        ARTIFACT_NAME: artifact.name or "",
        ARTIFACT_LOCATION: artifact.location or "",
        ARTIFACT_VERSION: artifact.version or "",
    }
    metadata = _object(written, "metadata")
    _add(_object(metadata, "annotations"), values)
    _object(metadata, "annotations").update(more or {})
    if labels.enabled:
        _label(_object(metadata, "labels"), moniker, labels)
    spec = written.get("spec")
    template = cast(dict[str, Any], spec).get("template") if isinstance(spec, dict) else None
    if isinstance(template, dict) and isinstance(cast(dict[str, Any], template).get("metadata"), dict):
        pod = _object(cast(dict[str, Any], template), "metadata")
        _add(_object(pod, "annotations"), values)
        if labels.enabled and labels.on_template:
            _label(_object(pod, "labels"), moniker, labels)
    return written


def _label(labels: dict[str, Any], moniker: Moniker, rules: LabelRules) -> None:
    if moniker.app and _LABEL_VALUE.fullmatch(moniker.app):
        labels.setdefault(APP_LABEL, moniker.app)
    labels[MANAGED_BY_LABEL] = rules.managed_by
    if moniker.sequence is not None:
        labels[SEQUENCE] = str(moniker.sequence)


def _add(annotations: dict[str, Any], values: dict[str, str]) -> None:
    for key, value in values.items():
        annotations.setdefault(key, value)


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        value = dict[str, Any]()
        parent[key] = value
    return cast(dict[str, Any], value)


def _read(manifest: Manifest, key: str) -> str | None:
    return annotation(mapping_at(manifest, "metadata", "annotations"), key)


def _is_true(text: str | None) -> bool:
    return (text or "").lower() == "true"
