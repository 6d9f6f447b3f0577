"""How a Job is, told from the Job and its pods, and the properties in what it wrote. Pure.

Source: Clouddriver's `KubernetesJobStatus` and `PropertyParser`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import orjson

from clouddriver.applications.resource_view import created_at, instant_ms
from clouddriver.kubernetes.document import Manifest, items_at, mapping_at, name_of, namespace_of, number_at, text_at

JobState = Literal["Running", "Succeeded", "Failed"]

_PROPERTY = "SPINNAKER_PROPERTY_"
_JSON = re.compile(r"^\s*SPINNAKER_CONFIG_JSON=")


class BadProperties(ValueError):
    """A line of a log looks like properties and can't be read; the message names the line."""


def state_of(job: Manifest) -> JobState:
    """Say how a Job is: enough pods have succeeded, it has given up, or neither yet."""
    completions = number_at(job, "spec", "completions")
    succeeded = number_at(job, "status", "succeeded") or 0
    if mapping_at(job, "status") and succeeded >= (1 if completions is None else completions):
        return "Succeeded"
    return "Failed" if _failure(job) else "Running"


def job_status(account: str, job: Manifest, pods: Iterable[Manifest], *, detailed: bool = True) -> dict[str, Any]:
    """Describe a Job as Spinnaker answers it; `detailed` has the status of each pod in it.

    What went wrong is told of a failed Job only: the reason that Kubernetes gives, and the first container at fault.
    """
    started = sorted(pods, key=_start)
    state = state_of(job)
    failure = (_failure(job) or {}) if state == "Failed" else {}
    at_fault = _first_at_fault(started) if state == "Failed" else None
    message, reason = failure.get("message"), failure.get("reason")
    return {
        "name": name_of(job),
        "cluster": None,
        "account": account,
        "id": None,
        "location": namespace_of(job),
        "provider": "kubernetes",
        "createdTime": created_at(job),
        "completedTime": instant_ms(text_at(job, "status", "completionTime")),
        "jobState": state,
        "message": message,
        "reason": reason,
        "exitCode": None,
        "signal": None,
        "failureDetails": at_fault,
        "logs": None,
        "pods": [{"name": name_of(pod), "status": mapping_at(pod, "status")} for pod in started] if detailed else [],
        "mostRecentPodName": name_of(started[-1]) if started else None,
        "completionDetails": {"exitCode": "", "signal": "", "message": message or "", "reason": reason or ""},
    }


def by_promise(pods: Iterable[Manifest]) -> list[Manifest]:
    """Order pods by how likely their log holds the Job's properties: those that succeeded, then the youngest."""
    newest_first = sorted(pods, key=_start, reverse=True)
    return sorted(newest_first, key=lambda pod: text_at(pod, "status", "phase") != "Succeeded")


def properties_in(log: str) -> dict[str, Any]:
    """Find the properties in a container's log.

    `SPINNAKER_PROPERTY_<KEY>=<value>` anywhere in a line gives one (its key in lower case, without value it is left
    out); a line `SPINNAKER_CONFIG_JSON={…}` gives all of its object. Raises `BadProperties` for JSON that is none.
    """
    found: dict[str, Any] = {}
    for number, line in enumerate(log.splitlines(), 1):
        if _PROPERTY in line:
            key, _, value = line.partition("=")
            if value.strip():
                found[key.replace(_PROPERTY, "").strip().lower()] = value.strip()
        if marker := _JSON.match(line):
            found |= _object(line[marker.end() :], number)
    return found


def _object(text: str, number: int) -> dict[str, Any]:
    try:
        read: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadProperties(f"line {number}: what follows SPINNAKER_CONFIG_JSON= is not JSON ({error})") from error
    if not isinstance(read, dict):
        raise BadProperties(f"line {number}: what follows SPINNAKER_CONFIG_JSON= is no JSON object")
    return cast(dict[str, Any], read)


def _failure(job: Manifest) -> Manifest | None:
    for condition in items_at(job, "status", "conditions"):
        if text_at(condition, "type").lower() == "failed" and text_at(condition, "status").lower() == "true":
            return condition
    return None


def _start(pod: Manifest) -> tuple[bool, str]:
    """Order by start; a pod that hasn't started yet is the youngest."""
    started = text_at(pod, "status", "startTime")
    return not started, started


def _first_at_fault(pods: Sequence[Manifest]) -> str | None:
    for pod in pods:
        containers = [*items_at(pod, "status", "initContainerStatuses"), *items_at(pod, "status", "containerStatuses")]
        ended = (
            container
            for container in containers
            if number_at(container, "state", "terminated", "exitCode") not in (None, 0)
        )
        stuck = (container for container in containers if mapping_at(container, "state", "waiting"))
        container = next(ended, None) or next(stuck, None)
        if container is not None:
            return _words(pod, container)
    return None


def _words(pod: Manifest, container: Manifest) -> str:
    state = mapping_at(container, "state", "terminated") or mapping_at(container, "state", "waiting")
    code = number_at(state, "exitCode")
    return (
        f"Pod: '{name_of(pod)}' had errors.\n Container: '{container.get('name')}' exited with code: "
        f"{'' if code is None else code}.\n Status: {state.get('reason')}.\n Logs: {state.get('message')}"
    )
