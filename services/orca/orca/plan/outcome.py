"""A plan as a whole: may it start, what would go wrong, the document that is answered. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from kork.clock import EpochMillis

from orca.artifacts import Prospect
from orca.execution.concurrency import Decision, Queue, Turn
from orca.execution.model import Execution, JsonMap
from orca.launching.configuration import is_yes
from orca.plan.stages import PlannedStage
from orca.stages.operations import maps

_REFUSALS = ("refused",)


@dataclass(frozen=True, slots=True)
class Start:
    """Whether the execution would start, wait for others of its pipeline, or not begin at all."""

    outcome: str
    reasons: Sequence[str] = ()

    def to_json(self) -> JsonMap:
        """Give it as JSON."""
        return {"outcome": self.outcome, "reasons": list(self.reasons)}


def start_of(
    pipeline: JsonMap,
    execution: Execution,
    artifacts: Sequence[Prospect],
    turn: tuple[Queue, Decision] | None,
    now: EpochMillis,
) -> Start:
    """Say whether a pipeline would start now."""
    refusals = [each.message or "" for each in artifacts if each.source == "none"]
    if is_yes(pipeline.get("disabled")):
        refusals.insert(0, "The pipeline is disabled.")
    if execution.start_time_expiry is not None and now > execution.start_time_expiry:
        refusals.append("Its startTimeExpiry has passed; the execution would be cancelled.")
    refusals += missing_parameters(pipeline, execution.trigger)
    if not execution.stages:
        refusals.append("It has no stages.")
    if refusals:
        return Start("refused", refusals)
    if turn is None:
        return Start("starts")
    queue, decision = turn
    waits = f"{queue.running} of its executions run, {len(queue.older) + len(queue.newer)} wait"
    match decision.turn:
        case Turn.START:
            return Start("starts")
        case Turn.WAIT:
            kept = "" if execution.keep_waiting else "; it would be cancelled if a newer one came"
            return Start("waits", [f"{waits}{kept}"])
        case Turn.GIVE_UP:
            return Start("refused", [f"{decision.reason} ({waits})"])


def missing_parameters(pipeline: JsonMap, trigger: JsonMap) -> list[str]:
    """Name the required parameters that have no value."""
    given = cast(JsonMap, trigger.get("parameters") or {})
    required = [each for each in maps(pipeline.get("parameterConfig")) if each.get("required") is True]
    return [
        f"The required parameter '{each.get('name')}' has no value."
        for each in required
        if given.get(str(each.get("name"))) is None
    ]


def plan_document(
    execution: Execution, start: Start, artifacts: Sequence[Prospect], stages: Sequence[PlannedStage]
) -> JsonMap:
    """Give a plan as it is answered (docs/reference/plan.md)."""
    problems = [{"message": reason} for reason in start.reasons] if start.outcome == "refused" else []
    for stage in stages:
        problems += [{"stage": stage.stage.ref_id, "message": message} for message in problems_of(stage)]
    counts = {"runs": 0, "skips": 0, "fails": 0, "unknown": 0, "not reached": 0}
    for stage in stages:
        counts[stage.outcome] += 1
    named: JsonMap = {
        "application": execution.application,
        "name": execution.name,
        "pipelineConfigId": execution.pipeline_config_id,
    }
    return {key: value for key, value in named.items() if value is not None} | {
        "start": start.to_json(),
        "parameters": execution.trigger.get("parameters") or {},
        "artifacts": [_prospect(each) for each in artifacts],
        "stages": [stage.to_json() for stage in stages],
        "problems": problems,
        "summary": {key.replace("not reached", "notReached"): count for key, count in counts.items()},
    }


def problems_of(stage: PlannedStage) -> list[str]:
    """List what would go wrong in a stage that is reached."""
    if stage.outcome in ("skips", "not reached"):
        return []
    found = list(stage.faults)
    found += [f"{text.path}: {text.message}" for text in stage.failed_texts]
    deploy = stage.deploy or {}
    found += [str(error) for error in cast(list[Any], deploy.get("errors") or [])]
    found += [
        f"{each.get('name')}: {each.get('message')}"
        for each in maps(deploy.get("manifests"))
        if each.get("action") in _REFUSALS
    ]
    return found


def _prospect(prospect: Prospect) -> JsonMap:
    said: JsonMap = {
        "id": prospect.expected.id,
        "displayName": prospect.expected.display_name,
        "outcome": prospect.source,
        "matchArtifact": prospect.expected.match,
        "artifact": prospect.artifact,
        "message": prospect.message,
    }
    return {key: value for key, value in said.items() if value is not None}
