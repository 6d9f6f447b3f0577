"""The root of a stage's expressions: its context with its ancestors' outputs, the execution, the trigger.

Source: Spinnaker's Orca, `ContextParameterProcessor` and `StageContext`.
"""

from collections.abc import Callable
from typing import Any, cast

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions.shown import shown_execution, shown_stage

__all__ = ["GivenNames", "StageRoot", "shown_execution", "shown_stage"]

_MAIN_BRANCHES = ("master", "develop")


class GivenNames:
    """What expressions see before there is a stage: these values; any other name is an error, so its text stays."""

    def __init__(self, values: JsonMap) -> None:
        self._values = values

    def spel_has(self, name: str) -> bool:
        """Say whether there is a value `name`."""
        return name in self._values

    def spel_get(self, name: str) -> Any:
        """Give the value `name`."""
        return self._values[name]


class StageRoot:
    """What the names in a stage's expressions mean; a name that is nowhere is null.

    `more` are values that stand before the context's; `aliases` are names that stand for a call.
    """

    __slots__ = ("_aliases", "_execution", "_stage", "more")

    def __init__(
        self, execution: Execution, stage: StageExecution, aliases: dict[str, Callable[[], Any]] | None = None
    ) -> None:
        self._execution = execution
        self._stage = stage
        self._aliases = aliases or {}
        self.more: JsonMap = {}

    def spel_has(self, name: str) -> bool:
        """Every name can be asked for."""
        return True

    def spel_get(self, name: str) -> Any:
        """Give the execution, its trigger, its parameters, or a value of the stage or its ancestors."""
        execution = self._execution
        if name in self._aliases:
            return self._aliases[name]()
        if name == "scmInfo":
            return self._scm_info()
        if execution.is_pipeline:
            match name:
                case "execution":
                    return shown_execution(execution)
                case "trigger":
                    return execution.trigger
                case "parameters" if execution.trigger.get("parameters"):
                    return execution.trigger["parameters"]
                case "templateVariables" if execution.template_variables and execution.spel_evaluator == "v4":
                    return execution.template_variables
                case _:
                    pass
        found = self._lookup(name)
        return {} if found is None and name == "parameters" else found

    def spel_plain(self) -> JsonMap:
        """Give the stage's own context: what is seen of the root as a whole."""
        return self._stage.context | self.more

    def _lookup(self, name: str) -> Any:
        return self.more[name] if name in self.more else self._execution.lookup(self._stage, name)

    def _scm_info(self) -> Any:
        """Give the source of the build: of the context's, else the trigger's; the first that is no main branch's."""
        found: list[Any] = []
        for holder in (self._lookup("buildInfo"), self._execution.trigger.get("buildInfo")):
            scm: Any = cast(JsonMap, holder).get("scm") if isinstance(holder, dict) else None
            found = cast(list[Any], scm) if isinstance(scm, list) else [scm] if isinstance(scm, dict) else []
            if found:
                break
        others = [each for each in found if isinstance(each, dict) and each.get("branch") not in _MAIN_BRANCHES]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return others[0] if len(found) > 1 and others else found[0] if found else None
