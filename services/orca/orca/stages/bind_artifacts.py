"""The task that binds a stage's expected artifacts to what it made."""

from typing import Any

from orca.artifacts import in_scope, read_expected, resolve
from orca.execution.model import EpochMillis, JsonMap
from orca.stages.definition import StageView, TaskResult, succeeded, task


@task(
    name="bindProducedArtifacts",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.artifacts.BindProducedArtifactsTask",
)
def bind_produced_artifacts(stage: StageView[Any], now: EpochMillis) -> TaskResult:
    """Bind each of `expectedArtifacts` to the nearest artifact in scope, else to its default, else fail.

    With `noOutput` the stage publishes nothing.
    """
    expected = read_expected(stage.raw.get("expectedArtifacts"), "expectedArtifacts")
    if not expected:
        return succeeded()
    bound = resolve(expected, in_scope(stage.execution, stage.stage))
    found: JsonMap = {"artifacts": bound.artifacts, "resolvedExpectedArtifacts": bound.expected}
    return succeeded(found, {} if str(stage.raw.get("noOutput")).lower() == "true" else dict(found))
