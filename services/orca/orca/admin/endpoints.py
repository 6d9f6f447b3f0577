"""`/admin`: what operators do."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.caller import CurrentUser

from orca.execution.model import ExecutionType
from orca.execution.service import ExecutionService
from orca.execution.status import Status


def admin_router(service: ExecutionService) -> APIRouter:
    """Make the routes of operators."""
    router = APIRouter(tags=["admin"])

    @router.put("/admin/forceCancelExecution")
    def force_cancel(
        user: CurrentUser,
        execution_id: Annotated[str, Query(alias="executionId")],
        execution_type: Annotated[ExecutionType, Query(alias="executionType")],
        canceled_by: Annotated[str | None, Query(alias="canceledBy")] = None,
        reason: str | None = None,
    ) -> Response:
        """End an execution as CANCELED in the store, whatever its tasks do."""
        service.force_cancel(execution_type, execution_id, canceled_by or user.user, reason)
        return Response(status_code=200)

    @router.put("/admin/forceCompleteStage")
    def force_complete(
        user: CurrentUser,
        execution_id: Annotated[str, Query(alias="executionId")],
        stage_id: Annotated[str, Query(alias="stageId")],
        status: Status = Status.SUCCEEDED,
        completed_by: Annotated[str | None, Query(alias="completedBy")] = None,
    ) -> Response:
        """End a stage that is stuck with a status; what comes after it goes on. 400 when it doesn't run."""
        service.force_complete_stage(execution_id, stage_id, status, completed_by or user.user)
        return Response(status_code=200)

    return router
