"""`patchManifest`: change parts of a Kubernetes object."""

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field

from orca.execution.model import JsonMap
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import Services, StageContext, StageView, TaskFailure, TaskResult, io_task, stage, succeeded
from orca.stages.manifest_evaluation import ManifestSource, evaluate_manifests, written_keys
from orca.stages.manifest_stability import wait_until_stable
from orca.stages.manifest_tasks import (
    TASKS,
    ManifestStage,
    TargetContext,
    promote_outputs,
    require_target,
    resolve_target,
)
from orca.stages.operations import (
    SUBMIT_BACKOFF_MS,
    SUBMIT_TIMEOUT_MS,
    description_of,
    maps,
    monitor_operation,
    submit,
)


class PatchOptions(StageContext):
    """How the patch is applied: as Kubernetes' strategic merge, as a plain merge, or as JSON patch (RFC 6902)."""

    merge_strategy: Literal["strategic", "json", "merge"] = "strategic"
    record: bool | None = None


class PatchManifestContext(TargetContext, ManifestSource):
    """The object, and `patchBody` (an object, or a list of operations), or the artifact that holds it."""

    patch_body: list[Any] | dict[str, Any] | None = None
    options: PatchOptions = Field(default_factory=PatchOptions)


@io_task(
    name="resolvePatchSourceManifest",
    implementing_class=f"{TASKS}.ResolvePatchSourceManifestTask",
    backoff=1_000,
    timeout=300_000,
)
def resolve_patch(stage: StageView[PatchManifestContext], services: Services) -> TaskResult:
    """Read the patch, and find the artifacts that it must or may use."""
    context = stage.context
    read = evaluate_manifests(stage, services, context, context.patch_body, "patchBody")
    found: JsonMap = {
        "manifests": read.manifests,
        "requiredArtifacts": read.required,
        "allArtifacts": read.optional,
    }
    return succeeded(found | read.noted, dict(found))


@io_task(
    name="patchManifest",
    implementing_class=f"{TASKS}.PatchManifestTask",
    backoff=SUBMIT_BACKOFF_MS,
    timeout=SUBMIT_TIMEOUT_MS,
)
def patch(stage: StageView[PatchManifestContext], services: Services) -> TaskResult:
    """Hand the patch to clouddriver."""
    body = maps(stage.raw.get("manifests"))
    strategy = stage.context.options.merge_strategy
    if not body:
        raise TaskFailure(
            "The Patch (Manifest) stage requires a valid patch body. "
            "Please add a patch body inline or with an artifact."
        )
    if strategy != "json" and len(body) > 1:
        raise TaskFailure(
            "Only one patch object is valid when patching with `strategic` and `merge` patch strategies "
            f"(there are {len(body)})."
        )
    change = body if strategy == "json" else body[0]
    description = description_of(stage, source="text", patchBody=change, account=stage.context.account)
    watched = submit(stage, services, "patchManifest", description, result=True)
    return succeeded(watched | {"deploy.account.name": stage.context.account})


@stage("patchManifest")
class PatchManifest(ManifestStage[PatchManifestContext]):
    """Patch an object and wait until it is stable."""

    def tasks(self, stage: StageView[PatchManifestContext]):
        require_target(stage.context)
        yield resolve_target
        yield resolve_patch
        yield patch
        yield monitor_operation.named("monitorPatch")
        yield promote_outputs
        yield wait_until_stable
        yield bind_produced_artifacts

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """The patch stays as written too when the stage says that it has no expressions."""
        return {*super().raw_keys(context), *written_keys(context, "manifests", "patchBody")}
