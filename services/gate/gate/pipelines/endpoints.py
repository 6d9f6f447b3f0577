"""`/pipelines` (saved ones and starts), `/pipelineConfigs`, `/strategies`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse
from kork.caller import CurrentUser
from kork.documents import Document

from gate.backends import Backends, relayed
from gate.bodies import ObjectBody, ObjectsBody, OptionalObjectBody
from gate.passthrough import Param, Pass
from gate.pipelines.configs import Configs
from gate.pipelines.saving import Saver, application_of
from gate.pipelines.starting import Starter
from gate.settings import PatienceSettings
from gate.tasks.operations import Operations

_LIMIT = (Param("limit", "number", default=20),)
_SELECTION = (Param("pipelineNameFilter"), Param("pipelineLimit", "number"))

CONFIGS = (
    Pass(
        "GET",
        "/applications/{application}/pipelineConfigs",
        "front50",
        "pipelines/{application}",
        "The pipelines of an application",
        _SELECTION,
        fixed={"refresh": "true"},
    ),
    Pass(
        "GET",
        "/applications/{application}/strategyConfigs",
        "front50",
        "strategies/{application}",
        "The strategies of an application",
        fixed={"refresh": "true"},
    ),
    Pass(
        "GET",
        "/applications/{application}/strategyConfigs/{strategyName:pipeline_name}",
        "front50",
        "strategies/{application}/name/{strategyName}",
        "One strategy",
        not_found="Strategy config not found (id: {strategyName})",
    ),
    Pass("GET", "/pipelineConfigs", "front50", "pipelines", "The pipelines of all applications"),
    Pass(
        "GET",
        "/pipelineConfigs/{pipelineConfigId}/history",
        "front50",
        "pipelines/{pipelineConfigId}/history",
        "What a pipeline was, newest first",
        _LIMIT,
    ),
    Pass("GET", "/strategyConfigs", "front50", "strategies", "The strategies of all applications"),
    Pass(
        "GET",
        "/strategyConfigs/{strategyConfigId}/history",
        "front50",
        "strategies/{strategyConfigId}/history",
        "What a strategy was, newest first",
        _LIMIT,
    ),
    Pass("POST", "/strategies", "front50", "strategies", "Save a strategy", body="object", void=True),
    Pass("PUT", "/strategies/{id}", "front50", "strategies/{id}", "Overwrite a strategy", body="object"),
    Pass(
        "DELETE",
        "/strategies/{application}/{strategyName:pipeline_name}",
        "front50",
        "strategies/{application}/{strategyName}",
        "Delete a strategy",
        void=True,
    ),
)


def pipeline_router(
    backends: Backends, configs: Configs, operations: Operations, patience: PatienceSettings
) -> APIRouter:
    """Make the routes of saved pipelines and of starts."""
    router = APIRouter(tags=["pipelines"])
    saver = Saver(operations, configs)
    starter = Starter(backends, configs, patience.merge_timeout_seconds)

    @router.get("/applications/{application}/pipelineConfigs/{pipelineNameOrId:pipeline_name}")
    async def get_config(request: Request, application: str, pipelineNameOrId: str) -> Document:
        """Give a saved pipeline by its name, else by its id. 404 when there is none."""
        return await configs.get(request, application, pipelineNameOrId)

    @router.post("/pipelines")
    async def save(
        request: Request,
        body: ObjectBody,
        user: CurrentUser,
        stale_check: Annotated[bool, Query(alias="staleCheck")] = False,
    ) -> Response:
        """Save a pipeline, as it is given. 400 with the reason when it can't be; empty when it is saved."""
        await saver.save(request, body, user, stale_check=stale_check)
        return Response(status_code=200)

    @router.post("/pipelines/bulksave")
    async def save_many(
        request: Request, body: ObjectsBody, user: CurrentUser, application: str = "bulk_save_placeholder_app"
    ) -> Document:
        """Save many pipelines; says which were saved and which were not, and why."""
        return await saver.save_many(request, application, body, user)

    @router.post("/pipelines/move")
    async def move(request: Request, body: ObjectBody, user: CurrentUser) -> Response:
        """Rename a pipeline: `{application, from, to}`."""
        old, new = (str(body.value.get(key) or "") for key in ("from", "to"))
        await saver.rename(request, application_of(body.value), old, new, user)
        return Response(status_code=200)

    @router.post("/pipelines/start")
    async def start_given(request: Request, body: ObjectBody, user: CurrentUser) -> Response:
        """Start a pipeline that need not be saved: the body is all of it. With `plan` it is only planned."""
        response = await backends.call(
            request,
            "orca",
            "POST",
            "/orchestrate",
            content=body.content,
            params={"user": user.user},
            headers={"Content-Type": "application/json"},
        )
        return relayed(response)

    @router.post("/pipelines/plan")
    async def plan_given(request: Request, body: ObjectBody) -> Response:
        """Say what a pipeline that need not be saved would do: the body is all of it, with its `trigger`."""
        response = await backends.call(
            request,
            "orca",
            "POST",
            "/pipelines/plan",
            content=body.content,
            headers={"Content-Type": "application/json"},
        )
        return relayed(response)

    @router.put("/pipelines/{id}")
    async def replace(request: Request, id: str, body: ObjectBody, user: CurrentUser) -> Document:
        """Overwrite a saved pipeline, its name included; gives what is saved now."""
        return await saver.replace(request, id, body, user)

    @router.delete("/pipelines/{application}/{pipelineName:pipeline_name}")
    async def delete(request: Request, application: str, pipelineName: str, user: CurrentUser) -> Response:
        """Delete a saved pipeline; nothing to do when there is none."""
        await saver.delete(request, application, pipelineName, user)
        return Response(status_code=200)

    @router.post("/pipelines/v2/{application}/{pipelineNameOrId:pipeline_name}", status_code=202)
    async def start_with_event(
        request: Request, application: str, pipelineNameOrId: str, body: OptionalObjectBody, user: CurrentUser
    ) -> Response:
        """Start a pipeline by its name or id; gives `{eventId, ref: "/pipelines/<id>"}`."""
        started = await starter.start(request, application, pipelineNameOrId, body.value, user)
        return JSONResponse(started, status_code=202)

    @router.post("/applications/{application}/pipelineConfigs/{pipelineNameOrId:pipeline_name}", status_code=202)
    @router.post("/pipelines/{application}/{pipelineNameOrId:pipeline_name}", status_code=202)
    async def start(
        request: Request, application: str, pipelineNameOrId: str, body: OptionalObjectBody, user: CurrentUser
    ) -> Response:
        """Start a pipeline by its name or id; gives `{ref: "/pipelines/<id>"}`, which can be read then."""
        started = await starter.start_visibly(request, application, pipelineNameOrId, body.value, user)
        return JSONResponse({"ref": started["ref"]}, status_code=202)

    @router.post("/pipelines/{application}/{pipelineNameOrId:pipeline_name}/plan")
    async def plan(
        request: Request, application: str, pipelineNameOrId: str, body: OptionalObjectBody, user: CurrentUser
    ) -> Response:
        """Say what a start of this pipeline would do: the body is the trigger. Nothing is started or changed."""
        return await starter.plan(request, application, pipelineNameOrId, body.value, user)

    @router.post("/actions/pipelines/reorder")
    async def reorder(request: Request, body: ObjectBody, user: CurrentUser) -> Document:
        """Give the pipelines of an application new places: `{application, idsToIndices}`."""
        return await saver.reorder(request, body.value, user, strategies=False)

    @router.post("/actions/strategies/reorder")
    async def reorder_strategies(request: Request, body: ObjectBody, user: CurrentUser) -> Document:
        """Give the strategies of an application new places: `{application, idsToIndices}`."""
        return await saver.reorder(request, body.value, user, strategies=True)

    return router
