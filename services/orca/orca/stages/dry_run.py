"""Dry runs: a pipeline whose stages succeed without doing anything (spec 1.18)."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, cast

from orca.execution.model import EpochMillis, JsonMap, StageExecution
from orca.stages.definition import Loop, Stage, StageContext, StageView, Synthetic, TaskSpec, task
from orca.stages.results import TaskResult, succeeded

_RUN_AS_USUAL = frozenset(
    {
        "manualJudgment",
        "pipeline",
        "findImage",
        "findImageFromTags",
        "determineTargetServerGroup",
        "rollbackCluster",
        "evaluateVariables",
    }
)


@task(name="dryRun", implementing_class="com.netflix.spinnaker.orca.dryrun.stub.DryRunTask")
def dry_run(stage: StageView[StageContext], now: EpochMillis) -> TaskResult:
    """Succeed."""
    return succeeded()


class _DryRun(Stage[StageContext]):
    """Another type's synthetic stages around one task that succeeds."""

    uses: ClassVar[tuple[TaskSpec, ...]] = (dry_run,)

    def __init__(self, real: Stage[Any]) -> None:
        self._real = real

    def tasks(self, stage: StageView[StageContext]) -> Iterable[TaskSpec | Loop]:
        return (dry_run,)

    def before(self, stage: StageView[StageContext]) -> Iterable[Synthetic]:
        return self._real.before(self._real.view(stage.execution, stage.stage))

    def after(self, stage: StageView[StageContext]) -> Iterable[Synthetic]:
        return self._real.after(self._real.view(stage.execution, stage.stage))

    def on_failure(self, stage: StageView[StageContext]) -> Iterable[Synthetic]:
        return self._real.on_failure(self._real.view(stage.execution, stage.stage))

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        return self._real.raw_keys(context)


def as_dry_run(definition: Stage[Any], stage: StageExecution) -> Stage[Any]:
    """Give what stands for a stage type in a dry run: itself where it is harmless."""
    if definition.type in _RUN_AS_USUAL or _only_expressions(stage):
        return definition
    return _DryRun(definition)


def _only_expressions(stage: StageExecution) -> bool:
    if stage.type != "checkPreconditions":
        return False
    listed: Any = stage.context.get("preconditions")
    if not isinstance(listed, list):
        return stage.context.get("preconditionType") == "expression"
    return all(each.get("type") == "expression" for each in cast(list[JsonMap], listed))
