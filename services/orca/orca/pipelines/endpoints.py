"""`/pipelines` and `/executions`."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response
from kork.app import WaitingThreads
from kork.bodies import JsonBody, JsonObject, OptionalJsonObject
from kork.caller import CurrentUser
from kork.errors import BadRequest

from orca.answers import answer
from orca.execution.model import Execution
from orca.execution.served import execution_document
from orca.execution.service import ExecutionService
from orca.pipelines.evaluation import Evaluations
from orca.pipelines.listing import PipelineLists, words
from orca.settings import OrcaSettings

Statuses = Annotated[str, Query(description="comma separated")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def pipeline_router(
    settings: OrcaSettings,
    service: ExecutionService,
    lists: PipelineLists,
    evaluations: Evaluations,
    waiting: WaitingThreads,
) -> APIRouter:
    """Make the routes of pipeline executions. Those on `waiting` threads may wait for other services."""
    router = APIRouter(tags=["pipelines"])
    accounts = settings.executions.include_allowed_accounts

    def shown(execution: Execution) -> Response:
        return answer(execution_document(execution, include_accounts=accounts))

    @router.get("/pipelines")
    def find(
        config_ids: Annotated[str | None, Query(alias="pipelineConfigIds")] = None,
        execution_ids: Annotated[str | None, Query(alias="executionIds")] = None,
        limit: Limit = 1,
        statuses: Statuses = "",
        expand: bool = True,
    ) -> Response:
        """List executions by their ids, or the latest of pipelines by the pipelines' ids."""
        if config_ids and execution_ids:
            raise BadRequest("Only pipelineConfigIds OR executionIds can be specified")
        if execution_ids:
            return answer(lists.of_ids(words(execution_ids), expand=expand))
        return answer(lists.of_pipelines(words(config_ids or ""), limit, words(statuses), expand=expand))

    @router.get("/pipelines/running", include_in_schema=False)
    @router.get("/pipelines/waiting", include_in_schema=False)
    def gone() -> Response:
        """Say that Spinnaker has retired this path."""
        return answer([], status=410)

    @router.get("/pipelines/{id}")
    def get(id: str) -> Response:
        """Give an execution; 404 when there is none."""
        return shown(service.get("PIPELINE", id))

    @router.get("/pipelines/{id}/explain")
    def explain(id: str) -> Response:
        """Say why an execution (of a pipeline or of jobs) is where it is, and what would move it."""
        return answer(service.explain(None, id))

    @router.delete("/pipelines/{id}")
    def delete(id: str) -> Response:
        """Delete an execution that has ended; 409 while it runs."""
        service.delete("PIPELINE", id)
        return Response(status_code=200)

    @router.put("/pipelines/{id}/cancel", status_code=202)
    def cancel(id: str, user: CurrentUser, reason: str | None = None, force: bool = False) -> Response:
        """Cancel an execution. `force` is accepted and changes nothing, as in Spinnaker."""
        service.cancel("PIPELINE", id, user.user, reason)
        return Response(status_code=202)

    @router.put("/pipelines/{id}/pause", status_code=202)
    def pause(id: str, user: CurrentUser) -> Response:
        """Pause a running execution."""
        service.pause(id, user.user)
        return Response(status_code=202)

    @router.put("/pipelines/{id}/resume", status_code=202)
    def resume(id: str, user: CurrentUser) -> Response:
        """Let a paused execution go on."""
        service.resume(id, user.user)
        return Response(status_code=202)

    @router.patch("/pipelines/{id}/stages/{stage_id}")
    def change_stage(id: str, stage_id: str, change: JsonObject, user: CurrentUser) -> Response:
        """Merge keys into a stage's context: a judgment, `skipRemainingWait`, `manualSkip`."""
        return shown(service.change_stage("PIPELINE", id, stage_id, change, user))

    @router.put("/pipelines/{id}/stages/{stage_id}/restart")
    async def restart(id: str, stage_id: str, config: OptionalJsonObject, user: CurrentUser) -> Response:
        """Run a stage, and what comes after it, again."""
        return shown(await waiting.run(service.restart_stage, id, stage_id, config, user.user))

    @router.get("/pipelines/{id}/evaluateExpression")
    async def evaluate(id: str, expression: str) -> Response:
        """Evaluate an expression as the execution's last stage would see it."""
        return answer(await waiting.run(evaluations.evaluate, id, None, expression))

    @router.get("/pipelines/{id}/{stage_id}/evaluateExpression")
    async def evaluate_at(id: str, stage_id: str, expression: str) -> Response:
        """Evaluate an expression as a stage would see it."""
        return answer(await waiting.run(evaluations.evaluate, id, stage_id, expression))

    @router.post("/pipelines/{id}/evaluateVariables")
    async def evaluate_variables(
        id: str,
        variables: JsonBody,
        requisites: Annotated[str, Query(alias="requisiteStageRefIds")] = "",
        spel_version: Annotated[str, Query(alias="spelVersion")] = "",
    ) -> Response:
        """Evaluate variables as a stage after `requisiteStageRefIds` would; there is one kind of evaluator."""
        return answer(await waiting.run(evaluations.variables, id, cast(Any, variables), words(requisites)))

    @router.get("/v2/applications/{application}/pipelines")
    @router.get("/applications/{application}/pipelines")
    def of_application(
        application: str,
        limit: Limit = 5,
        statuses: Statuses = "",
        expand: bool = True,
        name_part: Annotated[str, Query(alias="pipelineNameFilter")] = "",
        pipeline_limit: Annotated[int | None, Query(alias="pipelineLimit", ge=1)] = None,
    ) -> Response:
        """List the latest executions of each pipeline of an application."""
        return answer(
            lists.of_application(
                application, limit, words(statuses), name_part=name_part, pipeline_limit=pipeline_limit, expand=expand
            )
        )

    @router.get("/applications/{application}/pipelines/search")
    def search(
        application: str,
        trigger_types: Annotated[str, Query(alias="triggerTypes")] = "",
        pipeline_name: Annotated[str | None, Query(alias="pipelineName")] = None,
        event_id: Annotated[str | None, Query(alias="eventId")] = None,
        trigger: Annotated[str | None, Query(description="JSON in base 64; each of its values has to match")] = None,
        since: Annotated[int | None, Query(alias="triggerTimeStartBoundary")] = None,
        until: Annotated[int | None, Query(alias="triggerTimeEndBoundary")] = None,
        statuses: Statuses = "",
        start: Annotated[int, Query(alias="startIndex", ge=0)] = 0,
        size: Annotated[int, Query(ge=1, le=1000)] = 10,
        reverse: bool = False,
        expand: bool = False,
    ) -> Response:
        """Search the executions of an application (`*`: of all)."""
        wanted = lists.wanted(
            application,
            trigger_types=words(trigger_types),
            name=pipeline_name,
            event_id=event_id,
            since=since,
            until=until,
            statuses=words(statuses),
            reverse=reverse,
        )
        return answer(lists.search(wanted, trigger, start=start, size=size, expand=expand))

    @router.get("/executions/correlated/{correlation_id}")
    def correlated(correlation_id: str) -> Response:
        """List the ids of the executions with a correlation id."""
        return answer(service.correlated(correlation_id))

    return router
