"""patchManifest: change parts of an object. Source: Clouddriver's `KubernetesPatchManifestOperation`."""

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.artifact import Artifact
from clouddriver.kubernetes.artifact_binding import DockerImageBinding, bind, merge_artifacts, not_bound
from clouddriver.kubernetes.changes import OPERATION, Changes
from clouddriver.kubernetes.document import Manifest, full_name_of, mapping_at, name_of, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.target import OnOneObject, check_target, live_object, ref_of, refused
from clouddriver.operations.context import OperationContext, OperationFailed, OperationType, Result

MergeStrategy = Literal["strategic", "json", "merge"]


class PatchOptions(BaseModel):
    """How the patch is applied."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, alias_generator=to_camel)

    merge_strategy: MergeStrategy = "strategic"


class PatchManifest(OnOneObject):
    """The object, and the patch: an object, or for the strategy `json` a list of operations (RFC 6902)."""

    patch_body: dict[str, Any] | list[dict[str, Any]]
    options: PatchOptions = Field(default_factory=PatchOptions)
    required_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    all_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])

    @field_validator("required_artifacts", "all_artifacts", "options", mode="before")
    @classmethod
    def _absent_artifacts(cls, value: Any, info: Any) -> Any:
        return (PatchOptions() if info.field_name == "options" else []) if value is None else value


def check(description: PatchManifest, account: Account) -> list[str]:
    """Name what is wrong with the target or the patch's form."""
    faults = check_target(description, account)
    is_list = isinstance(description.patch_body, list)
    if is_list != (description.options.merge_strategy == "json"):
        faults.append(
            f"The patchBody is {'a list' if is_list else 'an object'}, which the merge strategy "
            f"'{description.options.merge_strategy}' can't apply; 'json' takes a list, the others an object."
        )
    return faults


def patch_manifest(context: OperationContext, description: PatchManifest) -> Result:
    """Patch the object; a patch that changes nothing is fine."""
    context.say(f"Patching {description.manifest_name}...")
    changes = Changes(context.account, context.resources, context.marker)
    bound: list[Artifact] = []
    try:
        live = live_object(context, description)
        if isinstance(description.patch_body, list):
            patched = _json_patch(context, changes, description, description.patch_body, live)
        else:
            body, bound = _bound(context, description, description.patch_body, live)
            patched = changes.patch(ref_of(description), body, description.options.merge_strategy)
    except KubernetesError as error:
        if error.transient:
            raise
        raise refused("Patching", description, context, error) from error
    names = {description.namespace: [full_name_of(patched)]}
    shown = {
        "kind": patched.get("kind"),
        "apiVersion": patched.get("apiVersion"),
        "metadata": {"namespace": description.namespace, "name": name_of(patched)},
    }
    return {
        "manifestNamesByNamespace": names,
        "manifests": [shown],
        "boundArtifacts": [artifact.to_json() for artifact in bound],
    }


def _json_patch(
    context: OperationContext, changes: Changes, description: PatchManifest, body: list[dict[str, Any]], live: Manifest
) -> Manifest:
    """Apply a list of operations once: the object keeps a note of it, for an addition can't be repeated."""
    if text_at(live, "metadata", "annotations", OPERATION) == context.marker:
        return live
    annotations = mapping_at(live, "metadata", "annotations")
    key = OPERATION.replace("/", "~1")
    note = (
        {"op": "add", "path": f"/metadata/annotations/{key}", "value": context.marker}
        if annotations
        else {"op": "add", "path": "/metadata/annotations", "value": {OPERATION: context.marker}}
    )
    return changes.patch(ref_of(description), [note, *body], "json")


def _bound(
    context: OperationContext, description: PatchManifest, body: dict[str, Any], live: Manifest
) -> tuple[dict[str, Any], list[Artifact]]:
    required = [Artifact.from_json(artifact) for artifact in description.required_artifacts]
    wanted = merge_artifacts(required, map(Artifact.from_json, description.all_artifacts))
    shaped = body | {"kind": live.get("kind"), "apiVersion": live.get("apiVersion")}
    shaped["metadata"] = mapping_at(body, "metadata") | {"namespace": description.namespace}
    binding = bind(
        shaped,
        wanted,
        account=context.account.name,
        images=cast(DockerImageBinding, context.settings.docker_image_binding),
    )
    if missing := not_bound(required, binding.bound):
        names = ", ".join(f"{artifact.type} {artifact.name} ({artifact.reference})" for artifact in missing)
        raise OperationFailed(
            f"The following required artifacts could not be bound: '{names}'. Check that the Docker image name above "
            "matches the name used in the image field of your manifest. Failing the stage as this is likely a "
            "configuration error."
        )
    patch = {key: value for key, value in binding.manifest.items() if key in body}
    if "metadata" in body:
        patch["metadata"] = mapping_at(body, "metadata")
    return patch, binding.bound


PATCH_MANIFEST = OperationType("patchManifest", "PATCH_KUBERNETES_MANIFEST", PatchManifest, patch_manifest, check)
