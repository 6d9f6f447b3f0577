"""`enableManifest`, `disableManifest`: put a workload behind its services, or take it from there."""

from orca.stages.definition import StageView, stage
from orca.stages.manifest_stability import wait_until_stable
from orca.stages.manifest_tasks import (
    ManifestStage,
    TargetContext,
    act,
    require_target,
    resolve_target,
)
from orca.stages.operations import monitor_operation

enable_manifest = act("enableManifest", "EnableManifestTask")
disable_manifest = act("disableManifest", "DisableManifestTask")


@stage("enableManifest")
class EnableManifest(ManifestStage[TargetContext]):
    """Let the services lead to a workload, and wait until it is stable."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield resolve_target
        yield enable_manifest
        yield monitor_operation.named("monitorEnable")
        yield wait_until_stable


@stage("disableManifest")
class DisableManifest(ManifestStage[TargetContext]):
    """Take traffic from a workload, and wait until it is stable."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield resolve_target
        yield disable_manifest
        yield monitor_operation.named("monitorDisable")
        yield wait_until_stable
