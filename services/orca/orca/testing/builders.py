"""Executions in few words."""

from collections.abc import Collection, Iterable
from typing import Any

from kork.ids import new_ulid

from orca.execution.model import Execution, JsonMap, StageExecution


class NoExpressions:
    """An evaluator for contexts without expressions; a condition is its own text."""

    def context(self, execution: Execution, stage: StageExecution, raw: Collection[str]) -> JsonMap:
        """Give the context as it is."""
        return stage.context

    def condition(self, execution: Execution, stage: StageExecution, expression: str) -> str:
        """Give the text of the expression."""
        return expression


def stage(ref_id: str, type: str = "scripted", after: Iterable[str] = (), **context: Any) -> StageExecution:
    """A top-level stage that waits for the stages named in `after`."""
    return StageExecution(
        id=new_ulid(), ref_id=ref_id, type=type, name=f"{type} {ref_id}", context=context, requisites=list(after)
    )


def pipeline(*stages: StageExecution, **fields: Any) -> Execution:
    """A pipeline of an application `app`."""
    made = Execution(
        "PIPELINE", new_ulid(), "app", list(stages), name="p", trigger={"type": "manual"}, build_time=1, **fields
    )
    made.number()
    return made
