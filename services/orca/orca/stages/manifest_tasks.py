"""The tasks that Kubernetes' manifest stages share: find the target, act on it, wait until it is stable.

Source: Orca's `tasks.manifest`.
"""

from collections.abc import Collection, Mapping
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
    running,
    succeeded,
    task,
)
from orca.stages.operations import (
    SUBMIT_BACKOFF_MS,
    SUBMIT_TIMEOUT_MS,
    description_of,
    growing,
    maps,
    submit,
)

TASKS = "com.netflix.spinnaker.orca.clouddriver.tasks.manifest"
CLUSTER_SCOPE = "_"
ACCOUNT = AliasChoices("account", "account.name", "credentials")
_PROMOTED = ("manifests", "manifestNamesByNamespace", "boundArtifacts", "createdArtifacts")
_STABLE_TIMEOUT_MS = 30 * 60_000
_STABLE_POLL_MS = (500, 5_000)
_MAX_MESSAGES = 200
_MAX_EVENTS = 200
_NOTES = ("events", "warnings")


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


def _stable_timeout(stage: StageView[Any]) -> int:
    minutes = stage.raw.get("stableManifestTimeoutMinutes")
    if isinstance(minutes, str) and minutes.strip().isdigit():
        minutes = int(minutes)
    if isinstance(minutes, int | float) and not isinstance(minutes, bool) and minutes > 0:
        return int(minutes * 60_000)
    return _STABLE_TIMEOUT_MS


@io_task(
    name="waitForManifestToStabilize",
    implementing_class=f"{TASKS}.WaitForManifestStableTask",
    backoff=growing(*_STABLE_POLL_MS, share=8),
    timeout=_stable_timeout,
    overridable=True,
)
def wait_until_stable(stage: StageView[Any], services: Services) -> TaskResult:
    """Wait until every object is stable, or some have failed and the others are settled.

    An object that was seen stable or failed isn't asked for again. What can't be read is asked for later. With
    `includeEvents` the objects' events and warnings are kept, each once.
    """
    raw = stage.raw
    account = raw.get("account") or raw.get("deploy.account.name") or raw.get("manifest.account.name")
    stable, failed = maps(raw.get("stableManifests")), maps(raw.get("failedManifests"))
    seen = Progress(list(cast(list[str], raw.get("messages") or [])))
    with_events = is_on(raw.get("includeEvents"))
    noted: dict[str, list[JsonMap]] = {key: maps(raw.get(key)) for key in _NOTES}
    waiting = False
    for location, name in _targets(raw):
        coordinates: JsonMap = {"manifestName": name, "location": location}
        if coordinates in stable or coordinates in failed:
            continue
        where = f"'{name}' in '{location}' for account {account}"
        outcome, words, found = _state(services, str(account), location, name, with_events=with_events)
        for key, listed in noted.items():
            listed.extend(each for each in maps(found.get(key)) if each not in listed)
        match outcome:
            case "stable":
                stable.append(coordinates)
            case "failed":
                failed.append(coordinates)
                seen.fail(f"{where}: {words}")
            case _:
                waiting = True
                seen.say(f"{where}: waiting for manifest to stabilize" + (f" ({words})" if words else ""))
    context: JsonMap = {
        "messages": seen.messages[-_MAX_MESSAGES:],
        "stableManifests": stable,
        "failedManifests": failed,
        **{key: listed[-_MAX_EVENTS:] for key, listed in noted.items() if listed},
    }
    if waiting:
        return running(context=context | ({"rolloutErrors": [*_earlier(raw), *seen.errors]} if seen.errors else {}))
    if failed:
        raise TaskFailure(
            *_earlier(raw),
            *seen.errors,
            error="Manifests failed to stabilize",
            exception_type="RolloutFailed",
            context=context,
        )
    return succeeded(context)


def _earlier(raw: JsonMap) -> list[str]:
    return [str(each) for each in cast(list[Any], raw.get("rolloutErrors") or [])]


class Progress:
    """The messages of a rollout: each new thing said once, so that a long wait stays short to read."""

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        self.errors: list[str] = []

    def say(self, message: str) -> None:
        """Add a message unless it was the last about the same object."""
        about = message.partition(": ")[0]
        last = next((each for each in reversed(self.messages) if each.partition(": ")[0] == about), None)
        if last != message:
            self.messages.append(message)

    def fail(self, message: str) -> None:
        """Add the message of a failure."""
        self.errors.append(message)
        self.messages.append(message)


def _targets(raw: JsonMap) -> list[tuple[str, str]]:
    named: Any = raw.get("outputs.manifestNamesByNamespace")
    if isinstance(named, Mapping):
        by_location = cast(Mapping[str, Any], named)
        return [
            (location or CLUSTER_SCOPE, str(name)) for location, names in by_location.items() for name in names or []
        ]
    name, location = raw.get("manifest.name"), raw.get("manifest.location")
    return [(str(location or CLUSTER_SCOPE), str(name))] if name else []


def _state(
    services: Services, account: str, location: str, name: str, *, with_events: bool
) -> tuple[str, str | None, JsonMap]:
    path = "/manifests/" + "/".join(quote(part, safe="") for part in (account, location, name))
    try:
        answer = services.clouddriver.get(path, params={"includeEvents": str(with_events).lower()})
    except UpstreamError as error:
        return "unknown", f"it could not be read: {error.upstream_message}", {}
    found = cast(JsonMap, answer) if isinstance(answer, dict) else {}
    status = cast(JsonMap, found.get("status") or {})
    failed, stable = _condition(status, "failed"), _condition(status, "stable")
    if failed.get("state"):
        return "failed", str(failed.get("message") or "the rollout failed"), found
    if stable.get("state"):
        return "stable", None, found
    return "waiting", stable.get("message"), found


def _condition(status: JsonMap, name: str) -> JsonMap:
    value = status.get(name)
    return cast(JsonMap, value) if isinstance(value, dict) else {}
