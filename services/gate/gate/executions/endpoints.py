"""`/executions`, and what is done to an execution that takes more than one call."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse
from kork.errors import BadRequest, UpstreamError

from gate.backends import Backends, not_found_or, relayed, segment
from gate.pipelines.configs import Configs

Many = Annotated[list[str] | None, Query(description="comma separated")]


def execution_router(backends: Backends, configs: Configs) -> APIRouter:
    """Make the routes of executions that are not passed on as they are."""
    router = APIRouter(tags=["executions"])

    @router.get("/executions")
    async def find_executions(
        request: Request,
        pipelineConfigIds: Many = None,
        executionIds: Many = None,
        statuses: Many = None,
        limit: str = "",
        expand: bool = True,
    ) -> Response:
        """List executions by their ids, or by their pipelines' ids; `[]` without either, 400 with both."""
        configurations, executions = _joined(pipelineConfigIds), _joined(executionIds)
        if configurations and executions:
            raise BadRequest("Only pipelineConfigIds OR executionIds can be specified")
        if not configurations and not executions:
            return JSONResponse([])
        params: dict[str, Any] = {"expand": "true" if expand else "false"}
        params |= {"pipelineConfigIds": configurations} if configurations else {"executionIds": executions}
        params |= {name: value for name, value in (("limit", limit), ("statuses", _joined(statuses))) if value}
        return relayed(await backends.call(request, "orca", "GET", "/pipelines", params=params))

    @router.put("/pipelines/{id}/stages/{stageId}/restart")
    async def restart_stage(request: Request, id: str, stageId: str) -> Response:
        """Run an execution again from a stage on, with its pipeline as it is saved now."""
        try:
            execution = await backends.get(request, "orca", f"/pipelines/{segment(id)}")
            current = await configs.find_by_name(request, str(execution["application"]), str(execution.get("name")))
            path = f"/pipelines/{segment(id)}/stages/{segment(stageId)}/restart"
            return relayed(await backends.call(request, "orca", "PUT", path, json=current or {}))
        except UpstreamError as error:
            raise not_found_or(error, f"Pipeline or stage not found (id: {id}, stage: {stageId})") from error

    @router.post("/pipelines/{id}/evaluateExpression")
    async def evaluate(request: Request, id: str) -> Response:
        """Evaluate an expression, sent as text or as `{expression}`, against an execution."""
        params = {"expression": expression_in(await request.body())}
        try:
            path = f"/pipelines/{segment(id)}/evaluateExpression"
            return relayed(await backends.call(request, "orca", "GET", path, params=params))
        except UpstreamError as error:
            raise not_found_or(error, f"Pipeline not found (id: {id})") from error

    return router


def expression_in(content: bytes) -> str:
    """Take the expression out of a body: `{"expression": …}`, or the text itself."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The expression is not UTF-8 text.") from error
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("expression"), str):  # pyright: ignore[reportUnknownMemberType]
        text = str(value["expression"])  # pyright: ignore[reportUnknownArgumentType]
    if not text.strip():
        raise BadRequest('The body must have an expression: as text, or as {"expression": "…"}.')
    return text


def _joined(values: list[str] | None) -> str:
    return ",".join(value for value in values or [] if value)
