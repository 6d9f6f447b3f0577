"""`restrictExecutionDuringTimeWindow`: hold a stage until its window opens.

The engine puts this stage before every one that has `restrictExecutionDuringTimeWindow`.
Source: Spinnaker's Orca, `RestrictExecutionDuringTimeWindow`.
"""

from datetime import timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from orca.execution.model import EpochMillis, JsonMap
from orca.execution.planning import WINDOW_STAGE
from orca.execution.rules import is_true
from orca.execution.status import Status
from orca.execution.windows import WrongWindow, next_time_inside, read_jitter, read_window
from orca.stages.definition import (
    Stage,
    StageView,
    TaskResult,
    TaskSpec,
    WaitsFor,
    stage,
    succeeded,
    task,
    terminal,
)
from orca.stages.wait import SKIP_REST, WaitContext, wait_until_due

_WEEK_MS = round(timedelta(days=7).total_seconds() * 1000)


def execution_window(timezone: str) -> type[Stage[Any]]:
    """Make the stage type that holds stages by the clock of `timezone` (`tasks.executionWindow.timezone`)."""
    zone = ZoneInfo(timezone)

    @task(
        name="suspendExecutionDuringTimeWindow",
        implementing_class="com.netflix.spinnaker.orca.pipeline."
        "RestrictExecutionDuringTimeWindow.SuspendExecutionDuringTimeWindowTask",
        backoff=30_000,
        timeout=_WEEK_MS,
    )
    def hold(stage: StageView[WaitContext], now: EpochMillis) -> TaskResult:
        """Succeed inside the window, or when a person skips the wait."""
        return _held(stage, now, zone)

    @stage(WINDOW_STAGE)
    class RestrictExecutionDuringTimeWindow(Stage[WaitContext]):
        """Hold until the window opens, then for a random while if `jitter` asks for it."""

        uses: ClassVar[tuple[TaskSpec, ...]] = (hold, wait_until_due)

        def tasks(self, stage: StageView[WaitContext]):
            yield hold
            if read_jitter(stage.raw.get("restrictedExecutionWindow"), str(stage.trigger.get("type"))):
                yield wait_until_due.named("waitForJitter")

        def waits_for(self, stage: StageView[WaitContext]) -> WaitsFor:
            return WaitsFor("window", f"its execution window is closed (time zone {timezone})", SKIP_REST)

    return RestrictExecutionDuringTimeWindow


def _held(stage: StageView[WaitContext], now: EpochMillis, zone: ZoneInfo) -> TaskResult:
    document = stage.raw.get("restrictedExecutionWindow")
    try:
        opens = next_time_inside(read_window(document), now, zone)
    except WrongWindow as error:
        return terminal({"failureReason": f"Exception occurred while calculating time window: {error}"})
    if opens <= now or is_true(stage.raw.get("skipRemainingWait")):
        jitter = read_jitter(document, str(stage.trigger.get("type")))
        waited: JsonMap = {} if jitter is None or "waitTime" in stage.raw else {"waitTime": jitter.seconds(stage.id)}
        return succeeded(waited)
    return TaskResult(Status.RUNNING, due=opens, scheduled=opens)


RestrictExecutionDuringTimeWindow = execution_window("America/Los_Angeles")
