"""Which triggers match an event, and why the others don't. Pure."""

from dataclasses import dataclass

from kork.documents import Document, write_json
from kork.ids import ulid_for

from echo.artifacts.matching import unmet_expectation
from echo.events.event import Receipt
from echo.pipelines.store import Candidate
from echo.settings import EchoSettings
from echo.starts.body import Start, triggered_start
from echo.triggers.definition import Facts, TriggerType, is_enabled
from echo.triggers.quiet_period import is_suppressed


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A trigger that an event didn't start, and why."""

    candidate: Candidate
    reason: str

    def told(self) -> Document:
        """Give what a caller may know of it."""
        pipeline = self.candidate.pipeline
        return {
            "application": pipeline.get("application"),
            "pipeline": pipeline.get("name"),
            "pipelineId": pipeline.get("id"),
            "trigger": self.candidate.position,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from an event: the starts, and the triggers that were looked at without a start."""

    starts: list[Start]
    unmatched: list[Unmatched]


def outcome_of(receipt: Receipt, type: TriggerType, candidates: list[Candidate], settings: EchoSettings) -> Outcome:
    """Decide on every candidate. The ids of the executions belong to the event: deciding again gives the same."""
    outcome = Outcome([], [])
    seen: set[bytes] = set()
    for candidate in candidates:
        verdict = _judge(receipt, type, candidate, settings)
        if isinstance(verdict, str):
            outcome.unmatched.append(Unmatched(candidate, verdict))
            continue
        # Two triggers of a pipeline that are alike in every field are one.
        alike = candidate.pipeline_id.encode() + (b"" if type.once_per_pipeline else _content(candidate.trigger))
        if alike in seen:
            outcome.unmatched.append(Unmatched(candidate, "another trigger of the pipeline is the same"))
            continue
        seen.add(alike)
        place = "" if type.once_per_pipeline else f":{candidate.position}"
        outcome.starts.append(
            triggered_start(
                candidate.pipeline,
                candidate.trigger,
                verdict,
                execution_id=ulid_for(f"{receipt.id}:{candidate.pipeline_id}{place}", receipt.received_at),
                event_id=receipt.id,
                at=receipt.received_at,
            )
        )
    return outcome


def _judge(receipt: Receipt, type: TriggerType, candidate: Candidate, settings: EchoSettings) -> Facts | str:
    pipeline, trigger = candidate.pipeline, candidate.trigger
    if pipeline.get("disabled") is True:
        return "the pipeline is disabled"
    if not is_enabled(trigger):
        return "the trigger is disabled"
    if fault := type.fault(trigger):
        return fault
    if (key := type.key(trigger)) != (of_event := type.event_key(receipt)):
        return f"the trigger is for '{key}', the event is from '{of_event}'"
    if reason := type.mismatch(trigger, receipt, settings):
        return reason
    facts = type.facts(trigger, receipt, settings)
    if reason := unmet_expectation(pipeline, trigger, facts.artifacts):
        return reason
    if is_suppressed(pipeline, trigger, settings.quiet_period, receipt.received_at):
        return "it is the quiet period, which the pipeline respects"
    return facts


def _content(trigger: Document) -> bytes:
    return write_json({key: trigger[key] for key in sorted(trigger) if key != "id"})
