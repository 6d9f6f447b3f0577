"""`/admin`: what operators do."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.caller import CurrentUser

from orca.execution.model import ExecutionType
from orca.execution.service import ExecutionService


def admin_router(service: ExecutionService) -> APIRouter:
    """Make the routes of operators."""
    router = APIRouter(tags=["admin"])

    @router.put("/admin/forceCancelExecution")
    def force_cancel(
        user: CurrentUser,
        execution_id: Annotated[str, Query(alias="executionId")],
        execution_type: Annotated[ExecutionType, Query(alias="executionType")],
        canceled_by: Annotated[str | None, Query(alias="canceledBy")] = None,
    ) -> Response:
        """End an execution as CANCELED in the store, whatever its tasks do."""
        service.force_cancel(execution_type, execution_id, canceled_by or user.user)
        return Response(status_code=200)

    return router
