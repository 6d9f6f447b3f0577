"""`rollingRestartManifest`, `pauseRolloutManifest`, `resumeRolloutManifest`: act on a rollout."""

from orca.stages.definition import StageView, stage
from orca.stages.manifest_stability import wait_until_stable
from orca.stages.manifest_tasks import ManifestStage, TargetContext, act, require_target
from orca.stages.operations import monitor_operation

rolling_restart = act("rollingRestartManifest", "RollingRestartManifestTask")
pause_rollout = act("pauseRolloutManifest", "PauseRolloutManifestTask")
resume_rollout = act("resumeRolloutManifest", "ResumeRolloutManifestTask")


@stage("rollingRestartManifest")
class RollingRestartManifest(ManifestStage[TargetContext]):
    """Replace a workload's pods one after the other."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield rolling_restart
        yield monitor_operation.named("monitorRollingRestart")


@stage("pauseRolloutManifest")
class PauseRolloutManifest(ManifestStage[TargetContext]):
    """Hold a Deployment's rollout."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield pause_rollout
        yield monitor_operation.named("monitorPauseRollout")


@stage("resumeRolloutManifest")
class ResumeRolloutManifest(ManifestStage[TargetContext]):
    """Let a Deployment's rollout go on, and wait until it is stable."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield resume_rollout
        yield monitor_operation.named("monitorResumeRollout")
        yield wait_until_stable
