"""`/v2/pipelineTemplates/plan`, and the refusal of templates of the first kind."""

from fastapi import APIRouter, Response
from kork.app import WaitingThreads
from kork.bodies import JsonObject
from kork.caller import CurrentUser

from orca.answers import answer
from orca.launching.service import Launcher
from orca.templates.faults import first_kind


def template_router(launcher: Launcher, waiting: WaitingThreads) -> APIRouter:
    """Make the routes of templates."""
    router = APIRouter(tags=["templates"])

    @router.post("/v2/pipelineTemplates/plan")
    async def plan(pipeline: JsonObject, user: CurrentUser) -> Response:
        """Give the pipeline that a use of a template becomes; 400 with `errors` when it can't be used so."""
        return answer(await waiting.run(launcher.plan_template, pipeline, user))

    @router.get("/pipelineTemplate")
    def resolve() -> Response:
        """Refuse a template of the first kind: 400 with what to do instead."""
        raise first_kind()

    @router.post("/convertPipelineToTemplate")
    def convert() -> Response:
        """Refuse to make a template of the first kind: 400 with what to do instead."""
        raise first_kind()

    return router
