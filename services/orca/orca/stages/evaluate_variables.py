"""`evaluateVariables`: name values for the stages that follow."""

from typing import Any, cast

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

    def note_sources(self, written: JsonMap, evaluated: JsonMap) -> JsonMap:
        """Keep each variable's expression beside its value, as `sourceValue` (Spinnaker leaves out its `$`)."""
        old, new = written.get("variables"), evaluated.get("variables")
        if not isinstance(old, list) or not isinstance(new, list):
            return evaluated
        pairs = zip(cast(list[Any], old), cast(list[Any], new), strict=True)
        return evaluated | {"variables": [_with_source(before, after) for before, after in pairs]}

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Put the expressions back in the place of their values."""
        restored = [_restored(variable) for variable in context.get("variables") or []]
        return context | {"variables": restored}


def _with_source(before: Any, after: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    source: Any = cast(JsonMap, before).get("value")
    if not isinstance(source, str) or source == cast(JsonMap, after).get("value"):
        return cast(JsonMap, after)
    return cast(JsonMap, after) | {"sourceValue": source.replace("$", "")}


def _restored(variable: JsonMap) -> JsonMap:
    source = variable.get("sourceValue")
    if not isinstance(source, str):
        return variable
    rest = {key: value for key, value in variable.items() if key != "sourceValue"}
    return rest | {"value": source.replace("{", "${", 1) if "${" not in source else source}
