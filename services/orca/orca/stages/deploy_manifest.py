"""`deployManifest`: apply Kubernetes manifests, wait until they are stable, publish what was made."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from orca.artifacts import Artifact, bound_by_id, in_scope, read_artifact
from orca.artifacts.content import content_of
from orca.execution.model import JsonMap
from orca.expressions import PipelineExpressions
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import (
    Services,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    stage,
    succeeded,
)
from orca.stages.manifest_source import flattened, read_manifests
from orca.stages.manifest_tasks import TASKS, ManifestStage, is_on, promote_outputs, wait_until_stable
from orca.stages.operations import (
    SUBMIT_BACKOFF_MS,
    SUBMIT_TIMEOUT_MS,
    description_of,
    maps,
    monitor_operation,
    submit,
)

_HISTORY_LIMIT = "strategy.spinnaker.io/max-version-history"
_SUMMARY = "expressionEvaluationSummary"


class TrafficOptions(StageContext):
    """How traffic moves to what is deployed."""

    enable_traffic: bool = False
    services: list[str] | None = None
    strategy: str | None = None


class TrafficManagement(StageContext):
    """Whether the stage moves traffic."""

    enabled: bool = False
    options: TrafficOptions | None = None


class RequiredArtifact(StageContext):
    """An artifact that a manifest must use: by the id of an expected one, or as it is."""

    expected_artifact_id: str | None = None
    artifact: dict[str, Any] | None = None


class DeployManifestContext(StageContext):
    """What to deploy: `manifests` when `source` is `text`, else the artifact that holds them."""

    account: str = Field(min_length=1)
    source: Literal["text", "artifact"] = "text"
    manifests: list[Any] | dict[str, Any] | None = None
    manifest: list[Any] | dict[str, Any] | None = None
    manifest_artifact_id: str | None = None
    manifest_artifact: dict[str, Any] | None = None
    manifest_artifact_account: str | None = None
    required_artifact_ids: list[str] | None = None
    required_artifacts: list[RequiredArtifact] | None = None
    skip_expression_evaluation: bool | None = None
    namespace_override: str | None = None
    moniker: dict[str, Any] | None = None
    traffic_management: TrafficManagement | None = None
    stable_manifest_timeout_minutes: float | None = None
    expected_artifacts: list[dict[str, Any]] | None = None


@io_task(
    name="resolveDeploySourceManifest",
    implementing_class=f"{TASKS}.ResolveDeploySourceManifestTask",
    backoff=1_000,
    timeout=300_000,
)
def resolve_source(stage: StageView[DeployManifestContext], services: Services) -> TaskResult:
    """Read the manifests, and find the artifacts that they must or may use."""
    context = stage.context
    fetched: JsonMap = {}
    if context.source == "artifact":
        artifact = _manifest_artifact(stage)
        what = f"The manifest '{artifact.get('name') or artifact.get('reference', '')[:100]}'"
        manifests = read_manifests(content_of(artifact, services.clouddriver), what)
        if not context.skip_expression_evaluation:
            manifests, fetched = _evaluated(stage, manifests)
    else:
        manifests = flattened(context.manifests or context.manifest, "manifests")
    if not manifests:
        raise TaskFailure(
            f"The stage '{stage.name}' has no manifest to deploy: "
            + ("the artifact is empty." if context.source == "artifact" else "'manifests' is empty.")
        )
    found: JsonMap = {
        "manifests": manifests,
        "requiredArtifacts": _required(stage),
        "optionalArtifacts": in_scope(stage.execution, stage.stage),
    }
    return succeeded(found | fetched, {} if is_on(stage.raw.get("noOutput")) else found)


def _manifest_artifact(stage: StageView[DeployManifestContext]) -> Artifact:
    context = stage.context
    artifact: Artifact | None = None
    if context.manifest_artifact_id:
        artifact = bound_by_id(stage.execution, stage.stage, context.manifest_artifact_id)
    if artifact is None and context.manifest_artifact:
        artifact = read_artifact(context.manifest_artifact, "manifestArtifact")
    if artifact is None:
        wanted = context.manifest_artifact_id
        raise TaskFailure(
            f"No artifact could be bound to '{wanted}'."
            if wanted
            else "The source is an artifact, and neither 'manifestArtifactId' nor 'manifestArtifact' says which."
        )
    if context.manifest_artifact_account and not artifact.get("artifactAccount"):
        artifact = artifact | {"artifactAccount": context.manifest_artifact_account}
    return artifact


def _evaluated(stage: StageView[DeployManifestContext], manifests: list[JsonMap]) -> tuple[list[JsonMap], JsonMap]:
    context: JsonMap = stage.raw | {"manifests": manifests}
    others = [key for key in context if key != "manifests"]
    evaluated = PipelineExpressions().context(stage.execution, replace(stage.stage, context=context), others)
    summary: JsonMap = evaluated.get(_SUMMARY, {}) if evaluated is not context else {}
    if summary and is_on(stage.raw.get("failOnFailedExpressions")):
        told = [str(entry.get("description")) for entries in summary.values() for entry in entries]
        raise TaskFailure(*told, error="Expressions in the manifest could not be evaluated")
    return maps(evaluated["manifests"]), {_SUMMARY: summary} if summary else {}


def _required(stage: StageView[DeployManifestContext]) -> list[Artifact]:
    context = stage.context
    found = [_bound(stage, id) for id in context.required_artifact_ids or []]
    for required in context.required_artifacts or []:
        if required.expected_artifact_id:
            found.append(_bound(stage, required.expected_artifact_id, required.artifact))
        elif required.artifact:
            found.append(read_artifact(required.artifact, "requiredArtifacts.artifact"))
        else:
            # What an earlier run of this task has resolved: an artifact itself.
            found.append(read_artifact(required.model_extra or {}, "requiredArtifacts"))
    return found


def _bound(stage: StageView[DeployManifestContext], id: str, inline: JsonMap | None = None) -> Artifact:
    bound = bound_by_id(stage.execution, stage.stage, id)
    if bound is None and inline:
        bound = read_artifact(inline, "requiredArtifacts.artifact")
    if bound is None:
        raise TaskFailure(f"No artifact with id {id} could be found in the pipeline context.")
    return bound


@io_task(
    name="deployManifest",
    implementing_class=f"{TASKS}.DeployManifestTask",
    backoff=SUBMIT_BACKOFF_MS,
    timeout=SUBMIT_TIMEOUT_MS,
)
def deploy(stage: StageView[DeployManifestContext], services: Services) -> TaskResult:
    """Hand the manifests to clouddriver."""
    description = description_of(stage, source="text", enableTraffic=True) | _traffic(stage.context)
    description["moniker"] = {"app": stage.application} | (stage.context.moniker or {})
    watched = submit(stage, services, "deployManifest", description, result=True)
    return succeeded(watched | {"deploy.account.name": stage.context.account})


def _traffic(context: DeployManifestContext) -> JsonMap:
    traffic = context.traffic_management
    if traffic is None or not traffic.enabled:
        return {}
    options = traffic.options or TrafficOptions()
    return {"services": options.services or [], "enableTraffic": options.enable_traffic, "strategy": "NONE"}


@io_task(
    name="cleanupArtifacts",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.artifacts.CleanupArtifactsTask",
    backoff=SUBMIT_BACKOFF_MS,
    timeout=SUBMIT_TIMEOUT_MS,
)
def clean_up_versions(stage: StageView[DeployManifestContext], services: Services) -> TaskResult:
    """Have old versions removed where a manifest limits how many are kept; otherwise there is nothing to ask for."""
    deployed = maps(stage.raw.get("outputs.manifests"))
    if not any(_limits_history(manifest) for manifest in deployed):
        return succeeded({"kato.last.task.id": None})
    description: JsonMap = {"manifests": deployed, "account": stage.context.account}
    return succeeded(submit(stage, services, "cleanupArtifacts", description, result=False))


def _limits_history(manifest: JsonMap) -> bool:
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    return _HISTORY_LIMIT in annotations


@stage("deployManifest")
class DeployManifest(ManifestStage[DeployManifestContext]):
    """Deploy manifests to a Kubernetes account."""

    def tasks(self, stage: StageView[DeployManifestContext]):
        traffic = stage.context.traffic_management
        strategy = traffic.options.strategy if traffic and traffic.enabled and traffic.options else None
        if strategy and strategy.lower() != "none":
            raise TaskFailure(
                f"trafficManagement.options.strategy: '{strategy}' can't be run here; only 'none' can. "
                "To replace pods gradually deploy a Deployment, or move traffic by stages of your own.",
                exception_type="ConfigurationException",
            )
        yield resolve_source
        yield deploy
        yield monitor_operation.named("monitorDeploy")
        yield promote_outputs
        yield wait_until_stable
        yield clean_up_versions
        yield monitor_operation.named("monitorCleanup")
        yield promote_outputs
        yield bind_produced_artifacts

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """Manifests stay as written too when the stage says that they have no expressions."""
        written = {"manifests", "manifest"} if is_on(context.get("skipExpressionEvaluation")) else set[str]()
        return {*super().raw_keys(context), *written}
