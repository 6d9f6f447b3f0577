"""`wait`: let time pass."""

from orca.execution.model import EpochMillis
from orca.stages.definition import (
    Stage,
    StageContext,
    StageView,
    TaskResult,
    WaitsFor,
    running,
    stage,
    succeeded,
    task,
)

SKIP_REST = "the end of that time; a person who skips the rest of it (PATCH the stage with skipRemainingWait: true)"


class WaitContext(StageContext):
    """`waitTime` is in seconds; `skipRemainingWait` ends the wait at once."""

    wait_time: float = 0
    skip_remaining_wait: bool = False


@task(name="wait", implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.WaitTask")
def wait_until_due(stage: StageView[WaitContext], now: EpochMillis) -> TaskResult:
    """Succeed when the wait, counted from the stage's start, is over or was cut short."""
    if stage.context.skip_remaining_wait:
        return succeeded()
    due = stage.started_at + round(stage.context.wait_time * 1000)
    return succeeded() if now >= due else running(until=due)


@stage("wait")
class Wait(Stage[WaitContext]):
    """Pause the branch for `waitTime` seconds."""

    def tasks(self, stage: StageView[WaitContext]):
        yield wait_until_due

    def waits_for(self, stage: StageView[WaitContext]) -> WaitsFor:
        return WaitsFor("time", f"it waits for {stage.context.wait_time:g} s", SKIP_REST)
