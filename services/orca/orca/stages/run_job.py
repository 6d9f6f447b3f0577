"""`runJob` (`runJobManifest` in pipelines): run a Kubernetes Job, wait for its end, use what it found out."""

from collections.abc import Collection, Iterable
from typing import Any, cast

from orca.execution.model import JsonMap
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import StageView, TaskSpec, stage
from orca.stages.job_cancellation import delete_unended
from orca.stages.job_context import RunJobContext
from orca.stages.job_tasks import TRIES, consume_artifact, monitor_job, run_job, wait_for_job
from orca.stages.manifest_evaluation import written_keys
from orca.stages.manifest_tasks import ManifestStage, promote_outputs

_KEPT_FROM_LAST_TIME = ("jobStatus", "completionDetails", "propertyFileContents", "deploy.jobs")


def job_tasks(context: RunJobContext, written: JsonMap) -> Iterable[TaskSpec]:
    """Give the tasks of a stage that runs a Job; `written` is its context as it is stored."""
    _ = context.account_name
    yield run_job
    yield monitor_job
    if "source" in written or "manifest" in written:
        yield promote_outputs
    if context.waits:
        yield wait_for_job
    if "expectedArtifacts" in written:
        yield bind_produced_artifacts
    if (context.consume_artifact_source or "").lower() == "artifact":
        yield consume_artifact


@stage("runJob", aliases=["runJobManifest"])
class RunJob(ManifestStage[RunJobContext]):
    """Run a Job."""

    uses = (run_job, monitor_job, promote_outputs, wait_for_job, bind_produced_artifacts, consume_artifact)
    on_cancel = staticmethod(delete_unended)
    cancels_on_timeout = True

    def tasks(self, stage: StageView[RunJobContext]):
        return job_tasks(stage.context, stage.raw)

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """What the Job's status and its log say is no expression; its manifest where the stage says so."""
        printed: Any = context.get("propertyFileContents")
        found = cast(JsonMap, printed).keys() if isinstance(printed, dict) else ()
        return {*super().raw_keys(context), *_KEPT_FROM_LAST_TIME, *found, *written_keys(context, "manifest")}

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Keep how the Job went last time under `restartDetails`, and begin anew."""
        fresh = super().prepare_restart(context)
        if "jobStatus" in fresh:
            known: Any = fresh.get("restartDetails")
            last = {key: fresh.get(key) for key in _KEPT_FROM_LAST_TIME}
            fresh["restartDetails"] = (cast(JsonMap, known) if isinstance(known, dict) else {}) | last
        return {key: value for key, value in fresh.items() if key not in (*_KEPT_FROM_LAST_TIME, TRIES)}
