"""`/v2/pipelineTemplates`, and `/pipelineTemplates`, whose templates are not supported."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.bodies import JsonObject, answer
from kork.caller import CurrentUser
from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest, NotFound

from front50.templates.rules import FIRST_KIND
from front50.templates.service import TemplateService

Scopes = Annotated[list[str] | None, Query(description="repeated, or with commas; all without any")]
Tag = Annotated[str | None, Query(description="latest, stable, unstable, experimental, test or canary")]
Digest = Annotated[str | None, Query(description="SHA-256, hexadecimal")]


def template_router(database: Database) -> APIRouter:
    """Make the routes of templates."""
    router = APIRouter(tags=["pipeline templates"])
    service = TemplateService(database)

    @router.get("/v2/pipelineTemplates")
    def find_all(scopes: Scopes = None) -> Response:
        """List all versions of the templates in these scopes."""
        return answer(service.find_all(_split(scopes)))

    @router.get("/v2/pipelineTemplates/versions")
    def versions(scopes: Scopes = None) -> Response:
        """List the versions of each template, by its id."""
        return answer(service.versions(_split(scopes)))

    @router.post("/v2/pipelineTemplates")
    def create(body: JsonObject, user: CurrentUser, tag: Tag = None) -> Response:
        """Add a version, which becomes the latest; 400 when there is one."""
        return answer(service.create(body, tag or None, user.user))

    @router.put("/v2/pipelineTemplates/{id}")
    def update(id: str, body: JsonObject, user: CurrentUser, tag: Tag = None) -> Response:
        """Overwrite a version, which becomes the latest."""
        return answer(service.update(id, body, tag or None, user.user))

    @router.get("/v2/pipelineTemplates/{id}")
    def get(id: str, tag: Tag = None, digest: Digest = None) -> Response:
        """Give a version; 404 when there is none."""
        return answer(service.get(id, tag or None, digest or None))

    @router.delete("/v2/pipelineTemplates/{id}")
    def delete(id: str, user: CurrentUser, tag: Tag = None, digest: Digest = None) -> Response:
        """Delete a version; 400 with the ids of the pipelines that use it, 404 when there is none."""
        service.delete(id, tag or None, digest or None, user.user)
        return Response(status_code=200)

    @router.get("/v2/pipelineTemplates/{id}/dependentPipelines")
    def dependents(id: str) -> Response:
        """List the pipelines that use a template."""
        return answer(service.dependents(id))

    @router.get("/pipelineTemplates")
    def none_of_the_first_kind() -> list[Document]:
        """List nothing: templates of the first kind are not supported."""
        return []

    @router.get("/pipelineTemplates/{id}")
    def no_such(id: str) -> Response:
        """Say that there is no such template: 404."""
        raise NotFound(f"Pipeline template not found (id: {id}). {FIRST_KIND}")

    @router.get("/pipelineTemplates/{id}/dependentPipelines")
    def no_dependents(id: str) -> list[Document]:
        """List nothing: no pipeline uses a template of the first kind."""
        return []

    @router.post("/pipelineTemplates")
    @router.put("/pipelineTemplates/{id}")
    def refuse() -> Response:
        """Refuse to save a template of the first kind: 400 with what to do instead."""
        raise BadRequest(FIRST_KIND)

    return router


def _split(scopes: list[str] | None) -> list[str]:
    return [scope.strip() for part in scopes or [] for scope in part.split(",") if scope.strip()]
