"""Artifacts into manifests: where a manifest refers to one, and what its reference becomes. Pure.

Source: Clouddriver's `ArtifactReplacer` and `ReplacerFactory`.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from clouddriver.kubernetes.artifact import Artifact
from clouddriver.kubernetes.document import Manifest, items_at, kind_of_manifest, mapping_at, namespace_of

DockerImageBinding = Literal["match-name-and-tag", "match-name-only"]

_WORKLOADS = frozenset({"deployment", "replicaSet", "statefulSet", "daemonSet", "job", "cronJob"})
DOCKER_IMAGE = "docker/image"


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a manifest that names an artifact: `holder[key]`."""

    type: str
    holder: dict[str, Any]
    key: str
    exact: bool = False

    @property
    def value(self) -> str:
        """Give what is written there; empty when it is no text."""
        value = self.holder.get(self.key)
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class Binding:
    """A manifest with its artifacts bound, and which of them were."""

    manifest: Manifest
    bound: list[Artifact] = field(default_factory=list[Artifact])


def image_name(reference: str) -> str:
    """Give an image's name without its digest or tag; a registry's port is no tag."""
    name = reference.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def bind(
    manifest: Manifest,
    artifacts: Iterable[Artifact],
    *,
    account: str,
    images: DockerImageBinding = "match-name-and-tag",
) -> Binding:
    """Replace the references in a manifest by those of `artifacts`; the manifest given is not changed.

    An artifact that is a Kubernetes object counts only in the manifest's namespace, and in `account` when it
    says one.
    """
    binding = Binding(copy.deepcopy(manifest))
    usable = [artifact for artifact in artifacts if _is_usable(artifact, namespace_of(manifest), account)]
    references = list(references_in(binding.manifest))
    for artifact in usable:
        places = [place for place in references if _names(place, artifact, images)]
        for place in places:
            place.holder[place.key] = artifact.reference
        if places:
            # What was bound once must not be taken for another artifact of that name.
            taken = {id(place) for place in places}
            references = [place for place in references if id(place) not in taken]
            binding.bound.append(artifact)
    return binding


def merge_artifacts(*lists: Iterable[Artifact]) -> list[Artifact]:
    """Join lists of artifacts; of those with the same type, name and location the first stays."""
    kept: dict[tuple[str, str | None, str | None], Artifact] = {}
    for artifact in (artifact for artifacts in lists for artifact in artifacts):
        kept.setdefault((artifact.type, artifact.name, artifact.location), artifact)
    return list(kept.values())


def not_bound(required: Iterable[Artifact], bound: Iterable[Artifact]) -> list[Artifact]:
    """List the required artifacts that no manifest refers to."""
    keys = {_identity(artifact) for artifact in bound}
    return [artifact for artifact in required if _identity(artifact) not in keys]


def artifacts_in(manifest: Manifest) -> list[Artifact]:
    """List every artifact that a manifest refers to, each once."""
    found: dict[tuple[str, str], Artifact] = {}
    for place in references_in(manifest):
        if place.value:
            name = image_name(place.value) if place.type == DOCKER_IMAGE else place.value
            found.setdefault((place.type, place.value), Artifact(place.type, name=name, reference=place.value))
    return list(found.values())


def references_in(manifest: Manifest) -> Iterator[Reference]:
    """Find the places of a manifest that can name an artifact, by its kind."""
    kind = kind_of_manifest(manifest).name
    if kind in _WORKLOADS:
        for template in _pod_templates(manifest):
            yield from _in_pod(template)
    elif kind == "pod":
        for container in items_at(manifest, "spec", "containers"):
            yield Reference(DOCKER_IMAGE, container, "image", exact=True)
    elif kind == "horizontalpodautoscaler":
        target = mapping_at(manifest, "spec", "scaleTargetRef")
        type_ = {"deployment": "kubernetes/deployment", "replicaset": "kubernetes/replicaSet"}.get(
            str(target.get("kind")).lower()
        )
        if type_:
            yield Reference(type_, target, "name")


def _pod_templates(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Find `spec.template.spec` at any depth, as in a CronJob's `jobTemplate`."""
    waiting: list[Any] = [manifest]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += cast(list[Any], value)
        elif isinstance(value, dict):
            document = cast(dict[str, Any], value)
            template = mapping_at(document, "spec", "template", "spec")
            if template:
                yield template
            waiting += document.values()


def _in_pod(spec: dict[str, Any]) -> Iterator[Reference]:
    for volume in items_at(spec, "volumes"):
        yield from _place("kubernetes/configMap", volume, "configMap", "name")
        yield from _place("kubernetes/secret", volume, "secret", "secretName")
        for source in items_at(volume, "projected", "sources"):
            yield from _place("kubernetes/configMap", source, "configMap", "name")
            yield from _place("kubernetes/secret", source, "secret", "name")
    for container in (*items_at(spec, "containers"), *items_at(spec, "initContainers")):
        if "image" in container:
            yield Reference(DOCKER_IMAGE, container, "image")
        for variable in items_at(container, "env"):
            value_from = mapping_at(variable, "valueFrom")
            yield from _place("kubernetes/configMap", value_from, "configMapKeyRef", "name")
            yield from _place("kubernetes/secret", value_from, "secretKeyRef", "name")
        for source in items_at(container, "envFrom"):
            yield from _place("kubernetes/configMap", source, "configMapRef", "name")
            yield from _place("kubernetes/secret", source, "secretRef", "name")


def _place(type_: str, parent: dict[str, Any], field_: str, key: str) -> Iterator[Reference]:
    holder = mapping_at(parent, field_)
    if key in holder:
        yield Reference(type_, holder, key)


def _is_usable(artifact: Artifact, namespace: str, account: str) -> bool:
    if not artifact.type or artifact.reference is None:
        return False
    if not artifact.type.startswith("kubernetes/"):
        return True
    return (artifact.location or "") == namespace and artifact.account in (None, account)


def _names(place: Reference, artifact: Artifact, images: DockerImageBinding) -> bool:
    if place.type != artifact.type or not place.value or artifact.name is None:
        return False
    whole = place.exact or images == "match-name-only" or place.type != DOCKER_IMAGE
    return artifact.name == (place.value if whole else image_name(place.value))


def _identity(artifact: Artifact) -> tuple[str | None, ...]:
    return (artifact.type, artifact.name, artifact.version, artifact.location, artifact.reference)
