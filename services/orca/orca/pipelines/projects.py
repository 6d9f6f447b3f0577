"""`/projects/{id}/pipelines`: the latest executions of the pipelines that a project shows."""

from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from kork.app import run_sync
from kork.documents import object_in, objects_in
from kork.errors import NotFound, UpstreamError
from kork.http import ServiceClient

from orca.answers import answer
from orca.pipelines.listing import PipelineLists, words


def project_router(lists: PipelineLists, front50: ServiceClient) -> APIRouter:
    """Make the route of projects."""
    router = APIRouter(tags=["pipelines"])

    @router.get("/projects/{id}/pipelines")
    async def of_project(
        id: str,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 5,
        statuses: Annotated[str, Query(description="comma separated")] = "",
    ) -> Response:
        """List the latest executions of each pipeline of a project; 404 when front50 knows no such project."""
        configs = await _pipelines_of(front50, id)
        found = await run_sync(lists.of_pipelines, configs, limit, words(statuses), expand=True)
        return answer(found)

    return router


async def _pipelines_of(front50: ServiceClient, id: str) -> list[str]:
    try:
        project: Any = await front50.get(f"/v2/projects/{quote(id, safe='')}")
    except UpstreamError as error:
        if error.status != 404:
            raise
        missing = error.upstream_message.startswith("No handler found")
        why = "front50 does not keep projects yet" if missing else error.upstream_message
        raise NotFound(f"Project {id} could not be found: {why}") from error
    listed = objects_in(object_in(cast(Any, object_in(project).get("config"))).get("pipelineConfigs"))
    return [str(each["pipelineConfigId"]) for each in listed if each.get("pipelineConfigId")]
