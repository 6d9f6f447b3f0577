"""`/v2/applications`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from kork.bodies import JsonObject, answer
from kork.caller import CurrentUser
from kork.database import Database

from front50.applications.service import ApplicationService
from front50.settings import ApplicationNameValidatorSettings

Limit = Annotated[int, Query(ge=1, le=1000)]
_NOT_ATTRIBUTES = frozenset({"restricted", "pageSize", "expand"})


def application_router(database: Database, names: ApplicationNameValidatorSettings) -> APIRouter:
    """Make the routes of applications."""
    router = APIRouter(prefix="/v2/applications", tags=["applications"])
    service = ApplicationService(database, names)

    @router.get("")
    def find_applications(
        request: Request, page_size: Annotated[int | None, Query(alias="pageSize", ge=1)] = None
    ) -> Response:
        """List applications; query parameters other than `restricted` and `pageSize` are searched for."""
        attributes = {key: value for key, value in request.query_params.items() if key not in _NOT_ATTRIBUTES}
        return answer(service.find_all(attributes)[:page_size])

    @router.post("")
    def create_application(body: JsonObject, user: CurrentUser) -> Response:
        """Add an application. 400 when the name is taken, or something is missing."""
        return answer(service.create(body, user.user))

    @router.get("/{name}")
    def get_application(name: str) -> Response:
        """Give one application; 404 when there is none."""
        return answer(service.get(name))

    @router.patch("/{name}")
    def patch_application(name: str, body: JsonObject, user: CurrentUser) -> Response:
        """Change the fields that the body has. 404 when there is no such application."""
        return answer(service.patch(name, body, user.user))

    @router.put("/{name}")
    def replace_application(name: str, body: JsonObject, user: CurrentUser) -> Response:
        """Replace an application. 404 when there is none."""
        return answer(service.replace(name, body, user.user))

    @router.delete("/{name}", status_code=204)
    def delete_application(name: str, user: CurrentUser) -> Response:
        """Delete an application with its pipelines, strategies and notifications; 204 also when absent."""
        service.delete(name, user.user)
        return Response(status_code=204)

    @router.get("/{name}/history")
    def application_history(name: str, limit: Limit = 20) -> Response:
        """List the versions of an application, newest first."""
        return answer(service.history(name, limit))

    return router
