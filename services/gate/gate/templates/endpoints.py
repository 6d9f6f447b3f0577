"""`/v2/pipelineTemplates`: what changes templates, and who uses one; templates of the first kind are refused.

Source: Gate's `V2PipelineTemplatesController`.
"""

from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse
from kork.caller import CurrentUser
from kork.documents import Document, object_in
from kork.errors import BadRequest, NotFound, UpstreamError

from gate.backends import Backends, segment
from gate.bodies import ObjectBody
from gate.tasks.operations import Operations, encode, require_success

_DEFAULT_APPLICATION = "spinnaker"
_GLOBAL = "global"
_SCHEMA = "v2"
_FIRST_KIND = (
    "Pipeline templates of schema '1' are not supported. Write it as a v2 template (schema 'v2', SpEL instead of "
    "Jinja) and save it with POST /v2/pipelineTemplates/create (`gennaker pipeline-template save`)."
)

Tag = Annotated[str, Query(description="latest, stable, unstable, experimental, test or canary")]


def template_router(backends: Backends, operations: Operations) -> APIRouter:
    """Make the routes of templates that are not passed on as they are."""
    router = APIRouter(tags=["templates"])

    async def run(request: Request, application: str, description: str, job: Document, user: Any) -> Document:
        task = await operations.finish(request, application, description, job, user)
        require_success(task, description.partition(" '")[0])
        return task

    @router.post("/v2/pipelineTemplates/create")
    async def create(request: Request, body: ObjectBody, user: CurrentUser, tag: Tag = "") -> Document:
        """Save a new template, which becomes the latest; gives the finished task. 400 with the reasons else."""
        template, content = checked(body.value, body.content)
        job = {"type": "createV2PipelineTemplate", "pipelineTemplate": encode(content)} | ({"tag": tag} if tag else {})
        return await run(
            request, application_of(template), f"Create pipeline template '{name_of(template)}'", job, user
        )

    @router.post("/v2/pipelineTemplates/update/{id}")
    async def update(
        request: Request,
        id: str,
        body: ObjectBody,
        user: CurrentUser,
        tag: Tag = "",
        skip_plan_dependents: Annotated[bool, Query(alias="skipPlanDependents")] = False,
    ) -> Document:
        """Save a template that is there, or another version of it; gives the finished task."""
        template, content = checked(body.value, body.content)
        job: Document = {
            "type": "updateV2PipelineTemplate",
            "id": id,
            "pipelineTemplate": encode(content),
            "skipPlanDependents": skip_plan_dependents,
        }
        job |= {"tag": tag} if tag else {}
        return await run(
            request, application_of(template), f"Update pipeline template '{name_of(template)}'", job, user
        )

    @router.delete("/v2/pipelineTemplates/{id}", status_code=202)
    async def delete(
        request: Request, id: str, user: CurrentUser, tag: Tag = "", digest: str = "", application: str = ""
    ) -> Response:
        """Delete a version of a template that no pipeline uses; gives the finished task. 202, as `spin` demands."""
        job = {"type": "deleteV2PipelineTemplate", "pipelineTemplateId": id, "tag": tag, "digest": digest}
        about = application or _DEFAULT_APPLICATION
        task = await run(request, about, f"Delete pipeline template '{id}'", job, user)
        return JSONResponse(task, status_code=202)

    @router.get("/v2/pipelineTemplates/{id}/dependents")
    async def dependents(request: Request, id: str) -> list[Document]:
        """List the pipelines that use a template."""
        path = f"/v2/pipelineTemplates/{segment(id)}/dependentPipelines"
        found = cast(list[Document], await backends.get(request, "front50", path))
        return [
            {
                "pipelineConfigId": each.get("id"),
                "pipelineName": each.get("name"),
                "application": each.get("application"),
            }
            for each in found
        ]

    @router.post("/pipelineTemplates")
    @router.post("/pipelineTemplates/{id}")
    async def refuse() -> Response:
        """Refuse to save a template of the first kind: 400 with what to do instead."""
        raise BadRequest(_FIRST_KIND)

    @router.delete("/pipelineTemplates/{id}")
    async def nothing_to_delete(id: str) -> Response:
        """Say that there is no template of the first kind: 404."""
        raise NotFound(f"Pipeline template not found (id: {id}). {_FIRST_KIND}")

    @router.get("/pipelineConfigs/{pipelineConfigId}/convertToTemplate")
    async def convert(request: Request, pipelineConfigId: str) -> Response:
        """Refuse to make a template of the first kind: 400 with what to do instead, 404 without such a pipeline."""
        try:
            await backends.call(request, "front50", "GET", f"/pipelines/{segment(pipelineConfigId)}/get")
        except UpstreamError as error:
            if error.status != 404:
                raise
            raise NotFound(f"Pipeline config not found (id: {pipelineConfigId})") from error
        raise BadRequest(_FIRST_KIND)

    return router


def checked(template: Document, content: bytes) -> tuple[Document, bytes]:
    """Give a template with its schema, and its bytes. Raises `BadRequest` for another schema than v2."""
    schema = template.get("schema")
    if schema is None:
        template = template | {"schema": _SCHEMA}
        return template, orjson.dumps(template)
    if schema == _SCHEMA:
        return template, content
    told = f" {_FIRST_KIND}" if schema == "1" else f" It has to be '{_SCHEMA}'."
    raise BadRequest(f"Pipeline template schema version is invalid.{told}")


def name_of(template: Document) -> str:
    """Give the name of a template, or its id."""
    return str(object_in(template.get("metadata")).get("name") or template.get("id") or "Unknown")


def application_of(template: Document) -> str:
    """Say to which application's tasks a change of a template belongs: the only scope, unless that is global."""
    scopes: Any = object_in(template.get("metadata")).get("scopes")
    if isinstance(scopes, list) and len(cast(list[Any], scopes)) == 1:
        [scope] = cast(list[Any], scopes)
        if isinstance(scope, str) and scope and scope != _GLOBAL:
            return scope
    return _DEFAULT_APPLICATION
