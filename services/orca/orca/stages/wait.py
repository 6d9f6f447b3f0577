"""`wait`: let time pass."""

from orca.execution.model import EpochMillis
from orca.stages.definition import Stage, StageContext, StageView, TaskResult, running, stage, succeeded, task


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
