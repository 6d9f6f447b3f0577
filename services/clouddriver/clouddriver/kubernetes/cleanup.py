"""cleanupArtifacts: old versions beyond an object's `max-version-history`.

Source: Clouddriver's `KubernetesCleanupArtifactsOperation`.
"""

from typing import Any, cast

from pydantic import Field, field_validator

from clouddriver.kubernetes import annotations as notes
from clouddriver.kubernetes.changes import Changes, ref_to
from clouddriver.kubernetes.document import (
    Manifest,
    full_name_of,
    kind_of_manifest,
    name_of,
    namespace_of,
    text_at,
)
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import full_name, kind_named
from clouddriver.operations.context import Description, OperationContext, OperationFailed, OperationType, Result


class CleanupArtifacts(Description):
    """The objects of a deploy, as its result gave them."""

    manifests: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])

    @field_validator("manifests", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return [] if value is None else value


def surplus(live: list[Manifest], deployed: Manifest, account: str) -> list[Manifest]:
    """Choose the versions of `deployed` to delete among live objects: the oldest, beyond its history's length.

    Raises `AnnotationError` when the length can't be understood.
    """
    length = notes.deploy_strategy(deployed).max_version_history
    own = notes.artifact_of(deployed, account)
    if length is None or own is None or not own.type.startswith("kubernetes/"):
        return []
    versions = [
        item
        for item in live
        if (artifact := notes.artifact_of(item, account)) is not None
        and (artifact.type, artifact.name, artifact.location) == (own.type, own.name, own.location)
    ]
    versions.sort(key=lambda item: (text_at(item, "metadata", "creationTimestamp"), name_of(item)))
    return versions[: max(0, len(versions) - length)]


def cleanup_artifacts(context: OperationContext, description: CleanupArtifacts) -> Result:
    """Delete old versions."""
    try:
        targets = cast(list[dict[str, str]], context.decide(lambda: _targets(context, description)))
        changes = Changes(context.account, context.resources, context.marker)
        deleted: dict[str, list[str]] = {}
        for target in targets:
            kind = kind_named(target["kind"])
            context.say(f"Deleting {full_name(kind, target['name'])}...")
            ref = ref_to(kind, target["name"], target["namespace"])
            changes.delete(ref, {"propagationPolicy": "Background"}, uid=target["uid"])
            deleted.setdefault(target["namespace"], []).append(full_name(kind, target["name"]))
    except notes.AnnotationError as error:
        raise OperationFailed(str(error)) from error
    except KubernetesError as error:
        if error.transient:
            raise
        raise OperationFailed(
            f"Cleaning up old versions in account '{context.account.name}' failed: {error.message} ({error.reason})"
        ) from error
    return {"manifestNamesByNamespace": deleted, "manifests": None}


def _targets(context: OperationContext, description: CleanupArtifacts) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for deployed in description.manifests:
        if notes.deploy_strategy(deployed).max_version_history is None:
            continue
        kind = kind_of_manifest(deployed)
        live = context.account.client.list(kind.api_kind, namespace_of(deployed), group=kind.group)
        for item in surplus(live, deployed, context.account.name):
            found[text_at(item, "metadata", "uid")] = {
                "kind": full_name_of(item).partition(" ")[0],
                "name": name_of(item),
                "namespace": namespace_of(item),
                "uid": text_at(item, "metadata", "uid"),
            }
    return list(found.values())


CLEANUP_ARTIFACTS = OperationType(
    "cleanupArtifacts", "CLEANUP_KUBERNETES_ARTIFACTS", CleanupArtifacts, cleanup_artifacts
)
