"""`deleteManifest`: delete one Kubernetes object, or those of some kinds that labels select."""

from typing import Any

from orca.stages.definition import StageView, TaskFailure, stage
from orca.stages.manifest_tasks import (
    ManifestStage,
    TargetContext,
    act,
    promote_outputs,
    require_target,
    resolve_target,
)
from orca.stages.operations import monitor_operation


class DeleteManifestContext(TargetContext):
    """The target is an object, or `kinds` with `labelSelectors`."""

    kinds: list[str] | None = None
    label_selectors: dict[str, Any] | None = None
    options: dict[str, Any] | None = None


delete_manifest = act("deleteManifest", "DeleteManifestTask", result=True)


@stage("deleteManifest")
class DeleteManifest(ManifestStage[DeleteManifestContext]):
    """Delete Kubernetes objects."""

    def tasks(self, stage: StageView[DeleteManifestContext]):
        context = stage.context
        if not context.kinds:
            require_target(stage.context)
        elif not (context.label_selectors or {}).get("selectors"):
            raise TaskFailure(
                "labelSelectors: deleting every object of a kind is refused; name at least one selector "
                f"for kinds {', '.join(context.kinds)}.",
                exception_type="ConfigurationException",
            )
        yield resolve_target
        yield delete_manifest
        yield monitor_operation.named("monitorDelete")
        yield promote_outputs
