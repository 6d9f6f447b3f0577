"""`/manual`, and what became of starts."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse
from kork.bodies import OptionalJsonObject
from kork.caller import CurrentUser
from kork.database import Database
from kork.errors import NotFound

from echo.paths import PathText
from echo.starts.manual import ManualRequest, ManualStarts
from echo.starts.store import StartStore

State = Literal["waiting", "started", "refused"]
Limit = Annotated[int, Query(ge=1, le=1000)]


def start_router(database: Database, manual: ManualStarts) -> APIRouter:
    """Make the routes of starts."""
    router = APIRouter(tags=["starts"])

    @router.post("/manual/{application}/{name_or_id:path}", status_code=202)
    async def start_manually(
        application: PathText, name_or_id: PathText, trigger: OptionalJsonObject, user: CurrentUser
    ) -> Response:
        """Start a pipeline by hand, with the trigger in the body. 404 when it doesn't exist, 400 when disabled."""
        start = await manual.start(ManualRequest(application, name_or_id, trigger), user)
        body = {"eventId": start.event_id, "ref": f"/pipelines/{start.execution_id}"}
        return JSONResponse(body, status_code=202)

    @router.get("/starts")
    def list_starts(state: State | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """List starts, the newest first."""
        with database.connect() as connection:
            return StartStore(connection).latest(state, limit)

    @router.get("/starts/{execution_id}")
    def get_start(execution_id: PathText) -> dict[str, Any]:
        """Say what became of a start; 404 when echo doesn't know it (any more)."""
        with database.connect() as connection:
            found = StartStore(connection).find(execution_id)
        if found is None:
            raise NotFound(f"Echo knows of no start of execution {execution_id}.")
        return found

    return router
