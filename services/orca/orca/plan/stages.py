"""What each stage of a pipeline would do if the pipeline started now. Pure but for what functions ask."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from kork.clock import EpochMillis
from pydantic import ValidationError

from orca.execution.model import BEFORE, Execution, JsonMap, StageExecution
from orca.execution.planning import plan_before, plan_tasks
from orca.execution.rules import is_true
from orca.execution.windows import WrongWindow, next_time_inside, read_window
from orca.plan.foresight import Foreseen, Foresight
from orca.plan.texts import Evaluated, Text, Texts
from orca.stages.catalogue import StageCatalogue, UnknownStageType
from orca.stages.definition import Stage, TaskFailure

Outcome = Literal["runs", "skips", "fails", "unknown", "not reached"]
_ENGINE_KEYS = ("stageEnabled",)


@dataclass(slots=True)
class PlannedStage:
    """A stage's verdict. `faults` say why it fails, `reasons` everything else that is worth to know."""

    stage: StageExecution
    outcome: Outcome = "runs"
    faults: list[str] = field(default_factory=list[str])
    reasons: list[str] = field(default_factory=list[str])
    opens_at: EpochMillis | None = None
    tasks: list[str] = field(default_factory=list[str])
    before: list[StageExecution] = field(default_factory=list[StageExecution])
    evaluated: Evaluated = field(default_factory=lambda: Evaluated({}))
    enabled: Text | None = None
    preconditions: list[JsonMap] = field(default_factory=list[JsonMap])
    deploy: JsonMap | None = None

    @property
    def failed_texts(self) -> list[Text]:
        """Give the expressions that can't be evaluated."""
        return [text for text in self.evaluated.texts if text.outcome == "failed"]

    def to_json(self) -> JsonMap:
        """Give it as JSON; what there is nothing to say of is left out."""
        said: JsonMap = {
            "refId": self.stage.ref_id,
            "type": self.stage.type,
            "name": self.stage.name,
            "requisiteStageRefIds": list(self.stage.requisites),
            "outcome": self.outcome,
            "faults": self.faults,
            "reasons": self.reasons,
            "opensAt": self.opens_at,
            "stageEnabled": self.enabled.to_json() if self.enabled else None,
            "before": [{"refId": each.ref_id, "type": each.type, "name": each.name} for each in self.before],
            "tasks": self.tasks,
            "preconditions": self.preconditions,
            "expressions": [text.to_json() for text in self.evaluated.texts],
            "deploy": self.deploy,
        }
        optional = {"faults", "reasons", "opensAt", "stageEnabled", "before", "preconditions", "deploy"}
        return {key: value for key, value in said.items() if value or key not in optional}


class StagePlanner:
    """Judges the stages of an execution that is never stored. `ask` names faults that others know of."""

    def __init__(
        self,
        execution: Execution,
        catalogue: StageCatalogue,
        now: EpochMillis,
        zone: ZoneInfo,
        new_id: Callable[[], str],
        ask: Callable[[StageExecution], list[str]] = lambda _: [],
    ) -> None:
        self.execution = execution
        self.foresight = Foresight(execution)
        self._catalogue = catalogue
        self._now = now
        self._zone = zone
        self._new_id = new_id
        self._ask = ask
        self._ends: dict[str, PlannedStage] = {}

    def plan(self) -> list[PlannedStage]:
        """Judge the top-level stages, each after those that it waits for; gives them as the pipeline lists them."""
        planned: list[PlannedStage] = []
        for stage in self.execution.topological():
            verdict = PlannedStage(stage)
            self._judge(stage, verdict)
            goes_on = verdict.outcome == "fails" and is_true(stage.context.get("continuePipeline"))
            if verdict.outcome in ("fails", "not reached") and not goes_on:
                self._ends[stage.ref_id] = verdict
            planned.append(verdict)
        return sorted(planned, key=lambda each: each.stage.position)

    def _judge(self, stage: StageExecution, verdict: PlannedStage) -> None:
        texts = Texts(self.foresight, stage)
        stopped = [self._ends[ref] for ref in stage.requisites if ref in self._ends]
        if stopped:
            verdict.outcome = "not reached"
            verdict.reasons = [
                f"stage '{each.stage.name}' ({each.stage.ref_id}) does not let it start" for each in stopped
            ]
        self._decide_skip(stage, verdict, texts)
        if verdict.outcome == "skips":
            self.foresight.note(Foreseen(stage, skipped=True))
            return
        try:
            definition = self._catalogue.definition_of(self.execution, stage)
        except UnknownStageType as error:
            self._fail(
                verdict, str(error).split(" found (", 1)[0] + " found: this installation has no such stage type."
            )
            self.foresight.note(Foreseen(stage))
            return
        if stage.type == "evaluateVariables" and self.execution.spel_evaluator == "v4":
            verdict.evaluated = texts.variables(stage.context)
        else:
            verdict.evaluated = texts.context(stage.context, {*definition.raw_keys(stage.context), *_ENGINE_KEYS})
        written = stage.context
        stage.context = verdict.evaluated.context
        self._lay_out(stage, definition, verdict)
        if verdict.failed_texts and is_true(written.get("failOnFailedExpressions")):
            self._fail(verdict, "An expression can't be evaluated, and 'failOnFailedExpressions' is set.")
        if stage.type == "checkPreconditions":
            self._check_preconditions(stage, verdict)
        if verdict.outcome in ("runs", "unknown") and (known_elsewhere := self._ask(stage)):
            self._fail(verdict, *known_elsewhere)
        self.foresight.note(
            Foreseen(stage, unsettled=verdict.evaluated.unsettled, outputs=_outputs(stage, verdict.evaluated))
        )

    def _decide_skip(self, stage: StageExecution, verdict: PlannedStage, texts: Texts) -> None:
        expiry = stage.start_time_expiry
        if expiry is not None and self._now > expiry:
            self._skip(verdict, "its startTimeExpiry has passed")
            return
        condition: Any = stage.context.get("stageEnabled")
        if not isinstance(condition, dict) or not self.execution.is_pipeline:
            return
        given = cast(JsonMap, condition)
        expression = str(given.get("expression") or "").strip()
        if str(given.get("type", "")).lower() != "expression" or not expression:
            return
        verdict.enabled = texts.condition("stageEnabled.expression", expression)
        if verdict.enabled.outcome == "unknown":
            verdict.reasons.append(f"whether it runs depends on {verdict.enabled.depends_on}")
            if verdict.outcome == "runs":
                verdict.outcome = "unknown"
        elif str(verdict.enabled.value).strip().lower() != "true":
            why = verdict.enabled.message or f"it gives '{verdict.enabled.value}'"
            self._skip(verdict, f"its condition '{expression}' does not hold: {why}")

    def _skip(self, verdict: PlannedStage, reason: str) -> None:
        if verdict.outcome != "not reached":
            verdict.outcome = "skips"
        verdict.reasons.append(reason)

    def _fail(self, verdict: PlannedStage, *faults: str) -> None:
        if verdict.outcome != "not reached":
            verdict.outcome = "fails"
        verdict.faults += faults

    def _lay_out(self, stage: StageExecution, definition: Stage[Any], verdict: PlannedStage) -> None:
        """Find the tasks and the stages before it; what the context lacks for that is a fault, or not known yet."""
        self._open(stage, verdict)
        faults, unsettled = self._wrong_fields(definition, stage, verdict.evaluated)
        if faults:
            self._fail(verdict, *faults)
            return
        if unsettled:
            verdict.reasons.append("its tasks are known when it starts: they depend on fields that are not known yet")
            return
        try:
            verdict.before = plan_before(self.execution, stage, definition, self._new_id)
            verdict.tasks = [task.name for task in plan_tasks(definition.tasks(definition.view(self.execution, stage)))]
        except TaskFailure as error:
            if verdict.evaluated.unsettled:
                verdict.reasons.append(f"as far as it is known now: {error}")
            else:
                self._fail(verdict, *(error.errors or [error.error]))

    def _open(self, stage: StageExecution, verdict: PlannedStage) -> None:
        if not is_true(stage.context.get("restrictExecutionDuringTimeWindow")):
            return
        try:
            opens = next_time_inside(read_window(stage.context.get("restrictedExecutionWindow")), self._now, self._zone)
        except WrongWindow as error:
            self._fail(verdict, str(error))
            return
        if opens > self._now:
            verdict.opens_at = opens
            verdict.reasons.append("its execution window is closed now")

    def _wrong_fields(
        self, definition: Stage[Any], stage: StageExecution, evaluated: Evaluated
    ) -> tuple[list[str], bool]:
        """Name the fields that the stage's model refuses; say whether one that isn't known yet is among them."""
        view = definition.view(self.execution, stage)
        try:
            definition.model.model_validate(view.raw)
        except ValidationError as error:
            faults = error.errors()
            wrong = [fault for fault in faults if not evaluated.is_unsettled(fault["loc"])]
            told = [
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} (got {fault['input']!r:.200})" for fault in wrong
            ]
            return told, len(wrong) < len(faults)
        return [], False

    def _check_preconditions(self, stage: StageExecution, verdict: PlannedStage) -> None:
        for child in (each for each in verdict.before if each.synthetic_owner == BEFORE):
            context = cast(JsonMap, child.context.get("context") or {})
            kind = str(child.context.get("preconditionType"))
            told = self._precondition(kind, context, child)
            verdict.preconditions.append({"type": kind} | told)
            if told["outcome"] == "fails" and child.context.get("failPipeline", True) is not False:
                self._fail(verdict, f"Precondition ({kind}): {told['message']}")

    def _precondition(self, kind: str, context: JsonMap, child: StageExecution) -> JsonMap:
        if kind == "expression":
            expression = str(context.get("expression")).strip()
            text = Texts(self.foresight, child).condition("expression", expression)
            if text.outcome == "unknown":
                return {"outcome": "unknown", "message": f"'{expression}' depends on {text.depends_on}"}
            if text.outcome == "value" and str(text.value).strip().lower() == "true":
                return {"outcome": "holds", "message": f"'{expression}' is true"}
            why = text.pointed or text.message or f"it gives '{text.value}'"
            return {"outcome": "fails", "message": f"'{expression}' does not hold: {why}"}
        if kind == "stageStatus":
            name, wanted = context.get("stageName"), context.get("stageStatus")
            found = next((each for each in self.execution.stages if each.name == name), None)
            if found is None:
                return {"outcome": "fails", "message": f"there is no stage named '{name}'"}
            if self.foresight.of(found).skipped:
                holds = wanted == "SKIPPED"
                return {"outcome": "holds" if holds else "fails", "message": f"stage '{name}' will be SKIPPED"}
            return {"outcome": "unknown", "message": f"it depends on how stage '{name}' ends"}
        return {"outcome": "unknown", "message": "it is checked when the stage runs"}


def _outputs(stage: StageExecution, evaluated: Evaluated) -> JsonMap | None:
    """Give the outputs that are known already: those of variables that could be evaluated, all of them."""
    if stage.type != "evaluateVariables" or evaluated.is_unsettled(["variables"]):
        return None
    variables: Any = evaluated.context.get("variables")
    if not isinstance(variables, list):
        return None
    items = [cast(JsonMap, each) for each in cast(list[Any], variables) if isinstance(each, dict)]
    return {str(each["key"]): each.get("value") for each in items if "key" in each}
