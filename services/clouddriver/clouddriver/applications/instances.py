"""Pods as instances. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from clouddriver.applications.resource_view import shown, uid_of
from clouddriver.kubernetes.document import full_name_of, items_at, namespace_of, text_at
from clouddriver.kubernetes.manifest import Manifest
from clouddriver.kubernetes.resources import Resource

_BY_PHASE = {"pending": "Down", "running": "Up"}
_WORST_FIRST = ("Starting", "Down", "Failed", "OutOfService")


def health_of(pod: Manifest) -> list[dict[str, Any]]:
    """List what says how a pod is: its phase, then each container's readiness."""
    phase = text_at(pod, "status", "phase").lower()
    found = [_health(_BY_PHASE.get(phase, "Unknown"), "Pod", "kubernetes/pod")]
    for container in items_at(pod, "status", "containerStatuses"):
        state = "Up" if container.get("ready") is True else "Down"
        found.append(_health(state, f"Container {container.get('name')}", "kubernetes/container"))
    return found


def _health(state: str, source: str, type: str) -> dict[str, Any]:
    return {"state": state, "source": source, "type": type, "platform": "platform"}


def health_state(health: Iterable[dict[str, Any]]) -> str:
    """Sum up: up only when all that is known is; else the worst."""
    states = {str(item["state"]) for item in health} - {"Unknown"}
    if not states:
        return "Unknown"
    if len(states) == 1 and states <= {"Up", "Succeeded"}:
        return states.pop()
    return next((state for state in _WORST_FIRST if state in states), "Unknown")


def instance(resource: Resource) -> dict[str, Any]:
    """Give a pod as the details of an instance; its name is its uid, by which Spinnaker knows it."""
    pod = resource.manifest
    health = health_of(pod)
    return shown(resource) | {
        "name": uid_of(pod),
        "humanReadableName": full_name_of(pod),
        "zone": namespace_of(pod),
        "launchTime": None,
        "providerType": "kubernetes",
        "healthState": health_state(health),
        "health": health,
    }


def instance_summary(resource: Resource) -> dict[str, Any]:
    """Give a pod as it shows within its server group."""
    pod = resource.manifest
    health = health_of(pod)
    return {
        "id": uid_of(pod),
        "name": full_name_of(pod),
        "healthState": health_state(health),
        "launchTime": shown(resource)["createdTime"],
        "availabilityZone": namespace_of(pod),
        "health": health,
    }


def instance_counts(pods: Sequence[Resource]) -> dict[str, int]:
    """Count pods by their health."""
    states = [health_state(health_of(pod.manifest)) for pod in pods]
    return {
        "total": len(states),
        "up": states.count("Up"),
        "down": states.count("Down"),
        "unknown": states.count("Unknown"),
        "outOfService": states.count("OutOfService"),
        "starting": states.count("Starting"),
    }
