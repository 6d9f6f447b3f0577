"""`manualJudgment`: wait until a person says continue or stop."""

from typing import Any

from pydantic import Field

from orca.execution.model import EpochMillis, JsonMap
from orca.stages.definition import Stage, StageContext, StageView, TaskResult, running, stage, succeeded, task, terminal

_BACKOFF_MS = 15_000
_TIMEOUT_MS = 3 * 24 * 3600 * 1000
_JUDGMENT = ("judgmentStatus", "lastModifiedBy")


class ManualJudgmentContext(StageContext):
    """`judgmentStatus` is written by who judges: `continue` or `stop`, with a `judgmentInput` if asked for."""

    judgment_status: str = ""
    judgment_input: Any = None
    instructions: str | None = None
    judgment_inputs: list[Any] = Field(default_factory=list[Any])
    notifications: list[Any] = Field(default_factory=list[Any])


@task(
    name="waitForJudgment",
    implementing_class="com.netflix.spinnaker.orca.echo.pipeline.ManualJudgmentStage.WaitForManualJudgmentTask",
    backoff=_BACKOFF_MS,
    timeout=_TIMEOUT_MS,
    overridable=True,
)
def wait_for_judgment(stage: StageView[ManualJudgmentContext], now: EpochMillis) -> TaskResult:
    """Succeed on `continue`, fail on `stop`; both in any case of letters."""
    context: JsonMap = {"notifications": stage.context.notifications}
    match stage.context.judgment_status.lower():
        case "continue":
            return succeeded(context)
        case "stop":
            return terminal(context)
        case _:
            return running(context=context)


@stage("manualJudgment")
class ManualJudgment(Stage[ManualJudgmentContext]):
    """Hold the branch until a person decides."""

    def tasks(self, stage: StageView[ManualJudgmentContext]):
        yield wait_for_judgment

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget the judgment: a restarted stage asks again."""
        return {key: value for key, value in context.items() if key not in _JUDGMENT}
