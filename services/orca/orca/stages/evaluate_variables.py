"""`evaluateVariables`: name values for the stages that follow."""

from typing import Any

from pydantic import Field

from orca.execution.model import EpochMillis, JsonMap
from orca.stages.definition import Stage, StageContext, StageView, TaskResult, stage, succeeded, task


class EvaluateVariablesContext(StageContext):
    """`variables`: a list of `{key, value, description?}`."""

    variables: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


@task(
    name="evaluateVariables",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.EvaluateVariablesTask",
)
def publish_variables(stage: StageView[EvaluateVariablesContext], now: EpochMillis) -> TaskResult:
    """Give each variable, evaluated by now, to the stages that follow."""
    return succeeded(outputs={str(each["key"]): each.get("value") for each in stage.context.variables if "key" in each})


@stage("evaluateVariables")
class EvaluateVariables(Stage[EvaluateVariablesContext]):
    """Evaluate expressions into variables that later stages read by name."""

    def tasks(self, stage: StageView[EvaluateVariablesContext]):
        yield publish_variables

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Put the expressions back in the place of their values."""
        restored = [_restored(variable) for variable in context.get("variables") or []]
        return context | {"variables": restored}


def _restored(variable: JsonMap) -> JsonMap:
    source = variable.get("sourceValue")
    if not isinstance(source, str):
        return variable
    rest = {key: value for key, value in variable.items() if key != "sourceValue"}
    return rest | {"value": source.replace("{", "${", 1) if "${" not in source else source}
