"""`POST /admin/executions`: bringing executions in."""

from typing import Any

from fastapi import APIRouter
from kork.bodies import JsonObject
from kork.caller import CurrentUser
from kork.errors import BadRequest, NotFound
from kork.telemetry import log

from orca.retention.restore import ended_execution
from orca.retention.settings import ImportSettings
from orca.retention.store import History

_log = log("orca.retention")


def import_router(history: History, settings: ImportSettings) -> APIRouter:
    """Make the route by which ended executions come in."""
    router = APIRouter(tags=["admin"])

    @router.post("/admin/executions", status_code=201)
    def bring_in(body: JsonObject, user: CurrentUser) -> dict[str, Any]:
        """Store an ended execution as the API serves it (an archive's line). Nothing is told of it on the bus.

        404 unless `executions.import.enabled`; 400 for what is no ended execution, and for one that exists.
        """
        if not settings.enabled:
            raise NotFound("Nothing is imported here: set executions.import.enabled to true in orca's settings.")
        execution = ended_execution(body)
        if not history.restore(execution):
            raise BadRequest(f"Execution already exists with id: {execution.id}")
        _log.info("execution.imported", execution=execution.id, application=execution.application, user=user.user)
        return {"executionId": execution.id, "status": execution.status, "totalStages": len(execution.stages)}

    return router
