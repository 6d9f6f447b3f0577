"""`savePipelinesFromArtifact`: save the pipelines that an artifact holds: `{application: [pipeline, …]}` as JSON.

Source: Orca's `SavePipelinesFromArtifactStage` and its tasks.
"""

import base64
from typing import Any, cast
from urllib.parse import quote

import orjson
from kork.errors import BadRequest, NotFound, UpstreamError
from pydantic import Field

from orca.artifacts import Artifact, bound_by_id, read_artifact
from orca.artifacts.content import content_of
from orca.execution.model import EpochMillis, JsonMap
from orca.execution.status import Status
from orca.stages.definition import (
    Loop,
    Services,
    Stage,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    redirect,
    stage,
    succeeded,
    task,
)
from orca.stages.front50_tasks import BACKOFF_MS, TIMEOUT_MS, id_for
from orca.stages.operations import maps
from orca.stages.save_pipeline import SavePipelineContext, save_pipeline, wait_for_save

_TASKS = "com.netflix.spinnaker.orca.clouddriver.tasks.pipeline"
_OF_A_RUN = ("pipelinesToSave", "pipelinesCreated", "pipelinesUpdated", "pipelinesFailedToSave", "isExistingPipeline")


class SavePipelinesContext(SavePipelineContext):
    """The artifact (bound by id, or inline), and how far the saving is."""

    pipelines_artifact_id: str | None = None
    pipelines_artifact: dict[str, Any] | None = None
    pipelines_to_save: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    is_existing_pipeline: bool = False
    pipelines_created: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    pipelines_updated: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    pipelines_failed_to_save: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


@io_task(
    name="getPipelinesFromArtifact",
    implementing_class=f"{_TASKS}.GetPipelinesFromArtifactTask",
    backoff=BACKOFF_MS,
    timeout=TIMEOUT_MS,
)
def get_pipelines(stage: StageView[SavePipelinesContext], services: Services) -> TaskResult:
    """Read the pipelines; those whose name is known in their application get the known one's id."""
    artifact = _artifact(stage)
    what = f"The artifact '{artifact.get('name') or artifact.get('reference', '')[:100]}'"
    try:
        text = content_of(artifact, services.clouddriver)
    except (BadRequest, NotFound) as error:
        raise TaskFailure(error.message) from error
    found = read_pipelines(text, what)
    wanted = [
        pipeline | _known_id(pipeline, _saved(services, application))
        for application, pipelines in found.items()
        for pipeline in pipelines
    ]
    return succeeded({"pipelinesToSave": wanted})


def read_pipelines(text: str, what: str) -> dict[str, list[JsonMap]]:
    """Read `{application: [pipeline, …]}`; each pipeline bears its application. Raises `TaskFailure` naming `what`."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TaskFailure(f"{what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise TaskFailure(f"{what} must hold an object of applications with lists of their pipelines.")
    read: dict[str, list[JsonMap]] = {}
    for application, pipelines in cast(JsonMap, document).items():
        if not isinstance(pipelines, list) or not all(isinstance(each, dict) for each in cast(list[Any], pipelines)):
            raise TaskFailure(f"{what}: '{application}' must be a list of pipelines (objects).")
        read[application] = [
            cast(JsonMap, each) | {"application": application} for each in cast(list[Any], pipelines) if each
        ]
    return read


def _artifact(stage: StageView[SavePipelinesContext]) -> Artifact:
    context = stage.context
    id = context.pipelines_artifact_id
    found = bound_by_id(stage.execution, stage.stage, id) if id else None
    if found is None and context.pipelines_artifact:
        found = read_artifact(context.pipelines_artifact, "pipelinesArtifact")
    if found is None:
        raise TaskFailure(f"No artifact could be bound to '{id}'")
    return found


def _saved(services: Services, application: str) -> list[JsonMap]:
    try:
        return maps(services.front50.get(f"/pipelines/{quote(application, safe='')}"))
    except UpstreamError as error:
        if error.status != 404:
            raise
        return []


def _known_id(pipeline: JsonMap, saved: list[JsonMap]) -> JsonMap:
    name = str(pipeline.get("name")).lower()
    return next(({"id": each["id"]} for each in saved if str(each.get("name")).lower() == name), {})


@task(name="preparePipelineToSaveTask", implementing_class=f"{_TASKS}.PreparePipelineToSaveTask")
def prepare_pipeline(stage: StageView[SavePipelinesContext], now: EpochMillis) -> TaskResult:
    """Take the next pipeline. A new one gets an id that follows from the stage: saved twice, it is one."""
    [*waiting] = stage.context.pipelines_to_save
    if not waiting:
        raise TaskFailure("There are no pipelines to save.")
    pipeline = waiting.pop(0)
    exists = pipeline.get("id") is not None
    if not exists:
        pipeline = pipeline | {"id": id_for(stage, f"{pipeline['application']}/{pipeline.get('name')}")}
    return succeeded(
        {
            "pipeline": base64.b64encode(orjson.dumps(pipeline)).decode(),
            "pipelinesToSave": waiting,
            "isExistingPipeline": exists,
            "isSavingMultiplePipelines": True,
        }
    )


@task(name="checkPipelineResults", implementing_class=f"{_TASKS}.CheckPipelineResultsTask")
def check_results(stage: StageView[SavePipelinesContext], now: EpochMillis) -> TaskResult:
    """Note how the last save went."""
    context, raw = stage.context, stage.raw
    named = {"application": raw.get("application"), "name": raw.get("pipeline.name")}
    created, updated, failed = (
        list(each) for each in (context.pipelines_created, context.pipelines_updated, context.pipelines_failed_to_save)
    )
    saving = next(each for each in stage.stage.tasks if each.name == "savePipeline")
    if saving.status is not Status.SUCCEEDED:
        failed.append(named | {"error": raw.get("pipeline.error")})
    else:
        (updated if context.is_existing_pipeline else created).append(named | {"id": raw.get("pipeline.id")})
    return succeeded({"pipelinesCreated": created, "pipelinesUpdated": updated, "pipelinesFailedToSave": failed})


@task(name="checkForRemainingPipelines", implementing_class=f"{_TASKS}.CheckForRemainingPipelinesTask")
def check_remaining(stage: StageView[SavePipelinesContext], now: EpochMillis) -> TaskResult:
    """Go on while there are more."""
    return redirect() if stage.context.pipelines_to_save else succeeded()


@task(name="savePipelinesCompleteTask", implementing_class=f"{_TASKS}.SavePipelinesCompleteTask")
def complete(stage: StageView[SavePipelinesContext], now: EpochMillis) -> TaskResult:
    """Fail when one could not be saved, with the reasons."""
    failed = stage.context.pipelines_failed_to_save
    if not failed:
        return succeeded()
    raise TaskFailure(
        *(f"{each.get('application')}: {each.get('name')}: {each.get('error') or 'not saved'}" for each in failed),
        error="Some pipelines could not be saved",
    )


@stage("savePipelinesFromArtifact")
class SavePipelinesFromArtifact(Stage[SavePipelinesContext]):
    """Save the pipelines of an artifact, one after the other."""

    def tasks(self, stage: StageView[SavePipelinesContext]):
        yield get_pipelines
        yield Loop((prepare_pipeline, save_pipeline, wait_for_save, check_results, check_remaining))
        yield complete

    def raw_keys(self, context: JsonMap):
        """Keep the expressions of the pipelines that are to be saved."""
        return _OF_A_RUN

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Read the artifact anew."""
        return {key: value for key, value in context.items() if key not in _OF_A_RUN}
