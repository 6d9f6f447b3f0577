"""`/pipelines/plan`."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from kork.app import WaitingThreads
from kork.bodies import JsonObject
from kork.caller import CurrentUser

from orca.answers import answer
from orca.plan.service import Planner

Origin = Annotated[str, Header(alias="X-SPINNAKER-USER-ORIGIN")]


def plan_router(planner: Planner, waiting: WaitingThreads) -> APIRouter:
    """Make the route of plans."""
    router = APIRouter(tags=["plan"])

    @router.post("/pipelines/plan")
    async def plan(pipeline: JsonObject, user: CurrentUser, origin: Origin = "unknown") -> Response:
        """Say what a pipeline, given with its trigger, would do if it started now. Nothing is changed or stored."""
        return answer(await waiting.run(planner.plan, pipeline, user, origin))

    return router
