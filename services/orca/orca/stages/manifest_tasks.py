"""The tasks that Kubernetes' manifest stages share: find the target, act on it, wait until it is stable.

Source: Orca's `tasks.manifest`.
"""

from collections.abc import Collection
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from pydantic import AliasChoices, Field

from orca.execution.model import JsonMap
from orca.stages.definition import (
    C,
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    TaskSpec,
    io_task,
    succeeded,
    task,
)
from orca.stages.operations import (
    SUBMIT_BACKOFF_MS,
    SUBMIT_TIMEOUT_MS,
    description_of,
    maps,
    submit,
)

TASKS = "com.netflix.spinnaker.orca.clouddriver.tasks.manifest"
CLUSTER_SCOPE = "_"
ACCOUNT = AliasChoices("account", "account.name", "credentials")
_PROMOTED = ("manifests", "manifestNamesByNamespace", "boundArtifacts", "createdArtifacts")


_PROGRESS = frozenset(
    {
        "kato.tasks",
        "kato.last.task.id",
        "kato.task.lastStatus",
        "outputs.manifests",
        "outputs.manifestNamesByNamespace",
        "outputs.createdArtifacts",
        "outputs.boundArtifacts",
        "artifacts",
        "messages",
        "stableManifests",
        "failedManifests",
        "rolloutErrors",
        "replacedManifests",
        "events",
        "warnings",
    }
)


class ManifestStage(Stage[C]):
    """A stage that works on Kubernetes objects."""

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """What came from the cluster is no expression, whatever it looks like."""
        return _PROGRESS

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget how it went last time."""
        return {key: value for key, value in context.items() if key not in _PROGRESS}


class TargetContext(StageContext):
    """What the stages that act on one object have in common: `manifestName` is `<kind> <name>`.

    With `criteria` the object is looked up: the newest, oldest, largest … of `kind` in `cluster`.
    """

    account: str = Field(min_length=1, validation_alias=ACCOUNT)
    location: str | None = None
    manifest_name: str | None = None
    criteria: str | None = None
    kind: str | None = None
    cluster: str | None = None
    app: str | None = None


@io_task(
    name="resolveTargetManifest",
    implementing_class=f"{TASKS}.ResolveTargetManifestTask",
    backoff=1_000,
    timeout=60_000,
)
def resolve_target(stage: StageView[TargetContext], services: Services) -> TaskResult:
    """Find the object that `criteria` asks for; nothing to do without."""
    context = stage.context
    if not context.criteria:
        return succeeded()
    if not context.kind or not context.cluster:
        raise TaskFailure(
            f"A target by criteria '{context.criteria}' needs 'kind' and 'cluster' "
            f"(kind: {context.kind!r}, cluster: {context.cluster!r})."
        )
    parts = (context.account, context.location or CLUSTER_SCOPE, context.kind, "cluster")
    parts += (context.app or stage.application, context.cluster, "dynamic", context.criteria)
    place = f"in '{parts[1]}' for account {context.account}"
    where = f"{context.criteria} {context.kind} of cluster '{context.cluster}' {place}"
    try:
        found = services.clouddriver.get("/manifests/" + "/".join(quote(part, safe="") for part in parts))
    except UpstreamError as error:
        if error.status != 404:
            raise
        found = None
    name = cast(JsonMap, found).get("name") if isinstance(found, dict) else None
    kind = cast(JsonMap, found).get("kind", context.kind) if isinstance(found, dict) else None
    if not isinstance(name, str) or not name:
        raise TaskFailure(f"No manifest could be found: there is no {where}.")
    target = name if " " in name else f"{kind} {name}"
    return succeeded({"manifestName": target}, {"manifestName": target})


def act(operation: str, implementing_class: str, *, result: bool = False) -> TaskSpec:
    """Make the task that sends the whole stage to clouddriver as `operation`."""

    @io_task(
        name=operation,
        implementing_class=f"{TASKS}.{implementing_class}",
        backoff=SUBMIT_BACKOFF_MS,
        timeout=SUBMIT_TIMEOUT_MS,
    )
    def submit_operation(stage: StageView[TargetContext], services: Services) -> TaskResult:
        context = stage.context
        watched = submit(stage, services, operation, description_of(stage, account=context.account), result=result)
        noted: JsonMap = {
            "manifest.account.name": context.account,
            "manifest.name": context.manifest_name,
            "manifest.location": context.location,
            "deploy.account.name": context.account,
        }
        if not result:
            noted["outputs.manifestNamesByNamespace"] = {context.location or CLUSTER_SCOPE: [context.manifest_name]}
        return succeeded(watched | noted)

    return submit_operation


def require_target(context: TargetContext) -> None:
    """Raise `TaskFailure` when a stage names no object to act on."""
    name = context.manifest_name
    if not name and not context.criteria:
        raise TaskFailure(
            "manifestName: which object is meant? Give it as '<kind> <name>' ('deployment shop'), or give 'criteria'.",
            exception_type="ConfigurationException",
        )
    if name and "${" not in name and len(name.split()) != 2:
        raise TaskFailure(
            f"manifestName: '{name}' is not '<kind> <name>', as 'deployment shop'.",
            exception_type="ConfigurationException",
        )


@task(
    name="promoteOutputs",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.manifest.PromoteManifestKatoOutputsTask",
)
def promote_outputs(stage: StageView[Any], now: int) -> TaskResult:
    """Publish what the operations gave: the objects, their names, the artifacts that they made and used."""
    results = [each for watched in maps(stage.raw.get("kato.tasks")) for each in maps(watched.get("resultObjects"))]
    found: JsonMap = {}
    for key in _PROMOTED:
        value = next((each[key] for each in results if each.get(key) is not None), None)
        if value is not None:
            found[f"outputs.{key}"] = value
            if key == "createdArtifacts":
                found["artifacts"] = value
    return succeeded(found, {} if is_on(stage.raw.get("noOutput")) else dict(found))


def is_on(value: Any) -> bool:
    """Say whether a flag of a context is set: true, or the text 'true'."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
