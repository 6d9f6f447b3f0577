"""`savePipeline` and `updatePipeline`: keep a pipeline's configuration in front50."""

from typing import Any
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import EpochMillis, JsonMap
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    failed_continue,
    io_task,
    stage,
    succeeded,
    task,
    terminal,
)
from orca.stages.front50_tasks import BACKOFF_MS, TASKS, TIMEOUT_MS, document, documents, id_for


class SavePipelineContext(StageContext):
    """`pipeline` is the configuration as base64 of JSON; in bulk, `pipelines` is a list of them."""

    pipeline: str | dict[str, Any] | None = None
    pipelines: str | list[Any] | None = None
    is_bulk_saving_pipelines: bool = False
    is_saving_multiple_pipelines: bool = False
    stale_check: bool = False


@io_task(name="savePipeline", implementing_class=f"{TASKS}.SavePipelineTask", backoff=BACKOFF_MS, timeout=TIMEOUT_MS)
def save_pipeline(stage: StageView[SavePipelineContext], services: Services) -> TaskResult:
    """Save one pipeline, or many. A new one gets an id that follows from the stage: saved twice, it is one."""
    context = stage.context
    check = {"staleCheck": "true"} if context.stale_check else None
    if context.is_bulk_saving_pipelines:
        return _save_many(stage, services, check)
    pipeline = _indexed(services, document(context.pipeline, "pipeline"))
    if not pipeline.get("id"):
        pipeline["id"] = id_for(stage, "pipeline")
    noted: JsonMap = {
        "notification.type": "savepipeline",
        "application": pipeline.get("application"),
        "pipeline.name": pipeline.get("name"),
    }
    try:
        saved = services.front50.post("/pipelines", json=pipeline, params=check)
    except UpstreamError as error:
        if context.is_saving_multiple_pipelines and not error.network:
            return failed_continue(noted | {"pipeline.error": error.upstream_message})
        raise
    stored = document(saved, "front50's answer")
    return succeeded(noted | {"pipeline.id": stored.get("id"), "pipeline.name": stored.get("name")})


def _indexed(services: Services, pipeline: JsonMap) -> JsonMap:
    """Keep the place that an existing pipeline has among the others."""
    id = pipeline.get("id")
    if not isinstance(id, str) or not id or pipeline.get("index") is not None:
        return dict(pipeline)
    try:
        existing = services.front50.get(f"/pipelines/{quote(id, safe='')}/get")
    except UpstreamError as error:
        if error.status != 404:
            raise
        return dict(pipeline)
    index = document(existing, "front50's answer").get("index")
    return pipeline | ({} if index is None else {"index": index})


def _save_many(stage: StageView[SavePipelineContext], services: Services, check: Any) -> TaskResult:
    pipelines = documents(stage.context.pipelines, "pipelines")
    for n, pipeline in enumerate(pipelines):
        pipeline.setdefault("id", id_for(stage, f"pipeline-{n}"))
    result = document(services.front50.post("/pipelines/batchUpdate", json=pipelines, params=check), "front50's answer")
    context: JsonMap = {"notification.type": "bulksavepipeline", "bulksave": result}
    if not result.get("failed_pipelines_count"):
        return succeeded(context, {"bulksave": result})
    if stage.context.is_saving_multiple_pipelines:
        return failed_continue(context, {"bulksave": result})
    return terminal(context, {"bulksave": result})


@task(name="waitForPipelineSave", implementing_class=f"{TASKS}.MonitorFront50Task")
def wait_for_save(stage: StageView[SavePipelineContext], now: EpochMillis) -> TaskResult:
    """Succeed: what front50 has answered is stored, and every read sees it."""
    return succeeded()


def _require_pipeline(context: SavePipelineContext) -> None:
    field = "pipelines" if context.is_bulk_saving_pipelines else "pipeline"
    if getattr(context, field) is None:
        raise TaskFailure(f"{field}: context must include it.", exception_type="ConfigurationException")


@stage("savePipeline")
class SavePipeline(Stage[SavePipelineContext]):
    """Save a pipeline."""

    def tasks(self, stage: StageView[SavePipelineContext]):
        _require_pipeline(stage.context)
        yield save_pipeline
        yield wait_for_save


@stage("updatePipeline")
class UpdatePipeline(Stage[SavePipelineContext]):
    """Save a pipeline that is there already."""

    def tasks(self, stage: StageView[SavePipelineContext]):
        _require_pipeline(stage.context)
        yield save_pipeline.named("updatePipeline")
        yield wait_for_save
