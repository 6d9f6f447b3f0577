"""`/orchestrate`, `/plan`, `/fail`, `/ops`."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from kork.app import WaitingThreads
from kork.bodies import JsonBody, JsonObject, OptionalJsonObject
from kork.caller import CurrentUser
from kork.documents import Document, as_list, as_object
from kork.errors import NotFound, UpstreamError
from kork.http import ServiceClient

from orca.answers import answer
from orca.launching.service import Launcher
from orca.launching.threads import LaunchThreads

Origin = Annotated[str, Header(alias="X-SPINNAKER-USER-ORIGIN")]


def launching_router(launcher: Launcher, front50: ServiceClient, waiting: WaitingThreads) -> APIRouter:
    """Make the routes that start executions."""
    router = APIRouter(tags=["launching"])
    threads = LaunchThreads(waiting)

    async def configuration_of(config_id: str, trigger: Document) -> Document:
        try:
            pipeline = await front50.get(f"/pipelines/{config_id}/get")
        except UpstreamError as error:
            if error.status == 404:
                raise NotFound(f"Pipeline configuration {config_id} could not be found") from error
            raise
        return as_object(pipeline, f"Pipeline {config_id}") | {"trigger": trigger}

    @router.post("/orchestrate")
    async def orchestrate(pipeline: JsonObject, user: CurrentUser, origin: Origin = "unknown") -> Response:
        """Start a pipeline; with `executionId` only once. `plan: true` gives what would be started."""
        if pipeline.get("plan") is True:
            return answer(await threads.run(pipeline, launcher.plan, pipeline, user, resolve_artifacts=False))
        execution = await threads.run(pipeline, launcher.start_pipeline, pipeline, user, origin)
        return answer({"ref": f"/pipelines/{execution.id}"})

    @router.post("/orchestrate/{pipeline_config_id}")
    async def orchestrate_by_id(
        pipeline_config_id: str, trigger: OptionalJsonObject, user: CurrentUser, origin: Origin = "unknown"
    ) -> Response:
        """Start a saved pipeline with a trigger; 404 when there is no such pipeline."""
        pipeline = await configuration_of(pipeline_config_id, trigger)
        execution = await threads.run(pipeline, launcher.start_pipeline, pipeline, user, origin)
        return answer({"ref": f"/pipelines/{execution.id}"})

    @router.post("/plan")
    async def plan(
        pipeline: JsonObject,
        user: CurrentUser,
        resolve_artifacts: Annotated[bool, Query(alias="resolveArtifacts")] = False,
    ) -> Response:
        """Give a pipeline as it would be started."""
        return answer(await threads.run(pipeline, launcher.plan, pipeline, user, resolve_artifacts=resolve_artifacts))

    @router.post("/plan/{pipeline_config_id}")
    async def plan_by_id(
        pipeline_config_id: str,
        trigger: OptionalJsonObject,
        user: CurrentUser,
        resolve_artifacts: Annotated[bool, Query(alias="resolveArtifacts")] = False,
    ) -> Response:
        """Give a saved pipeline as it would be started."""
        pipeline = await configuration_of(pipeline_config_id, trigger)
        return answer(await threads.run(pipeline, launcher.plan, pipeline, user, resolve_artifacts=resolve_artifacts))

    @router.post("/fail")
    def fail(pipeline: JsonObject, user: CurrentUser, origin: Origin = "unknown") -> Response:
        """Store an execution that failed before it could start."""
        launcher.fail_pipeline(pipeline, user, origin)
        return Response(status_code=200)

    @router.post("/ops")
    def ops(body: JsonBody, user: CurrentUser, origin: Origin = "unknown") -> Response:
        """Start jobs: a list of them, or `{application, description, job: […]}`."""
        request = {"job": as_list(body, "The body")} if isinstance(body, list) else as_object(body, "The body")
        execution = launcher.start_orchestration(request, user, origin)
        return answer({"ref": f"/tasks/{execution.id}"})

    return router
