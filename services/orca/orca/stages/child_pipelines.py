"""Pipelines that a stage starts: found in front50, planned when they use a template, started once, cancelled.

Source: Orca's `StartPipelineTask`, `DependentPipelineStarter`, `V2Util`.
"""

from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from kork.ids import ulid_for

from orca.artifacts import expected_ids_for, in_scope
from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.stages.definition import Services, StageView, TaskFailure
from orca.stages.operations import post_again
from orca.templates.faults import InvalidTemplate
from orca.templates.model import is_templated

TASKS = "com.netflix.spinnaker.orca.front50.tasks"
CONFIGURATION_EXCEPTION = "ConfigurationException"


def child_id(stage: StageView[Any], which: str = "") -> str:
    """Give the execution id of a child that this run of the stage starts; `which` tells several apart.

    It follows from the stage and its start: a repeated task starts no second child.
    """
    return ulid_for("-".join(part for part in ("pipeline-stage", stage.id, which) if part), stage.started_at)


def find_pipeline(services: Services, id: str, application: str, *, strategy: bool = False) -> JsonMap:
    """Read a saved pipeline, or strategy. Raises `TaskFailure` when there is none."""
    kind = "strategies" if strategy else "pipelines"
    try:
        found = services.front50.get(f"/{kind}/{quote(id, safe='')}/get")
    except UpstreamError as error:
        if error.status != 404:
            raise
        raise TaskFailure(
            f"The referenced {'custom strategy' if strategy else 'pipeline'} {id} (application: {application})"
            " cannot be located.",
            exception_type=CONFIGURATION_EXCEPTION,
        ) from error
    if not isinstance(found, dict):
        raise TaskFailure(f"front50 answered pipeline {id} with {found!r:.200}, not with a pipeline.")
    return cast(JsonMap, found)


def start_child(
    stage: StageView[Any],
    services: Services,
    config: JsonMap,
    *,
    id: str,
    parameters: JsonMap,
    trigger: JsonMap | None = None,
) -> str:
    """Start a pipeline as a child under an id of our own; gives the execution's id. Safe to repeat."""
    if config.get("disabled") is True:
        raise TaskFailure(
            f"Pipeline '{config.get('name')}' in application '{config.get('application')}' is disabled; "
            "enable it, or remove this stage.",
            exception_type=CONFIGURATION_EXCEPTION,
        )
    asked = _trigger(stage, config, parameters) | (trigger or {})
    planned = _planned(services, config, asked)
    received = in_scope(stage.execution, stage.stage)
    expected = expected_ids_for(planned, received, stage.execution.pipeline_config_id)
    body = planned | {
        "executionId": id,
        "rootId": stage.execution.root_id or stage.execution.id,
        "receivedArtifacts": received,
        "trigger": asked | {"expectedArtifactIds": expected},
    }
    answer = post_again(lambda: services.orca.post("/orchestrate", json=body))
    ref = str(cast(JsonMap, answer).get("ref") or "") if isinstance(answer, dict) else ""
    return ref.rsplit("/", 1)[-1] or id


def _trigger(stage: StageView[Any], config: JsonMap, parameters: JsonMap) -> JsonMap:
    execution = stage.execution
    correlation = (execution.id, stage.id, config.get("id"), execution.start_time, stage.started_at)
    return {
        "type": "pipeline",
        "user": stage.identity.user,
        "parentPipelineId": execution.id,
        "parentPipelineApplication": execution.application,
        "parentPipelineStageId": stage.id,
        "parameters": parameters,
        "strategy": parameters.get("strategy") is True,
        "dryRun": execution.trigger.get("dryRun") is True,
        "correlationId": "_".join(str(part) for part in correlation),
    }


def _planned(services: Services, config: JsonMap, trigger: JsonMap) -> JsonMap:
    """Plan a child that uses a template: only then it is known which artifacts it expects."""
    try:
        if not is_templated(config):
            return config
    except InvalidTemplate as error:
        told = [fault.suggestion for fault in error.faults if fault.suggestion]
        raise TaskFailure(error.message, *told, exception_type=CONFIGURATION_EXCEPTION) from error
    body = config | {"trigger": trigger}
    planned = post_again(lambda: services.orca.post("/v2/pipelineTemplates/plan", json=body))
    if not isinstance(planned, dict):
        raise TaskFailure(f"orca answered the plan of {config.get('name')} with {planned!r:.200}, not with a pipeline.")
    return cast(JsonMap, planned)


def cancel_children(stage: StageView[Any], services: Services, ids: Iterable[str]) -> None:
    """Cancel children that the stage has started, or may have started when an answer was lost."""
    reason = f"The parent pipeline '{stage.execution.name}' ended or was cancelled"
    for id in ids:
        try:
            services.orca.put(f"/pipelines/{quote(id, safe='')}/cancel", params={"reason": reason})
        except UpstreamError as error:
            if error.status != 404:
                raise


def has_started(stage: StageView[Any]) -> bool:
    """Say whether any task of the stage has begun."""
    return any(task.status is not Status.NOT_STARTED for task in stage.stage.tasks)
