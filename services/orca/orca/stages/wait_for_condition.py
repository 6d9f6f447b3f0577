"""`waitForCondition`: hold while the operator says that nothing should go out.

Source: Spinnaker's Orca, `WaitForConditionStage`, `EvaluateConditionTask`. The conditions are those of
`tasks.evaluateCondition.activeConditions`; without any, or while it is not enabled, the stage goes on.
"""

from typing import Any, ClassVar

from orca.execution.model import EpochMillis
from orca.settings import ConditionSettings
from orca.stages.definition import (
    Stage,
    StageContext,
    StageView,
    TaskResult,
    TaskSpec,
    WaitsFor,
    running,
    stage,
    succeeded,
    task,
)


class WaitForConditionContext(StageContext):
    """`status` is WAITING while conditions hold the stage; a person ends the wait by writing SKIPPED."""

    status: str | None = None
    cluster: str | None = None
    region: str | None = None
    account: str | None = None


def wait_for_condition(settings: ConditionSettings) -> type[Stage[Any]]:
    """Make the stage type that looks at these settings."""

    @task(
        name="waitForCondition",
        implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.EvaluateConditionTask",
        backoff=3_000,
        timeout=settings.wait_timeout_ms,
    )
    def evaluate(stage: StageView[WaitForConditionContext], now: EpochMillis) -> TaskResult:
        """Succeed when no condition holds the stage, or a person has said to go on."""
        found = settings.conditions_for(stage.context.cluster)
        if stage.context.status == "SKIPPED" or not found:
            return succeeded({"status": "SKIPPED"})
        shown = [{"name": name, "description": f"Active condition applies: {name}"} for name in found]
        return running(
            until=now + settings.backoff_wait_ms, context={"status": "WAITING"}, outputs={"conditions": shown}
        )

    @stage("waitForCondition")
    class WaitForCondition(Stage[WaitForConditionContext]):
        """Hold the branch while conditions are active."""

        uses: ClassVar[tuple[TaskSpec, ...]] = (evaluate,)

        def tasks(self, stage: StageView[WaitForConditionContext]):
            yield evaluate

        def waits_for(self, stage: StageView[WaitForConditionContext]) -> WaitsFor:
            return WaitsFor(
                "condition",
                f"active conditions hold it: {', '.join(settings.conditions_for(stage.context.cluster))}",
                "an operator who lifts them, or a person who goes on (PATCH the stage with status: SKIPPED)",
            )

        def prepare_restart(self, context: dict[str, Any]) -> dict[str, Any]:
            """Ask again."""
            return {key: value for key, value in context.items() if key != "status"}

    return WaitForCondition


WaitForCondition = wait_for_condition(ConditionSettings())
