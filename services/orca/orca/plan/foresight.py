"""What expressions can know before a pipeline runs. Pure.

A name, a stage or a status that only the run will fill raises `Unknown`, which says on what it depends.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions.functions import functions_for
from orca.expressions.root import StageRoot, shown_execution, shown_stage

_OF_THE_RUN = frozenset({"id", "startTime", "endTime", "status", "buildTime", "canceled", "paused"})
_OF_A_RUN_STAGE = frozenset(
    {"startTime", "endTime", "status", "tasks", "scheduledTime", "hasSucceeded", "hasFailed", "lastModified"}
)
_READS_ADDRESSES = ("fromUrl", "jsonFromUrl", "yamlFromUrl", "propertiesFromUrl")
_SEARCH_OUTPUTS = ("resolvedArtifacts", "deployedServerGroups", "manifestLabelValue", "cfServiceKey")
_WITHOUT_OUTPUTS = frozenset(
    {
        "checkPreconditions",
        "manualJudgment",
        "noop",
        "restrictExecutionDuringTimeWindow",
        "wait",
        "waitForCondition",
        "waitUntil",
    }
)
_ARTIFACTS = frozenset({"artifacts", "resolvedExpectedArtifacts"})
_ONLY_OUTPUTS = {
    "findArtifactFromExecution": _ARTIFACTS,
    "findArtifactsFromResource": _ARTIFACTS | {"manifest"},
    "preconfiguredWebhook": _ARTIFACTS,
    "webhook": _ARTIFACTS,
}


class Unknown(Exception):
    """Only the run will tell; `on` says what it depends on."""

    def __init__(self, on: str) -> None:
        super().__init__(on)
        self.on = on


@dataclass(slots=True)
class Foreseen:
    """What is known of a stage before it runs.

    `unsettled`: keys of its context whose values only the run will tell. `outputs`: all that later stages will
    find, or None while only the run will tell.
    """

    stage: StageExecution
    skipped: bool = False
    unsettled: set[str] = field(default_factory=set[str])
    outputs: JsonMap | None = None

    def may_bring(self, name: str) -> bool:
        """Say whether the stage may give later stages a value of this name that isn't known yet."""
        return self.outputs is None and name in _ONLY_OUTPUTS.get(self.stage.type, (name,))

    @property
    def words(self) -> str:
        """Say which stage this is."""
        return f"stage '{self.stage.name}' ({self.stage.ref_id})"


class Foresight:
    """What is known of an execution's stages so far; filled in the order in which they would run."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._known: dict[str, Foreseen] = {}
        self._giving: list[Foreseen] = []
        self._walked: tuple[str, list[StageExecution]] = ("", [])

    def note(self, foreseen: Foreseen) -> None:
        """Keep what is known of a stage."""
        self._known[foreseen.stage.id] = _without_outputs(foreseen)
        if foreseen.outputs != {}:
            self._giving.append(foreseen)

    def of(self, stage: StageExecution) -> Foreseen:
        """Give what is known of a stage; of one that hasn't been looked at, that it runs."""
        return self._known.get(stage.id) or _without_outputs(Foreseen(stage))

    def before(self, stage: StageExecution) -> Iterator[Foreseen]:
        """Walk what comes before a stage, nearest first."""
        if self._walked[0] != stage.id:
            self._walked = (stage.id, [each for each in self.execution.ancestors(stage) if each is not stage])
        for ancestor in self._walked[1]:
            yield self.of(ancestor)

    def is_given(self, name: str) -> bool:
        """Say whether any stage so far gives, or may give, a value of this name: a quick look before a walk."""
        return any(each.may_bring(name) or name in (each.outputs or ()) for each in self._giving)

    def functions(self, stage: StageExecution) -> dict[str, Callable[..., Any]]:
        """Give the functions of expressions, with those that look at the run replaced."""
        execution = self.execution
        real = functions_for(execution, stage)

        def found(test: Callable[[StageExecution], bool], words: str) -> StageExecution:
            for candidate in execution.stages:
                if test(candidate):
                    return candidate
            raise ValueError(f"no stage {words} was found in this execution")

        def judgment(name: str) -> Any:
            judge = found(lambda each: each.type == "manualJudgment" and each.name == name, f"'{name}'")
            raise Unknown(f"the judgment of {Foreseen(judge).words}")

        def by_name(name: str) -> Any:
            return PlannedStage(self, found(lambda each: name in (each.name, each.id), f"'{name}'"))

        def by_ref(ref: str) -> Any:
            return PlannedStage(self, found(lambda each: each.ref_id == ref, f"with refId '{ref}'"))

        own: dict[str, Callable[..., Any]] = {
            "stage": by_name,
            "stageByRefId": by_ref,
            "currentStage": lambda: PlannedStage(self, stage),
            "judgment": judgment,
            "judgement": judgment,
        }
        own |= {name: _read_by_the_run(name) for name in _READS_ADDRESSES}
        own |= {name: self._searching(stage) for name in _SEARCH_OUTPUTS}
        return real | {name: _aware(function) for name, function in own.items() if name in real}

    def _searching(self, stage: StageExecution) -> Callable[..., Any]:
        def search(*_: Any) -> Any:
            raise self.unknown_outputs(stage)

        return search

    def unknown_outputs(self, stage: StageExecution) -> Unknown:
        """Make the error of an expression that searches what the stages before have made."""
        running = [each.words for each in self.before(stage) if each.outputs is None]
        return Unknown(f"the outputs of {', '.join(running)}" if running else "what the stages before it do")


def _aware(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take the execution as first argument too, as Orca's own rewriting of calls writes it."""

    def call(*arguments: Any) -> Any:
        given = arguments[1:] if arguments and isinstance(arguments[0], PlannedExecution) else arguments
        return function(*given)

    return call


def _without_outputs(foreseen: Foreseen) -> Foreseen:
    """Note that a stage which is skipped, or of such a type, gives nothing to later ones."""
    if foreseen.skipped or foreseen.stage.type in _WITHOUT_OUTPUTS:
        foreseen.outputs = {}
    return foreseen


def _read_by_the_run(name: str) -> Callable[..., Any]:
    def read(*arguments: Any) -> Any:
        raise Unknown(f"the answer of {arguments[0]} (#{name} is called when the stage runs)" if arguments else name)

    return read


class PlannedRoot:
    """The root of a stage's expressions before the run: as `StageRoot`, but what only the run tells is `Unknown`.

    `more` are values that stand before the context's, `unsettled` names that will, and on what they depend.
    """

    def __init__(self, foresight: Foresight, stage: StageExecution) -> None:
        self._foresight = foresight
        self._stage = stage
        self.more: JsonMap = {}
        self.unsettled: dict[str, str] = {}

    def spel_has(self, name: str) -> bool:
        """Every name can be asked for."""
        return True

    def spel_get(self, name: str) -> Any:
        """Give the execution, its trigger, its parameters, or a value of the stage or those before it."""
        execution = self._foresight.execution
        if name == "deployedServerGroups" and execution.is_pipeline:
            raise self._foresight.unknown_outputs(self._stage)
        if name == "scmInfo":
            self._named("buildInfo")
            return StageRoot(execution, self._stage).spel_get(name)
        if execution.is_pipeline:
            match name:
                case "execution":
                    return PlannedExecution(self._foresight)
                case "trigger":
                    return execution.trigger
                case "parameters" if execution.trigger.get("parameters"):
                    return execution.trigger["parameters"]
                case "templateVariables" if execution.template_variables:
                    # v3 sees them too: when the pipeline is submitted.
                    return execution.template_variables
                case _:
                    pass
        found = self._named(name)
        return {} if found is None and name == "parameters" else found

    def _named(self, name: str) -> Any:
        if name in self.more:
            return self.more[name]
        if name in self.unsettled:
            raise Unknown(self.unsettled[name])
        if name in self._stage.context:
            return self._stage.context[name]
        if not self._foresight.is_given(name):
            return None
        for before in self._foresight.before(self._stage):
            if before.may_bring(name):
                raise Unknown(f"the outputs of {before.words}")
            if before.outputs is not None and name in before.outputs:
                return before.outputs[name]
        return None


class PlannedExecution:
    """The execution as expressions see it before it runs."""

    def __init__(self, foresight: Foresight) -> None:
        self._foresight = foresight
        self._shown = shown_execution(foresight.execution)

    def spel_has(self, name: str) -> bool:
        """Say whether there is a property `name`."""
        return self._shown.spel_has(name)

    def spel_get(self, name: str) -> Any:
        """Give the property `name`."""
        if name in _OF_THE_RUN:
            raise Unknown(f"the execution's {name}")
        if name == "stages":
            return [PlannedStage(self._foresight, stage) for stage in self._foresight.execution.stages]
        return self._shown.spel_get(name)


class PlannedStage:
    """A stage as expressions see it before it runs."""

    def __init__(self, foresight: Foresight, stage: StageExecution) -> None:
        self._foresight = foresight
        self._stage = stage
        self._shown = shown_stage(foresight.execution, stage)

    def spel_has(self, name: str) -> bool:
        """Say whether there is a property `name`."""
        return self._shown.spel_has(name)

    def spel_get(self, name: str) -> Any:
        """Give the property `name`."""
        known = self._foresight.of(self._stage)
        match name:
            case "status" if known.skipped:
                return "SKIPPED"
            case "outputs":
                return known.outputs if known.outputs is not None else ToBeFilled({}, known, "outputs")
            case "context":
                settled = {key: value for key, value in self._stage.context.items() if key not in known.unsettled}
                return settled if known.skipped else ToBeFilled(settled, known, "context")
            case "parent" | "topLevelStage":
                execution = self._foresight.execution
                above = execution.parent(self._stage) if name == "parent" else execution.top_level(self._stage)
                return PlannedStage(self._foresight, above) if above else None
            case "execution":
                return PlannedExecution(self._foresight)
            case _ if name in _OF_A_RUN_STAGE and not known.skipped:
                raise Unknown(f"the {name} of {known.words}")
            case _:
                return self._shown.spel_get(name)


class ToBeFilled(Mapping[str, Any]):
    """A stage's context or outputs: what is known can be read; anything else may come with the run."""

    def __init__(self, known: JsonMap, stage: Foreseen, what: str) -> None:
        self._known = known
        self._on = f"the {what} of {stage.words}"

    def __getitem__(self, key: str) -> Any:
        if key in self._known:
            return self._known[key]
        raise Unknown(self._on)

    def get(self, key: str, default: Any = None) -> Any:
        """Give a value that is known."""
        return self[key]

    def __contains__(self, key: object) -> bool:
        if key in self._known:
            return True
        raise Unknown(self._on)

    def __iter__(self) -> Iterator[str]:
        raise Unknown(self._on)

    def __len__(self) -> int:
        raise Unknown(self._on)

    def __eq__(self, other: object) -> bool:
        raise Unknown(self._on)

    __hash__ = None  # pyright: ignore[reportAssignmentType]
