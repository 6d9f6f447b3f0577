"""`undoRolloutManifest`: put an earlier revision of a Kubernetes workload back."""

from pydantic import Field

from orca.stages.definition import StageView, stage
from orca.stages.manifest_stability import wait_until_stable
from orca.stages.manifest_tasks import ManifestStage, TargetContext, act, require_target
from orca.stages.operations import monitor_operation


class UndoRolloutContext(TargetContext):
    """Which revision: `revision` itself, or `numRevisionsBack` from the newest."""

    revision: int | None = Field(None, ge=0)
    num_revisions_back: int | None = Field(None, ge=0)


undo_rollout = act("undoRolloutManifest", "UndoRolloutManifestTask")


@stage("undoRolloutManifest")
class UndoRolloutManifest(ManifestStage[UndoRolloutContext]):
    """Roll a workload back and wait until it is stable."""

    def tasks(self, stage: StageView[UndoRolloutContext]):
        require_target(stage.context)
        yield undo_rollout
        yield monitor_operation.named("monitorUndoRollout")
        yield wait_until_stable
