"""Another execution, read from the JSON that orca's API serves."""

from typing import Any, cast

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.stages.operations import maps


def read_execution(document: JsonMap) -> Execution:
    """Read what look-ups in another execution need: its trigger, its stages, their order and their outputs."""
    stages = [
        StageExecution(
            id=str(each.get("id")),
            ref_id=str(each.get("refId")),
            type=str(each.get("type")),
            name=str(each.get("name")),
            outputs=cast(JsonMap, each.get("outputs") or {}),
            requisites=[str(ref) for ref in cast(list[Any], each.get("requisiteStageRefIds") or [])],
            parent_id=each.get("parentStageId"),
        )
        for each in maps(document.get("stages"))
    ]
    execution = Execution("PIPELINE", str(document.get("id")), str(document.get("application")), stages)
    execution.trigger = cast(JsonMap, document.get("trigger") or {})
    return execution
