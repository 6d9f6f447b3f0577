"""`/credentials`, as far as accounts are defined there."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse, run_sync
from kork.bodies import JsonObject
from kork.caller import CurrentUser

from clouddriver.credentials.service import DefinitionService

Validate = Annotated[bool, Query(description="say only what is wrong, and whether the cluster answers")]


def definitions_router(service: DefinitionService) -> APIRouter:
    """Make the routes of definitions. Definitions are shown without their secrets."""
    router = APIRouter(prefix="/credentials", tags=["credentials"])

    @router.get("/type/{type}")
    def list_definitions(
        type: str,
        user: CurrentUser,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
        starting_at: Annotated[str, Query(alias="startingAccountName")] = "",
    ) -> Response:
        """List the definitions of a type of accounts that are kept in the database, by name."""
        return JSONResponse(service.definitions(type, user, starting_at=starting_at, limit=limit))

    @router.post("")
    async def create(body: JsonObject, user: CurrentUser, validate: Validate = False) -> Response:
        """Add an account. 400 with all faults in `errors`."""
        return JSONResponse(await run_sync(service.validate if validate else service.create, body, user))

    @router.put("")
    async def save(body: JsonObject, user: CurrentUser, validate: Validate = False) -> Response:
        """Add or change an account. 400 with all faults in `errors`."""
        return JSONResponse(await run_sync(service.validate if validate else service.save, body, user))

    @router.put("/{name}")
    async def update(name: str, body: JsonObject, user: CurrentUser) -> Response:
        """Change an account. 404 when there is none of that name, 400 with all faults in `errors`."""
        return JSONResponse(await run_sync(service.update, name, body, user))

    @router.delete("/{name}")
    def delete(name: str, user: CurrentUser) -> Response:
        """Delete an account, and what is known of its cluster. 404 when there is none of that name."""
        service.delete(name, user)
        return Response(status_code=200)

    @router.get("/{name}/history")
    def history(name: str, user: CurrentUser) -> Response:
        """List the versions of an account's definition, the newest first; `account` is null for a deletion."""
        return JSONResponse(service.history(name, user))

    return router
