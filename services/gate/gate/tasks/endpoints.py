"""`/tasks`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gate.backends import Backends, relayed
from gate.bodies import ObjectBody
from gate.passthrough import Param, Pass
from gate.tasks.operations import CONTEXT_JSON, Operations

_NO_TASK = "Task not found (id: {id})"

TASKS = (
    Pass(
        "GET",
        "/applications/{application}/tasks",
        "orca",
        "applications/{application}/tasks",
        "Tasks of an application",
        (Param("page", "number"), Param("limit", "number"), Param("statuses", "csv")),
    ),
    *(
        entry
        for prefix in ("", "/applications/{application}")
        for entry in (
            Pass("GET", f"{prefix}/tasks/{{id}}", "orca", "tasks/{id}", "One task", not_found=_NO_TASK),
            Pass(
                "PUT",
                f"{prefix}/tasks/{{id}}/cancel",
                "orca",
                "tasks/{id}/cancel",
                "Cancel a task",
                void=True,
                not_found=_NO_TASK,
            ),
            Pass(
                "GET",
                f"{prefix}/tasks/{{id}}/details/{{taskDetailsId}}",
                "clouddriver",
                "task/{taskDetailsId}",
                "What clouddriver does for a task",
                not_found="Task not found (id: {taskDetailsId})",
            ),
        )
    ),
    Pass("DELETE", "/tasks/{id}", "orca", "tasks/{id}", "Delete a task", void=True, not_found=_NO_TASK),
)


def task_router(backends: Backends, operations: Operations) -> APIRouter:
    """Make the routes of tasks that are not passed on as they are."""
    router = APIRouter(tags=["tasks"])

    @router.post("/tasks")
    async def create_task(request: Request, body: ObjectBody) -> Response:
        """Start a task `{application, description, job: [{type, …}]}`; gives `{ref: "/tasks/<id>"}`."""
        application = body.value.get("application")
        response = await backends.call(
            request,
            "orca",
            "POST",
            "/ops",
            content=body.content,
            headers={"Content-Type": CONTEXT_JSON, "X-SPINNAKER-EXECUTION-TYPE": "orchestration"},
            application=application if isinstance(application, str) else None,
        )
        return relayed(response, 200)

    @router.post("/applications/{application}/tasks")
    async def create_application_task(request: Request, application: str, body: ObjectBody) -> dict[str, Any]:
        """Start a task of the application in the path."""
        return await operations.start(request, body.value | {"application": application})

    @router.put("/tasks/cancel")
    async def cancel_tasks(request: Request, ids: Annotated[list[str], Query()]) -> Response:
        """Cancel tasks."""
        wanted = [id for part in ids for id in part.split(",") if id]
        await backends.call(request, "orca", "PUT", "/tasks/cancel", json=wanted)
        return Response(status_code=200)

    return router
