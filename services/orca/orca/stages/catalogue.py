"""Which stage types there are: found by entry points, looked up by type or alias."""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from orca.execution.model import Execution, StageExecution
from orca.stages.definition import Stage, TaskSpec
from orca.stages.dry_run import as_dry_run, dry_run
from orca.stages.policy import TaskPolicy

GROUP = "orca.stages"


class UnknownStageType(LookupError):
    """There is no stage type of that name."""

    exception_type = "NoSuchStageDefinitionBuilderException"


class StageCatalogue:
    """The stage types and their tasks.

    A task is found by the class name under which it is stored with a stage. It is known when it is
    a name of the module in which a stage type is defined (imported ones too) or listed in `uses`.
    `policy` is what the operator says about tasks.
    """

    def __init__(self, types: Iterable[type[Stage[Any]]], policy: TaskPolicy | None = None) -> None:
        self.policy = policy or TaskPolicy()
        self._stages: dict[str, Stage[Any]] = {}
        self._tasks: dict[str, TaskSpec] = {dry_run.implementing_class: dry_run}
        for cls in types:
            definition = cls()
            for name in (cls.type, *cls.aliases):
                other = self._stages.setdefault(name, definition)
                if other is not definition:
                    raise ValueError(f"The stage type '{name}' is declared by {type(other)} and by {cls}.")
            found = [value for value in vars(sys.modules[cls.__module__]).values() if isinstance(value, TaskSpec)]
            for spec in (*found, *cls.uses):
                known = self._tasks.setdefault(spec.implementing_class, spec)
                if (known.pure, known.io) != (spec.pure, spec.io):
                    raise ValueError(f"Two tasks call themselves {spec.implementing_class}.")

    @staticmethod
    @cache
    def load() -> "StageCatalogue":
        """Load the stage types of all installed packages."""
        return StageCatalogue(entry.load() for entry in entry_points(group=GROUP))

    def with_types(self, *types: type[Stage[Any]], policy: TaskPolicy | None = None) -> "StageCatalogue":
        """Give a catalogue that knows these types too (those that settings make); they replace their namesakes."""
        replaced = {each.type for each in types}
        kept = {type(known) for known in self._stages.values() if known.type not in replaced}
        return StageCatalogue([*kept, *types], policy or self.policy)

    @property
    def types(self) -> Mapping[str, Stage[Any]]:
        """Every stage type, by type and by alias."""
        return self._stages

    def find(self, type_name: str, alias: str | None = None) -> Stage[Any]:
        """Find a stage type: by its alias when the stage has one, else by its type. Raises `UnknownStageType`."""
        try:
            return self._stages[alias or type_name]
        except KeyError:
            known = ", ".join(sorted(self._stages))
            raise UnknownStageType(
                f"No StageDefinitionBuilder implementation for {type_name}(alias: {alias or 'null'}) found "
                f"(knownTypes: {known})"
            ) from None

    def type_of(self, stage: StageExecution) -> Stage[Any]:
        """Give the type of a stage, in a dry run too. Raises `UnknownStageType`."""
        alias: Any = stage.context.get("alias")
        return self.find(stage.type, alias if isinstance(alias, str) else None)

    def definition_of(self, execution: Execution, stage: StageExecution) -> Stage[Any]:
        """Give the type of a stage, or what stands for it in a dry run. Raises `UnknownStageType`."""
        definition = self.type_of(stage)
        return as_dry_run(definition, stage) if execution.trigger.get("dryRun") is True else definition

    def cleans_up(self, execution: Execution, stage: StageExecution) -> bool:
        """Say whether a stage has something to do when it has failed or was cancelled (`on_cancel`)."""
        try:
            return self.definition_of(execution, stage).on_cancel is not None
        except UnknownStageType:
            return False

    def task(self, implementing_class: str) -> TaskSpec:
        """Find a task by the class name stored with it. Raises `UnknownStageType`."""
        try:
            return self._tasks[implementing_class]
        except KeyError:
            raise UnknownStageType(f"There is no task {implementing_class} in this installation.") from None
