"""`/applications`."""

from typing import Any

from fastapi import APIRouter, Request

from gate.applications.service import ApplicationService
from gate.passthrough import Param, Pass

HISTORY = (
    Pass(
        "GET",
        "/applications/{application}/history",
        "front50",
        "v2/applications/{application}/history",
        "What an application was, newest first",
        (Param("limit", "number", default=20),),
        not_found="Application not found (id: {application})",
    ),
)


def application_router(service: ApplicationService) -> APIRouter:
    """Make the routes of applications."""
    router = APIRouter(tags=["applications"])

    @router.get("/applications")
    async def list_applications(request: Request, account: str = "", owner: str = "") -> list[dict[str, Any]]:
        """List the applications as flat maps; of an account, or of an owner's email, when given."""
        return await service.find_all(request, account, owner)

    @router.get("/applications/{application}")
    async def get_application(request: Request, application: str, expand: bool = True) -> dict[str, Any]:
        """Give one application `{name, attributes, clusters}`. 404 when neither front50 nor clouddriver knows it."""
        return await service.get(request, application, expand=expand)

    return router
