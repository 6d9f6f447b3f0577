"""`/pipelines` and `/strategies`."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.bodies import JsonObject, JsonObjects, answer
from kork.caller import CurrentUser
from kork.database import Database

from front50.pipelines.rules import Selection
from front50.pipelines.service import PipelineService
from front50.pipelines.store import PipelineKind

_COLLECTIONS = {"pipeline": "pipelines", "strategy": "strategies"}

StaleCheck = Annotated[bool, Query(alias="staleCheck")]
EnabledPipelines = Annotated[bool | None, Query(alias="enabledPipelines")]
EnabledTriggers = Annotated[bool | None, Query(alias="enabledTriggers")]
TriggerTypes = Annotated[str, Query(alias="triggerTypes", description="comma separated")]
UpdatedSince = Annotated[int | None, Query(alias="updatedSince", ge=0, le=2**63 - 1, description="saved since, in ms")]
NamePart = Annotated[str, Query(alias="pipelineNameFilter")]
PipelineLimit = Annotated[int | None, Query(alias="pipelineLimit", ge=1)]
HistoryLimit = Annotated[int, Query(ge=1, le=1000)]


def pipeline_router(database: Database, kind: PipelineKind) -> APIRouter:
    """Make the routes of pipelines, or the same ones of strategies.

    `refresh` is accepted and needs nothing: there is no cache, every read is fresh.
    """
    collection = _COLLECTIONS[kind]
    router = APIRouter(tags=[collection])
    service = PipelineService(database, kind)

    @router.get(f"/{collection}")
    def find_all(
        enabled_pipelines: EnabledPipelines = None,
        enabled_triggers: EnabledTriggers = None,
        trigger_types: TriggerTypes = "",
        updated_since: UpdatedSince = None,
    ) -> Response:
        """List all, or those with the wanted kind of triggers."""
        types = tuple(type.strip() for type in trigger_types.split(",") if type.strip())
        return answer(service.find_all(Selection(enabled_pipelines, enabled_triggers, types), updated_since))

    @router.get(f"/{collection}/triggeredBy/{{id}}/{{status}}")
    def triggered_by(id: str, status: str) -> Response:
        """List those that pipeline `id` starts when it ends `successful`, `failed` or `canceled`."""
        return answer(service.triggered_by(id, status))

    @router.get(f"/{collection}/{{id}}/history")
    def versions(id: str, limit: HistoryLimit = 20) -> Response:
        """List the versions, newest first."""
        return answer(service.history(id, limit))

    @router.get(f"/{collection}/{{id}}/get")
    def get(id: str) -> Response:
        """Give one; 404 when there is none."""
        return answer(service.get(id))

    @router.get(f"/{collection}/{{application}}/name/{{name:path}}/get")
    @router.get(f"/{collection}/{{application}}/name/{{name:path}}")
    def get_by_name(application: str, name: str) -> Response:
        """Give one by its name, whatever the case; 404 when there is none."""
        return answer(service.get_by_name(application, name))

    @router.get(f"/{collection}/{{application}}")
    def of_application(
        application: str,
        name_part: NamePart = "",
        limit: PipelineLimit = None,
        enabled_pipelines: EnabledPipelines = None,
    ) -> Response:
        """List those of an application in their order."""
        selection = Selection(enabled_pipelines, name_part=name_part, limit=limit)
        return answer(service.of_application(application, selection))

    @router.post(f"/{collection}/batchUpdate")
    def save_many(bodies: JsonObjects, user: CurrentUser, stale_check: StaleCheck = False) -> Response:
        """Save many; 200 also when some could not be saved, which the answer lists with the reason."""
        return answer(service.save_many(bodies, user.user, stale_check=stale_check))

    @router.post(f"/{collection}")
    def save(body: JsonObject, user: CurrentUser, stale_check: StaleCheck = False) -> Response:
        """Add one, or overwrite the one with the same id. Gives what was stored."""
        return answer(service.save(body, user.user, stale_check=stale_check))

    @router.put(f"/{collection}/{{id}}")
    def replace(id: str, body: JsonObject, user: CurrentUser, stale_check: StaleCheck = False) -> Response:
        """Overwrite one; 404 when there is none, 400 when the body has another id."""
        return answer(service.replace(id, body, user.user, stale_check=stale_check))

    @router.delete(f"/{collection}/{{id}}")
    def delete(id: str, user: CurrentUser) -> Response:
        """Delete one by its id; 404 when there is none."""
        service.delete(id, user.user)
        return Response(status_code=200)

    @router.delete(f"/{collection}/{{application}}/{{name:path}}")
    def delete_by_name(application: str, name: str, user: CurrentUser) -> Response:
        """Delete one by its name; 404 when there is none."""
        service.delete_by_name(application, name, user.user)
        return Response(status_code=200)

    @router.post(f"/actions/{collection}/reorder")
    @router.post(f"/{collection}/actions/{collection}/reorder", include_in_schema=False)
    def reorder(body: JsonObject, user: CurrentUser) -> Response:
        """Give those of an application new places."""
        service.reorder(body, user.user)
        return Response(status_code=200)

    return router
