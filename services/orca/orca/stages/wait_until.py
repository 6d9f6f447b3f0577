"""`waitUntil`: wait for a moment."""

from orca.execution.model import EpochMillis
from orca.stages.definition import Stage, StageContext, StageView, TaskResult, WaitsFor, running, stage, succeeded, task


class WaitUntilContext(StageContext):
    """`epochMillis` is the moment; `startTime` is written when the wait begins (both epoch ms)."""

    epoch_millis: int | None = None
    start_time: int | None = None


@task(name="waitUntil", implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.WaitUntilTask")
def wait_until_moment(stage: StageView[WaitUntilContext], now: EpochMillis) -> TaskResult:
    """Succeed at the moment, at once when there is none. Source: Spinnaker's Orca, `WaitUntilTask`."""
    moment = stage.context.epoch_millis
    if moment is None:
        return succeeded()
    if not stage.context.start_time:
        return running(until=max(moment, now), context={"startTime": now})
    return succeeded() if now >= moment else running(until=moment)


@stage("waitUntil")
class WaitUntil(Stage[WaitUntilContext]):
    """Hold the branch until `epochMillis`."""

    def tasks(self, stage: StageView[WaitUntilContext]):
        yield wait_until_moment

    def waits_for(self, stage: StageView[WaitUntilContext]) -> WaitsFor:
        return WaitsFor("time", "it waits for a moment", "that moment")

    def prepare_restart(self, context: dict[str, object]) -> dict[str, object]:
        """Forget when the wait began."""
        return {key: value for key, value in context.items() if key != "startTime"}
