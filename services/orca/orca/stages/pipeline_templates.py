"""Jobs on pipeline templates: `createV2PipelineTemplate` and its like; those of the first kind are refused.

Source: Orca's `CreateV2PipelineTemplateTask`, `UpdateV2PipelineTemplateTask`, `DeleteV2PipelineTemplateTask`,
`SaveV2PipelineTemplateTask`.
"""

import re
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from pydantic import Field

from orca.execution.model import JsonMap
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    stage,
    succeeded,
)
from orca.stages.front50_tasks import BACKOFF_MS, TIMEOUT_MS, document
from orca.templates.faults import FIRST_KIND, INSTEAD
from orca.templates.model import SCHEMA

_TASKS = "com.netflix.spinnaker.orca.pipelinetemplate.tasks.v2"
_NAME = re.compile(r"[a-zA-Z0-9_&\s-]+")
_VARIABLE = re.compile(r"[a-zA-Z0-9_]+")


class SaveTemplateContext(StageContext):
    """`pipelineTemplate` is the template as base64 of JSON; `tag` says under which one it is saved."""

    pipeline_template: str | dict[str, Any]
    tag: str | None = None


class UpdateTemplateContext(SaveTemplateContext):
    """`id` is the template that is there already."""

    id: str = Field(min_length=1)


def check_template(template: JsonMap) -> None:
    """Refuse a template that Spinnaker wouldn't save. Raises `TaskFailure` with all that is wrong with it."""
    if template.get("schema") == "1":
        raise TaskFailure(FIRST_KIND, INSTEAD, exception_type="ConfigurationException")
    faults: list[str] = []
    id = template.get("id")
    if not isinstance(id, str) or not id:
        faults.append("id: must be text that is not empty.")
    elif "." in id:
        faults.append("id: Pipeline Template IDs cannot have dots")
    given: Any = template.get("metadata")
    metadata = cast(JsonMap, given) if isinstance(given, dict) else {}
    needed = {f"metadata.{key}": metadata.get(key) for key in ("name", "description", "scopes")}
    missing = [key for key, value in (needed | {"schema": template.get("schema")}).items() if not value]
    if missing:
        faults.append(f"Missing required fields: {','.join(missing)}")
    if template.get("schema") and template["schema"] != SCHEMA:
        faults.append(f"Invalid schema version: {template['schema']}")
    name = metadata.get("name")
    if name and not (isinstance(name, str) and _NAME.fullmatch(name)):
        faults.append(f"Illegal template name: {name}. Name must match the regex: {_NAME.pattern}")
    variables: Any = template.get("variables")
    names = [cast(JsonMap, each).get("name") for each in cast(list[Any], variables or []) if isinstance(each, dict)]
    illegal = [str(each) for each in names if each is not None and not _VARIABLE.fullmatch(str(each))]
    if illegal:
        faults.append(
            f"Illegal variable names: {', '.join(illegal)}. Variable names must match the regex: {_VARIABLE.pattern}"
        )
    if faults:
        raise TaskFailure(*faults, error="The pipeline template is not right", exception_type="ConfigurationException")


def _checked(context: SaveTemplateContext) -> JsonMap:
    template = document(context.pipeline_template, "pipelineTemplate")
    check_template(template)
    return template


def _noted(kind: str, template: JsonMap, tag: str | None) -> JsonMap:
    id = f"{template['id']}:{tag}" if tag else template["id"]
    return {"notification.type": kind, "pipelineTemplate.id": id}


def _params(**given: str | None) -> dict[str, str] | None:
    return {key: value for key, value in given.items() if value} or None


@io_task(
    name="createPipelineTemplate",
    implementing_class=f"{_TASKS}.CreateV2PipelineTemplateTask",
    backoff=BACKOFF_MS,
    timeout=TIMEOUT_MS,
)
def create_template(stage: StageView[SaveTemplateContext], services: Services) -> TaskResult:
    """Save a new template. One that an earlier attempt of this task has saved is its own."""
    template, tag = _checked(stage.context), stage.context.tag
    try:
        services.front50.post("/v2/pipelineTemplates", json=template, params=_params(tag=tag))
    except UpstreamError as error:
        if not (
            error.status == 400 and "already exists" in error.upstream_message and stage.stage.tasks[0].attempt > 1
        ):
            raise
    return succeeded(_noted("createpipelinetemplate", template, tag))


@io_task(
    name="updatePipelineTemplate",
    implementing_class=f"{_TASKS}.UpdateV2PipelineTemplateTask",
    backoff=BACKOFF_MS,
    timeout=TIMEOUT_MS,
)
def update_template(stage: StageView[UpdateTemplateContext], services: Services) -> TaskResult:
    """Save a template that is there, or another version of it."""
    template, tag = _checked(stage.context), stage.context.tag
    path = f"/v2/pipelineTemplates/{quote(stage.context.id, safe='')}"
    services.front50.put(path, json=template, params=_params(tag=tag))
    return succeeded(_noted("updatepipelinetemplate", template, tag))


class DeleteTemplateContext(StageContext):
    """Which template, and which of its versions."""

    pipeline_template_id: str = Field(min_length=1)
    tag: str | None = None
    digest: str | None = None


@io_task(
    name="deletePipelineTemplate",
    implementing_class=f"{_TASKS}.DeleteV2PipelineTemplateTask",
    backoff=BACKOFF_MS,
    timeout=TIMEOUT_MS,
)
def delete_template(stage: StageView[DeleteTemplateContext], services: Services) -> TaskResult:
    """Delete a version. One that is gone already is an error, unless this stage itself deleted it before."""
    context = stage.context
    path = f"/v2/pipelineTemplates/{quote(context.pipeline_template_id, safe='')}"
    try:
        services.front50.delete(path, params=_params(tag=context.tag, digest=context.digest))
    except UpstreamError as error:
        if error.status != 404 or stage.stage.tasks[0].attempt < 2:
            raise
    return succeeded({"notification.type": "deletepipelinetemplate", "pipeline.id": context.pipeline_template_id})


@stage("createV2PipelineTemplate")
class CreateV2PipelineTemplate(Stage[SaveTemplateContext]):
    """Save a new template."""

    def tasks(self, stage: StageView[SaveTemplateContext]):
        _checked(stage.context)
        yield create_template


@stage("updateV2PipelineTemplate")
class UpdateV2PipelineTemplate(Stage[UpdateTemplateContext]):
    """Save a template that is there already."""

    def tasks(self, stage: StageView[UpdateTemplateContext]):
        _checked(stage.context)
        yield update_template


@stage("deleteV2PipelineTemplate")
class DeleteV2PipelineTemplate(Stage[DeleteTemplateContext]):
    """Delete a template, or one version of it."""

    def tasks(self, stage: StageView[DeleteTemplateContext]):
        yield delete_template


@stage("createPipelineTemplate", aliases=("updatePipelineTemplate", "deletePipelineTemplate"))
class PipelineTemplateOfTheFirstKind(Stage[StageContext]):
    """A job on a template of the first kind: it fails and says what to do instead."""

    def tasks(self, stage: StageView[StageContext]):
        raise TaskFailure(FIRST_KIND, INSTEAD, exception_type="ConfigurationException")
