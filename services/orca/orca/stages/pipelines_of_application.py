"""`deletePipeline` and `reorderPipelines`: change which pipelines an application has, and their order."""

from typing import Any
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
from orca.stages.front50_tasks import BACKOFF_MS, TASKS, TIMEOUT_MS, document


class DeletePipelineContext(StageContext):
    """`pipeline` is the configuration, of which the application and the name, or the id, are read."""

    pipeline: str | dict[str, Any]


@io_task(
    name="deletePipeline", implementing_class=f"{TASKS}.DeletePipelineTask", backoff=BACKOFF_MS, timeout=TIMEOUT_MS
)
def delete_pipeline(stage: StageView[DeletePipelineContext], services: Services) -> TaskResult:
    """Delete a pipeline. One that is gone already is an error, unless this stage itself deleted it before."""
    pipeline = document(stage.context.pipeline, "pipeline")
    application, name, id = pipeline.get("application"), pipeline.get("name"), pipeline.get("id")
    if application and name:
        path = f"/pipelines/{quote(str(application), safe='')}/{quote(str(name), safe='')}"
    elif id:
        path = f"/pipelines/{quote(str(id), safe='')}"
    else:
        raise TaskFailure("pipeline: must have 'application' and 'name', or 'id'.")
    try:
        services.front50.delete(path)
    except UpstreamError as error:
        if error.status != 404 or stage.stage.tasks[0].attempt < 2:
            raise
    noted: JsonMap = {"notification.type": "deletepipeline", "application": application, "pipeline.name": name}
    return succeeded(noted | ({"pipeline.id": id} if id else {}))


@stage("deletePipeline")
class DeletePipeline(Stage[DeletePipelineContext]):
    """Delete a pipeline."""

    def tasks(self, stage: StageView[DeletePipelineContext]):
        document(stage.context.pipeline, "pipeline")
        yield delete_pipeline


class ReorderPipelinesContext(StageContext):
    """`idsToIndices` says which pipeline of `application` gets which place."""

    application: str = Field(min_length=1)
    ids_to_indices: str | dict[str, Any]
    is_strategy: bool = False


@io_task(
    name="reorderPipelines",
    implementing_class=f"{TASKS}.ReorderPipelinesTask",
    backoff=BACKOFF_MS,
    timeout=TIMEOUT_MS,
)
def reorder_pipelines(stage: StageView[ReorderPipelinesContext], services: Services) -> TaskResult:
    """Give pipelines, or strategies, new places."""
    context = stage.context
    kind = "strategies" if context.is_strategy else "pipelines"
    body: JsonMap = {
        "application": context.application,
        "idsToIndices": document(context.ids_to_indices, "idsToIndices"),
    }
    services.front50.post(f"/actions/{kind}/reorder", json=body)
    return succeeded({"notification.type": f"reorder{kind}", "application": context.application})


@stage("reorderPipelines")
class ReorderPipelines(Stage[ReorderPipelinesContext]):
    """Change the order of an application's pipelines."""

    def tasks(self, stage: StageView[ReorderPipelinesContext]):
        yield reorder_pipelines
