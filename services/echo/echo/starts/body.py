"""What orca is asked to start. Pure. Source: Spinnaker's Echo, how it starts pipelines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from kork.clock import EpochMillis
from kork.documents import Document, object_in, objects_in
from kork.identity import ANONYMOUS, Identity
from spel import render_tree

from echo.artifacts.matching import expected_ids
from echo.triggers.definition import Facts

_NOBODY = "[anonymous]"


@dataclass(frozen=True, slots=True)
class Start:
    """An execution to be started, with the id that it will have, as `run_as`."""

    execution_id: str
    event_id: str | None
    pipeline_id: str
    body: Document
    run_as: Identity
    created_at: EpochMillis

    @property
    def trigger(self) -> Document:
        """Give the trigger as orca is told it."""
        return object_in(self.body.get("trigger"))


def triggered_start(
    pipeline: Document, trigger: Document, facts: Facts, *, execution_id: str, event_id: str | None, at: EpochMillis
) -> Start:
    """Make the start that follows from a trigger: as its `runAsUser`, else as the user whom the facts name."""
    told_user = facts.fields.get("user")
    user = str(trigger.get("runAsUser") or "").strip() or (told_user if isinstance(told_user, str) else "")
    told = _without_secret(trigger) | facts.fields | {"user": user or _NOBODY}
    if event_id is not None:
        told["eventId"] = event_id
    body = _body(pipeline, told, facts.artifacts, execution_id)
    run_as = Identity(user=user or ANONYMOUS)
    return Start(execution_id, event_id, str(pipeline.get("id")), body, run_as, at)


def manual_start(
    pipeline: Document, trigger: Document, user: Identity, *, execution_id: str, event_id: str, at: EpochMillis
) -> Start:
    """Make the start that a person asked for: as that person. The trigger's notifications are added."""
    told: Document = {"type": "manual", "user": user.user} | trigger | {"eventId": event_id}
    told = {key: value for key, value in told.items() if key != "executionId"}
    artifacts = objects_in(told.get("artifacts"))
    if not told.get("expectedArtifactIds") and (ids := expected_ids(pipeline, artifacts)):
        told["expectedArtifactIds"] = ids
    notifications = objects_in(pipeline.get("notifications")) + objects_in(told.get("notifications"))
    body = _body(pipeline | {"notifications": notifications}, told, artifacts, execution_id)
    return Start(execution_id, event_id, str(pipeline.get("id")), body, user, at)


def with_parent(body: Document, parent: Document) -> Document:
    """Tell a start by a pipeline trigger of the execution that ended, and hand its artifacts on.

    Source: Spinnaker's Orca, dependent pipelines.
    """
    artifacts = produced_artifacts(parent)
    trigger = object_in(body.get("trigger"))
    given = trigger.get("expectedArtifactIds")
    named: list[str] = [str(id) for id in cast(list[Any], given)] if isinstance(given, list) else []
    ids = list(dict.fromkeys([*named, *expected_ids(body, artifacts)]))
    told = trigger | {"parentExecution": parent, "expectedArtifactIds": ids, "artifacts": artifacts}
    return body | {"trigger": told, "receivedArtifacts": artifacts}


def produced_artifacts(execution: Document) -> list[Document]:
    """Give the artifacts of an execution: those of its stages, the last first, then its trigger's; each once."""
    found: list[Document] = []
    for stage in reversed(objects_in(execution.get("stages"))):
        found += objects_in(object_in(stage.get("outputs")).get("artifacts"))
    found += objects_in(object_in(execution.get("trigger")).get("artifacts"))
    unique: list[Document] = []
    for artifact in found:
        if artifact not in unique:
            unique.append(artifact)
    return unique


def _body(pipeline: Document, trigger: Document, artifacts: Iterable[Document], execution_id: str) -> Document:
    body = pipeline | {
        "triggers": [_without_secret(each) for each in objects_in(pipeline.get("triggers"))],
        "trigger": trigger,
        "receivedArtifacts": list(artifacts),
        "executionId": execution_id,
    }
    if expected := body.get("expectedArtifacts"):
        # What can't be evaluated stays as it was written, and orca says what it misses.
        body["expectedArtifacts"], _ = render_tree(expected, body)
    return body


def _without_secret(trigger: Document) -> Document:
    return {key: value for key, value in trigger.items() if key != "secret"}
