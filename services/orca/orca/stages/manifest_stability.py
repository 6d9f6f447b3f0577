"""Waiting until Kubernetes objects are as they were asked to be. Source: Orca's `WaitForManifestStableTask`."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageView, TaskFailure, TaskResult, io_task, running, succeeded
from orca.stages.manifest_tasks import CLUSTER_SCOPE, TASKS, is_on
from orca.stages.operations import growing, maps

_STABLE_TIMEOUT_MS = 30 * 60_000
_STABLE_POLL_MS = (500, 5_000)
_MAX_MESSAGES = 200
_MAX_EVENTS = 200
_NOTES = ("events", "warnings")


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
