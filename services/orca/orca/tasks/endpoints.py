"""`/tasks`: orchestrations."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.bodies import JsonBody, JsonObject
from kork.caller import CurrentUser
from kork.clock import now_ms
from kork.database import Database
from kork.documents import as_list

from orca.answers import answer
from orca.execution.listing import Executions, Search
from orca.execution.served import execution_document
from orca.execution.service import ExecutionService
from orca.pipelines.listing import check_statuses, words
from orca.settings import OrcaSettings
from orca.tasks.view import task_view

_DAY_MS = 24 * 3600 * 1000
_MOST = 3500


def task_router(database: Database, settings: OrcaSettings, service: ExecutionService) -> APIRouter:
    """Make the routes of orchestrations."""
    router = APIRouter(tags=["tasks"])

    def listed(wanted: Search, *, page: int, limit: int) -> Response:
        with database.connect() as connection:
            executions = Executions(connection)
            found = executions.search(wanted, offset=(page - 1) * limit, limit=limit)
            executions.load_stages(found, expand=True)
            return answer([task_view(each) for each in found])

    @router.get("/tasks")
    def all_tasks(limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST) -> Response:
        """List the latest orchestrations of all applications."""
        return listed(Search(kind="ORCHESTRATION"), page=1, limit=limit)

    @router.get("/applications/{application}/tasks")
    def of_application(
        application: str,
        page: Annotated[int, Query(ge=1)] = 1,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
        statuses: str = "",
    ) -> Response:
        """List the orchestrations of an application of the last days, newest first."""
        check_statuses(words(statuses))
        since = now_ms() - settings.tasks.controller.days_of_execution_history * _DAY_MS
        wanted = Search(application, "ORCHESTRATION", statuses=words(statuses), since=since)
        return listed(wanted, page=page, limit=limit)

    @router.put("/tasks/cancel", status_code=202)
    def cancel_all(body: JsonBody, user: CurrentUser) -> Response:
        """Cancel orchestrations by their ids; unknown ones are passed over."""
        service.cancel_all("ORCHESTRATION", [str(each) for each in as_list(body, "The body")], user.user)
        return Response(status_code=202)

    @router.get("/tasks/{id}")
    def get(id: str) -> Response:
        """Give an orchestration; 404 when there is none."""
        return answer(task_view(service.get("ORCHESTRATION", id)))

    @router.delete("/tasks/{id}")
    def delete(id: str) -> Response:
        """Delete an orchestration that has ended; 409 while it runs."""
        service.delete("ORCHESTRATION", id)
        return Response(status_code=200)

    @router.put("/tasks/{id}/cancel", status_code=202)
    def cancel(id: str, user: CurrentUser, reason: str | None = None) -> Response:
        """Cancel an orchestration."""
        service.cancel("ORCHESTRATION", id, user.user, reason)
        return Response(status_code=202)

    @router.patch("/tasks/{id}/stages/{stage_id}")
    def change_stage(id: str, stage_id: str, change: JsonObject, user: CurrentUser) -> Response:
        """Merge keys into a stage's context."""
        changed = service.change_stage("ORCHESTRATION", id, stage_id, change, user)
        return answer(execution_document(changed, include_accounts=settings.executions.include_allowed_accounts))

    return router
