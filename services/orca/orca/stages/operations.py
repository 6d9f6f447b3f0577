"""Cloud operations: submitted once to clouddriver, then watched until they end.

Source: Orca's `KatoService` and `MonitorKatoTask`. What the polls learn is kept under `kato.…` keys of the
stage's context, as Spinnaker's clients read it.
"""

import hashlib
from typing import Any, cast
from urllib.parse import quote

import orjson
from kork.errors import UpstreamError

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageView, TaskFailure, TaskResult, io_task, running, succeeded, terminal

SUBMIT_BACKOFF_MS = 2_000
SUBMIT_TIMEOUT_MS = 300_000
_POLL_MS = (200, 5_000)
_RESUME_MS = 120_000
_MONITOR_TIMEOUT_MS = 3_600_000
_MAX_NOT_FOUND = 30
_PASSING = frozenset({429, 502, 503, 504})
_NOT_SENT = ("kato.", "outputs.", "deploy.")
_VOLATILE = frozenset({"expressionEvaluationSummary", "exception", "messages", "stableManifests", "failedManifests"})


def submit(stage: StageView[Any], services: Services, operation: str, description: JsonMap, *, result: bool) -> JsonMap:
    """Hand one operation to clouddriver; gives the context keys by which it is watched.

    The idempotency key is made of the stage, its start and the payload: a repeated task gets the first
    answer's operation, a restarted stage a new one. So a lost answer is asked for again, until the
    task's timeout. `result` says that the operation ends with a result object.
    """
    provider = stage.raw.get("cloudProvider") or "kubernetes"
    body = [{operation: description}]
    path = f"/{quote(str(provider), safe='')}/ops"
    answer = post_again(
        lambda: services.clouddriver.post(path, json=body, params={"clientRequestId": request_key(stage, body)})
    )
    if not isinstance(answer, dict) or not cast(JsonMap, answer).get("id"):
        raise TaskFailure(f"clouddriver answered {operation} without a task id: {answer!r:.200}")
    return {
        "kato.last.task.id": {"id": str(cast(JsonMap, answer)["id"])},
        "kato.result.expected": result,
        "kato.task.notFoundRetryCount": 0,
    }


def post_again(call: Any) -> Any:
    """Make a call that is safe to repeat; trouble that may pass has the task try again after its backoff."""
    try:
        return call()
    except UpstreamError as error:
        if error.network or error.status in _PASSING:
            raise TaskFailure(error.message, exception_type="SpinnakerNetworkException", retry=True) from error
        raise


def request_key(stage: StageView[Any], payload: Any) -> str:
    """Make the idempotency key of an operation: a hash of the stage, its start time and the payload."""
    content = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(f"{stage.id}-{stage.started_at}-".encode() + content).hexdigest()


def description_of(stage: StageView[Any], **more: Any) -> JsonMap:
    """Give the stage's context as an operation's description, without what orca itself noted in it."""
    own = {key: value for key, value in stage.raw.items() if not key.startswith(_NOT_SENT) and key not in _VOLATILE}
    return own | more


def growing(shortest: int, longest: int, share: int = 4) -> Any:
    """Make a backoff that grows with the time already waited: quick answers are seen at once (ms)."""

    def backoff(stage: StageView[Any], elapsed: int) -> int:
        return min(longest, max(shortest, elapsed // share))

    return backoff


def _monitor_backoff(stage: StageView[Any], elapsed: int) -> int:
    if stage.raw.get("kato.task.lastStatus") == "TERMINAL":
        return _RESUME_MS
    return growing(*_POLL_MS)(stage, elapsed)


@io_task(
    name="monitorKato",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.MonitorKatoTask",
    backoff=_monitor_backoff,
    timeout=_MONITOR_TIMEOUT_MS,
)
def monitor_operation(stage: StageView[Any], services: Services) -> TaskResult:
    """Watch the last operation: its end, its history and what it gave. A failed one fails the stage."""
    last: Any = stage.raw.get("kato.last.task.id")
    id = cast(JsonMap, last).get("id") if isinstance(last, dict) else last
    if not id:
        return succeeded()
    try:
        found = services.clouddriver.get(f"/task/{quote(str(id), safe='')}")
    except UpstreamError as error:
        if error.status != 404:
            raise
        return _not_found(stage, error)
    if not isinstance(found, dict):
        raise TaskFailure(f"clouddriver answered /task/{id} with {found!r:.200}, not with a task.")
    return _watched(stage, services, cast(JsonMap, found))


def _not_found(stage: StageView[Any], error: UpstreamError) -> TaskResult:
    count = int(stage.raw.get("kato.task.notFoundRetryCount") or 0) + 1
    if count > _MAX_NOT_FOUND:
        raise error
    return running(context={"kato.task.notFoundRetryCount": count})


def _watched(stage: StageView[Any], services: Services, task: JsonMap) -> TaskResult:
    status = cast(JsonMap, task.get("status") or {})
    results = cast(list[Any], task.get("resultObjects") or [])
    outcome = "RUNNING"
    if status.get("failed"):
        outcome = "TERMINAL"
    elif status.get("completed") and (results or not stage.raw.get("kato.result.expected")):
        outcome = "SUCCEEDED"
    context: JsonMap = {
        "kato.task.lastStatus": outcome,
        "kato.task.firstNotFoundRetry": -1,
        "kato.task.notFoundRetryCount": 0,
        "kato.task.terminalRetryCount": stage.raw.get("kato.task.terminalRetryCount") or 0,
        "kato.tasks": _recorded(stage, task, status, results),
    }
    match outcome:
        case "SUCCEEDED":
            return succeeded(context | _deployed(stage, results))
        case "TERMINAL" if status.get("retryable"):
            context["kato.task.terminalRetryCount"] += 1
            services.clouddriver.post(f"/task/{quote(str(task.get('id')), safe='')}:resume")
            return running(context=context)
        case "TERMINAL":
            return terminal(context)
        case _:
            return running(context=context)


def _recorded(stage: StageView[Any], task: JsonMap, status: JsonMap, results: list[Any]) -> list[JsonMap]:
    shown: JsonMap = {
        "id": str(task.get("id")),
        "status": status,
        "history": task.get("history") or [],
        "resultObjects": results,
        "outputs": task.get("outputs") or [],
    }
    thrown = next((each for each in maps(results) if each.get("type") == "EXCEPTION"), None)
    if thrown is not None:
        shown["exception"] = thrown
    known = maps(stage.raw.get("kato.tasks"))
    return [each for each in known if each.get("id") != shown["id"]] + [shown]


def _deployed(stage: StageView[Any], results: list[Any]) -> JsonMap:
    """Collect the names of what was deployed, unless the stage knows them already."""
    groups: dict[str, list[str]] = {}
    jobs: dict[str, list[str]] = {}
    for each in maps(results):
        for name in cast(list[Any], each.get("serverGroupNames") or []):
            region, _, group = str(name).rpartition(":")
            groups.setdefault(region, []).append(group)
        for location, names in cast(JsonMap, each.get("deployedNamesByLocation") or {}).items():
            jobs.setdefault(location, []).extend(names)
    found: JsonMap = {"deploy.server.groups": groups, "deploy.jobs": jobs}
    return {key: value for key, value in found.items() if key not in stage.raw}


def maps(value: Any) -> list[JsonMap]:
    """Give the objects of a list; nothing when it is no list."""
    items = cast(list[Any], value) if isinstance(value, list) else []
    return [cast(JsonMap, item) for item in items if isinstance(item, dict)]
