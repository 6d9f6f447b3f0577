"""`deployManifest`: apply Kubernetes manifests, wait until they are stable, publish what was made."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, cast

from pydantic import Field

from orca.execution.model import JsonMap
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import (
    Services,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    stage,
    succeeded,
)
from orca.stages.manifest_evaluation import ManifestSource, evaluate_manifests, written_keys
from orca.stages.manifest_stability import wait_until_stable
from orca.stages.manifest_tasks import ACCOUNT, TASKS, ManifestStage, is_on, promote_outputs
from orca.stages.operations import (
    SUBMIT_BACKOFF_MS,
    SUBMIT_TIMEOUT_MS,
    description_of,
    maps,
    monitor_operation,
    submit,
)
from orca.stages.traffic import REPLACED, TrafficManagement, find_replaced, stages_for_replaced, traffic_of

_HISTORY_LIMIT = "strategy.spinnaker.io/max-version-history"


class DeployManifestContext(ManifestSource):
    """What to deploy: `manifests` when `source` is `text`, else the artifact that holds them."""

    account: str = Field(min_length=1, validation_alias=ACCOUNT)
    manifests: list[Any] | dict[str, Any] | None = None
    manifest: list[Any] | dict[str, Any] | None = None
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
    read = evaluate_manifests(stage, services, context, context.manifests or context.manifest, "manifests")
    if not read.manifests:
        raise TaskFailure(
            f"The stage '{stage.name}' has no manifest to deploy: "
            + ("the artifact is empty." if context.source == "artifact" else "'manifests' is empty.")
        )
    found: JsonMap = {
        "manifests": read.manifests,
        "requiredArtifacts": read.required,
        "optionalArtifacts": read.optional,
    }
    return succeeded(found | read.noted, {} if is_on(stage.raw.get("noOutput")) else found)


@io_task(
    name="deployManifest",
    implementing_class=f"{TASKS}.DeployManifestTask",
    backoff=SUBMIT_BACKOFF_MS,
    timeout=SUBMIT_TIMEOUT_MS,
)
def deploy(stage: StageView[DeployManifestContext], services: Services) -> TaskResult:
    """Hand the manifests to clouddriver."""
    description = description_of(stage, source="text", enableTraffic=True, account=stage.context.account)
    description |= traffic_of(stage.context.traffic_management)
    description["moniker"] = {"app": stage.application} | (stage.context.moniker or {})
    watched = submit(stage, services, "deployManifest", description, result=True)
    return succeeded(watched | {"deploy.account.name": stage.context.account})


monitor_deploy = replace(
    monitor_operation, name="monitorDeploy", implementing_class=f"{TASKS}.MonitorDeployManifestTask"
)


@io_task(
    name="cleanupArtifacts",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.artifacts.CleanupArtifactsTask",
    backoff=SUBMIT_BACKOFF_MS,
    timeout=SUBMIT_TIMEOUT_MS,
)
def clean_up_versions(stage: StageView[DeployManifestContext], services: Services) -> TaskResult:
    """Have old versions removed where a manifest limits how many are kept; otherwise there is nothing to ask for.

    It is also noted what the deploy has replaced, for the stages that move traffic.
    """
    context = stage.context
    replaced = find_replaced(stage, services, context.traffic_management, _app(stage))
    noted: JsonMap = {REPLACED: replaced} if replaced else {}
    deployed = maps(stage.raw.get("outputs.manifests"))
    if not any(_limits_history(manifest) for manifest in deployed):
        return succeeded(noted | {"kato.last.task.id": None})
    description: JsonMap = {"manifests": deployed, "account": context.account}
    return succeeded(noted | submit(stage, services, "cleanupArtifacts", description, result=False))


def _limits_history(manifest: JsonMap) -> bool:
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    return _HISTORY_LIMIT in annotations


def _app(stage: StageView[DeployManifestContext]) -> str:
    return str((stage.context.moniker or {}).get("app") or stage.application)


def _cleaned_up(stage: StageView[Any]) -> Iterator[tuple[str, str]]:
    """Name what the clean-up has deleted: its operation is the one after the deploy's."""
    for watched in maps(stage.raw.get("kato.tasks"))[1:]:
        for result in maps(watched.get("resultObjects")):
            named: Any = result.get("manifestNamesByNamespace")
            for location, names in cast(JsonMap, named if isinstance(named, dict) else {}).items():
                yield from ((location, str(name)) for name in names or [])


@stage("deployManifest")
class DeployManifest(ManifestStage[DeployManifestContext]):
    """Deploy manifests to a Kubernetes account."""

    def tasks(self, stage: StageView[DeployManifestContext]):
        traffic_of(stage.context.traffic_management)
        yield resolve_source
        yield deploy
        yield monitor_deploy
        yield promote_outputs
        yield wait_until_stable
        yield clean_up_versions
        yield monitor_operation.named("monitorCleanup")
        yield promote_outputs
        yield bind_produced_artifacts

    def after(self, stage: StageView[DeployManifestContext]):
        """Take traffic from what was replaced."""
        return stages_for_replaced(stage, stage.context.traffic_management, _app(stage), _cleaned_up(stage))

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """Manifests stay as written too when the stage says that they have no expressions."""
        return {*super().raw_keys(context), *written_keys(context, "manifests", "manifest")}
