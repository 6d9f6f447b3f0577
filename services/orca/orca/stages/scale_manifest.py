"""`scaleManifest`: set the replicas of a Kubernetes workload."""

from pydantic import Field

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


class ScaleManifestContext(TargetContext):
    """`replicas` is how many there shall be."""

    replicas: int = Field(ge=0)


scale_manifest = act("scaleManifest", "ScaleManifestTask")


@stage("scaleManifest")
class ScaleManifest(ManifestStage[ScaleManifestContext]):
    """Scale a Deployment, ReplicaSet or StatefulSet and wait until it is stable."""

    def tasks(self, stage: StageView[ScaleManifestContext]):
        require_target(stage.context)
        yield resolve_target
        yield scale_manifest
        yield monitor_operation.named("monitorScale")
        yield wait_until_stable
