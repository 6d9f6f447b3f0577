"""The functions that expressions call as `#name(…)`: those on texts, on the execution, and those that ask others."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orca.execution.model import Execution, StageExecution
from orca.expressions.asking import ASKING, AskingFunctions
from orca.expressions.shown import Shown
from orca.expressions.stages import StageFunctions
from orca.expressions.texts import PURE, failed

__all__ = ["ASKING", "PURE", "Functions", "functions_for", "told_as"]

# Orca gives these the execution as their first argument; in a summary of failures their calls look so.
EXECUTION_AWARE = (
    "cfServiceKey",
    "currentStage",
    "deployedServerGroups",
    "judgement",
    "judgment",
    "manifestLabelValue",
    "pipelineId",
    "pipelineIdInApplication",
    "pipelineIdOrNull",
    "resolvedArtifacts",
    "stage",
    "stageByRefId",
    "stageExists",
    "triggerResolvedArtifact",
    "triggerResolvedArtifactByType",
)
_CALL = re.compile(rf"#({'|'.join(EXECUTION_AWARE)})\((?! #root\.execution)(\s*\))?")
_ALIAS = re.compile(r"(?<!#)deployedServerGroups")


def functions_for(execution: Execution, stage: StageExecution) -> dict[str, Callable[..., Any]]:
    """Give the functions for the expressions of `stage`."""
    own = StageFunctions(execution, stage).functions() | AskingFunctions(execution).functions()
    for name in EXECUTION_AWARE:
        own[name] = _aware(name, own[name], execution)
    return PURE | own


class Functions(Mapping[str, Callable[..., Any]]):
    """The functions for the expressions of a stage, made when one is called first: most expressions call none."""

    def __init__(self, execution: Execution, stage: StageExecution) -> None:
        self._of = execution, stage
        self._made: dict[str, Callable[..., Any]] | None = None

    def _all(self) -> dict[str, Callable[..., Any]]:
        if self._made is None:
            self._made = functions_for(*self._of)
        return self._made

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _aware(name: str, function: Callable[..., Any], execution: Execution) -> Callable[..., Any]:
    """Take the execution as first argument too, as Orca's own rewriting writes it; orchestrations have none."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if not execution.is_pipeline:
            raise failed(f"#{name} needs the execution of a pipeline, and a task has none")
        if arguments and isinstance(arguments[0], Shown) and arguments[0].java_name.endswith("PipelineExecutionImpl"):
            arguments = arguments[1:]
        return function(*arguments)

    return call


def told_as(text: str) -> str:
    """Give a text as Orca rewrites it before it is evaluated: that is how its summaries tell it."""
    text = _CALL.sub(lambda call: f"#{call[1]}( #root.execution{')' if call[2] else ', '}", text)
    return _ALIAS.sub("#deployedServerGroups( #root.execution)", text)
