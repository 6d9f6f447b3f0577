"""How pipelines are saved, renamed, ordered and deleted: as jobs of orca's, so that each shows as a task."""

from typing import cast

import orjson
from fastapi import Request
from kork.documents import Document, json_type
from kork.errors import BadRequest, Unavailable
from kork.identity import Identity

from gate.bodies import Body
from gate.pipelines.configs import Configs
from gate.tasks.operations import Operations, encode, require_success, value_of


class Saver:
    """Changes saved pipelines. Each call returns when the change can be read."""

    def __init__(self, operations: Operations, configs: Configs) -> None:
        self._operations = operations
        self._configs = configs

    async def save(self, request: Request, body: Body[Document], user: Identity, *, stale_check: bool) -> None:
        """Save a pipeline byte for byte. Raises `BadRequest` with front50's reason when it can't be."""
        application, name = application_of(body.value), body.value.get("name")
        job = {"type": "savePipeline", "pipeline": encode(body.content), "staleCheck": stale_check}
        task = await self._operations.finish(request, application, f"Save pipeline '{name or 'Unknown'}'", job, user)
        require_success(task, "Pipeline save")

    async def save_many(
        self, request: Request, application: str, body: Body[list[Document]], user: Identity
    ) -> Document:
        """Save pipelines; gives which were and which were not."""
        job = {"type": "savePipeline", "pipelines": encode(body.content), "isBulkSavingPipelines": True}
        task = await self._operations.finish(request, application, "Bulk save pipelines", job, user)
        result = value_of(task, "bulksave")
        if isinstance(result, dict):
            return cast(Document, result)
        require_success(task, "Pipeline bulk save")
        raise Unavailable(f"orca saved the pipelines and did not say which (task {task.get('id')}).")

    async def replace(self, request: Request, id: str, body: Body[Document], user: Identity) -> Document:
        """Overwrite the pipeline `id`, its name included; gives what is saved now."""
        application, name = application_of(body.value), body.value.get("name")
        given = body.value.get("id")
        if given is not None and str(given).lower() != id.lower():
            raise BadRequest(f"The id in the body ({given}) is not the one in the path ({id}).")
        content = body.content if given is not None else orjson.dumps(body.value | {"id": id})
        job = {"type": "updatePipeline", "pipeline": encode(content)}
        task = await self._operations.finish(request, application, f"Update pipeline '{name or 'Unknown'}'", job, user)
        require_success(task, "Pipeline save")
        saved = await self._configs.of_application(request, application)
        found = next((config for config in saved if str(config.get("id")).lower() == id.lower()), None)
        if found is None:
            raise Unavailable(f"The pipeline {id} was saved and can't be read back.")
        return found

    async def rename(self, request: Request, application: str, old: str, new: str, user: Identity) -> None:
        """Give a pipeline another name. Raises `NotFound` when there is none with the old one."""
        config = await self._configs.get(request, application, old)
        renamed = config | {"name": new}
        await self.replace(request, str(config["id"]), Body(orjson.dumps(renamed), renamed), user)

    async def delete(self, request: Request, application: str, name: str, user: Identity) -> None:
        """Delete a pipeline by its name, whatever the case. Nothing to do when there is none."""
        config = await self._configs.find_by_name(request, application, name.strip())
        if config is None:
            return
        job = {"type": "deletePipeline", "pipeline": encode(orjson.dumps(config))}
        task = await self._operations.finish(request, application, f"Delete pipeline '{config['name']}'", job, user)
        require_success(task, "Pipeline delete")

    async def reorder(self, request: Request, body: Document, user: Identity, *, strategies: bool) -> Document:
        """Give pipelines (or strategies) of an application new places; gives the finished task."""
        application, places = application_of(body), body.get("idsToIndices")
        if not isinstance(places, dict):
            raise BadRequest(f"'idsToIndices' must be an object of ids and places, not {json_type(places)}.")
        job = {
            "type": "reorderPipelines",
            "idsToIndices": encode(orjson.dumps(places)),
            "isStrategy": strategies,
            "application": application,
        }
        task = await self._operations.finish(request, application, "Reorder pipelines", job, user)
        require_success(task, "Pipeline reorder")
        return task


def application_of(body: Document) -> str:
    """Give the application that a body names. Raises `BadRequest` when it is not text, or none."""
    application = body.get("application")
    if not isinstance(application, str) or not application.strip():
        raise BadRequest("The body must name the application in 'application'.")
    return application.strip()
