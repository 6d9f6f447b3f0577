"""`/pipelines/failedStages`: the stages at which an execution failed, through its child pipelines.

Source: Orca's `TaskController` and `FailedStageExecution`; its words for "unknown" are kept.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response
from kork.errors import NotFound

from orca.answers import answer
from orca.execution.model import Execution, JsonMap, StageExecution
from orca.execution.service import ExecutionService
from orca.execution.status import Status
from orca.settings import OrcaSettings

_FAILED = frozenset({Status.TERMINAL, Status.STOPPED, Status.FAILED_CONTINUE})
_UNKNOWN = "NOT_FOUND_CHECK_UI"
_DEEPEST = 20


def failed_stages_router(service: ExecutionService, settings: OrcaSettings) -> APIRouter:
    """Make the route. It has to come before `/pipelines/{id}`."""
    router = APIRouter(tags=["pipelines"])
    strict = settings.tasks.controller.failed_stages.only_include_stages_that_fail_pipelines

    def read(id: str) -> Execution | None:
        try:
            return service.get("PIPELINE", id)
        except NotFound:
            return None

    @router.get("/pipelines/failedStages")
    def failed_stages(
        execution_id: Annotated[str, Query(alias="executionId")],
        deck_origin: Annotated[str, Query(alias="deckOrigin")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 1,
    ) -> Response:
        """List the failed stages, those of child pipelines in place of the stages that ran them."""
        found: list[JsonMap] = []
        for each in failures(execution_id, read, deck_origin, strict=strict):
            found.append(each)
            if len(found) == limit:
                break
        return answer(found)

    return router


def failures(
    id: str, read: Callable[[str], Execution | None], origin: str, *, strict: bool, depth: int = 0
) -> Iterator[JsonMap]:
    """Give the failed stages of an execution in order. An execution that is gone has none."""
    execution = read(id)
    if execution is None:
        return
    for index, stage in enumerate(execution.stages):
        if not counts(stage, strict=strict):
            continue
        told = described(execution, stage, index, origin)
        child = told["childPipelineExecutionId"]
        below = (
            list(failures(child, read, origin, strict=strict, depth=depth + 1)) if child and depth < _DEEPEST else []
        )
        for each in below:
            if each["pipelineExecutionId"] == child:
                each["parentPipelineExecutionUrl"] = told["pipelineExecutionUrl"]
        yield from below or [told]


def counts(stage: StageExecution, *, strict: bool) -> bool:
    """Say whether a stage counts as failed; strictly, only when it failed its pipeline."""
    if not strict:
        return stage.status in _FAILED
    fails_later = str(stage.context.get("completeOtherBranchesThenFail")).lower() == "true"
    return stage.status is Status.TERMINAL or (stage.status is Status.STOPPED and fails_later)


def described(execution: Execution, stage: StageExecution, index: int, origin: str) -> JsonMap:
    """Give a failed stage with its pipeline, the pipeline's parent, and the child that it ran."""
    above: Any = execution.trigger.get("parentExecution")
    parent = cast(JsonMap, above) if isinstance(above, dict) else {}
    runs_child = stage.type.lower() == "pipeline"
    context = stage.context if runs_child else {}
    return {
        "parentPipelineExecutionId": parent.get("id"),
        "parentPipelineExecutionName": parent.get("name"),
        "parentPipelineApplication": parent.get("application"),
        "parentPipelineExecutionUrl": None,
        "pipelineExecutionId": execution.id,
        "pipelineExecutionName": execution.name,
        "pipelineApplication": execution.application,
        "pipelineExecutionUrl": (
            f"{origin}/#/applications/{execution.application}/executions/details/{execution.id}"
            f"?stage={index}&step=0&details={'pipelineConfig' if runs_child else 'runJobConfig'}"
        ),
        "stageId": stage.id,
        "stageName": stage.name,
        "stageType": stage.type,
        "stageStatus": stage.status.value,
        "stageException": _exception_of(stage),
        "childPipelineExecutionId": context.get("executionId") or None,
        "childPipelineExecutionName": context.get("executionName") or None,
        "childPipelineApplication": context.get("application") or None,
        "childPipelineExecutionUrl": None,
    }


def _exception_of(stage: StageExecution) -> str:
    exception: Any = stage.context.get("exception")
    details: Any = cast(JsonMap, exception).get("details") if isinstance(exception, dict) else None
    if not isinstance(details, dict):
        return _UNKNOWN
    errors: Any = cast(JsonMap, details).get("errors")
    first: Any = cast(list[Any], errors)[0] if isinstance(errors, list) and errors else None
    return str(first or cast(JsonMap, details).get("error") or _UNKNOWN)
