"""`findArtifactFromExecution`, `findArtifactsFromResource`: artifacts of another execution, or of a live object."""

from collections.abc import Collection
from typing import Any, cast
from urllib.parse import quote

from pydantic import Field

from orca.artifacts import artifacts_of, read_artifacts, read_expected, resolve
from orca.execution.model import JsonMap
from orca.stages.bind_artifacts import bind_produced_artifacts
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
from orca.stages.manifest_tasks import (
    CLUSTER_SCOPE,
    TASKS,
    ManifestStage,
    TargetContext,
    require_target,
    resolve_target,
)
from orca.stages.operations import maps
from orca.stages.served_execution import read_execution

_TIMEOUT_MS = 60_000
_BACKOFF_MS = 2_000
_STATUSES = {"successful": "SUCCEEDED", "terminal": "TERMINAL", "running": "RUNNING"}


class ExecutionOptions(StageContext):
    """Which executions count."""

    successful: bool = True
    terminal: bool = False
    running: bool = False


class FindFromExecutionContext(StageContext):
    """The pipeline whose latest execution is asked (`pipeline` is its id), and what is expected from it."""

    pipeline: str = Field(min_length=1)
    execution_options: ExecutionOptions = Field(default_factory=ExecutionOptions)
    expected_artifacts: list[dict[str, Any]] = Field(min_length=1)


@io_task(
    name="findArtifactFromExecution",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.artifacts.FindArtifactFromExecutionTask",
    backoff=_BACKOFF_MS,
    timeout=_TIMEOUT_MS,
)
def find_in_execution(stage: StageView[FindFromExecutionContext], services: Services) -> TaskResult:
    """Bind what is expected to the artifacts of the pipeline's latest execution; fail when one has no match."""
    context = stage.context
    options = context.execution_options.model_dump()
    statuses = [status for option, status in _STATUSES.items() if options[option]]
    params = {"pipelineConfigIds": context.pipeline, "limit": 2, "statuses": ",".join(statuses), "expand": "true"}
    listed = maps(services.orca.get("/pipelines", params=params))
    found = next((each for each in listed if each.get("id") != stage.execution.id), None)
    if found is None:
        raise TaskFailure(
            f"Pipeline {context.pipeline} has no execution to take artifacts from "
            f"(statuses: {', '.join(statuses) or 'none chosen'})."
        )
    expected = read_expected(context.expected_artifacts, "expectedArtifacts")
    bound = resolve(expected, artifacts_of(read_execution(found)))
    outputs: JsonMap = {"artifacts": bound.artifacts, "resolvedExpectedArtifacts": bound.expected}
    return succeeded(outputs, dict(outputs))


@stage("findArtifactFromExecution")
class FindArtifactFromExecution(Stage[FindFromExecutionContext]):
    """Take artifacts from another pipeline's latest execution."""

    def tasks(self, stage: StageView[FindFromExecutionContext]):
        _ = stage.context
        yield find_in_execution


@io_task(
    name="findArtifactsFromResource",
    implementing_class=f"{TASKS}.FindArtifactsFromResourceTask",
    backoff=_BACKOFF_MS,
    timeout=_TIMEOUT_MS,
)
def find_in_resource(stage: StageView[TargetContext], services: Services) -> TaskResult:
    """Read a live object and the artifacts that it uses."""
    context = stage.context
    parts = (context.account, context.location or CLUSTER_SCOPE, context.manifest_name or "")
    path = "/manifests/" + "/".join(quote(part, safe="") for part in parts)
    found = services.clouddriver.get(path, params={"includeEvents": "false"})
    answer = cast(JsonMap, found) if isinstance(found, dict) else {}
    outputs: JsonMap = {
        "manifest": answer.get("manifest"),
        "artifacts": read_artifacts(answer.get("artifacts"), "artifacts"),
    }
    return succeeded(outputs, dict(outputs))


@stage("findArtifactsFromResource")
class FindArtifactsFromResource(ManifestStage[TargetContext]):
    """Take the artifacts that a live Kubernetes object uses."""

    def tasks(self, stage: StageView[TargetContext]):
        require_target(stage.context)
        yield resolve_target
        yield find_in_resource
        yield bind_produced_artifacts

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """What the live object says is no expression."""
        return {*super().raw_keys(context), "manifest"}
