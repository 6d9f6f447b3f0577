"""Whether an object has settled: stable, paused, available, failed. Pure.

The messages are Spinnaker's own, word for word: users match on them.
Source: Clouddriver's Kubernetes handlers (`status`), one per kind.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clouddriver.kubernetes.document import Manifest, items_at, kind_of_manifest, mapping_at, number_at, text_at


@dataclass(slots=True)
class Condition:
    """One answer, and why."""

    state: bool
    message: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give Spinnaker's JSON form."""
        return {"state": self.state, "message": self.message}


def _yes() -> Condition:
    return Condition(True)


def _no() -> Condition:
    return Condition(False)


@dataclass(slots=True)
class RolloutStatus:
    """How an object is. Begins as settled; rules take that back."""

    stable: Condition = field(default_factory=_yes)
    paused: Condition = field(default_factory=_no)
    available: Condition = field(default_factory=_yes)
    failed: Condition = field(default_factory=_no)

    def unstable(self, message: str | None) -> "RolloutStatus":
        """Say what the object still waits for."""
        self.stable = Condition(False, message)
        return self

    def unavailable(self, message: str | None) -> "RolloutStatus":
        """Say why the object doesn't serve."""
        self.available = Condition(False, message)
        return self

    def to_json(self) -> dict[str, Any]:
        """Give Spinnaker's JSON form."""
        return {
            "stable": self.stable.to_json(),
            "paused": self.paused.to_json(),
            "available": self.available.to_json(),
            "failed": self.failed.to_json(),
        }


_OLD_GENERATION = "Waiting for status generation to match updated object generation"


def rollout_status(manifest: Manifest) -> RolloutStatus:
    """Say whether a live object has settled, by the rule of its kind; a kind without a rule always has."""
    rule = _RULES.get(kind_of_manifest(manifest).name)
    return rule(manifest) if rule else RolloutStatus()


def _none_reported() -> RolloutStatus:
    return RolloutStatus().unstable("No status reported yet").unavailable("No availability reported")


def _has_status(manifest: Manifest) -> bool:
    return isinstance(manifest.get("status"), dict)


def _was_seen(manifest: Manifest) -> bool:
    """Say whether the controller has seen the present generation."""
    return number_at(manifest, "status", "observedGeneration") == number_at(manifest, "metadata", "generation")


def _desired(manifest: Manifest) -> int:
    return number_at(manifest, "spec", "replicas") or 0


def _count(manifest: Manifest, name: str) -> int:
    return number_at(manifest, "status", name) or 0


def _deployment(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    status = RolloutStatus()
    if not _was_seen(manifest):
        return status.unstable(_OLD_GENERATION)
    for condition in items_at(manifest, "status", "conditions"):
        reason = text_at(condition, "reason")
        message = text_at(condition, "message") or None
        if reason.lower() == "deploymentpaused":
            status.paused = Condition(True, message)
        match condition.get("type"), condition.get("status"):
            case "Available", "False":
                status.unstable(message).unavailable(message)
            case "Progressing", _ if reason == "ProgressDeadlineExceeded":
                status.failed = Condition(True, "Deployment exceeded its progress deadline")
    waits_for = _deployment_wait(manifest)
    return status.unstable(waits_for) if waits_for else status


def _deployment_wait(manifest: Manifest) -> str | None:
    desired, updated = _desired(manifest), _count(manifest, "updatedReplicas")
    if updated < desired:
        return "Waiting for all replicas to be updated"
    if _count(manifest, "replicas") > updated:
        return "Waiting for old replicas to finish termination"
    if _count(manifest, "availableReplicas") < desired:
        return "Waiting for all replicas to be available"
    if _count(manifest, "readyReplicas") < desired:
        return "Waiting for all replicas to be ready"
    return None


def _replica_set(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    desired = _desired(manifest)
    for count, word in (
        ("fullyLabeledReplicas", "fully-labeled"),
        ("readyReplicas", "ready"),
        ("availableReplicas", "available"),
    ):
        if desired > _count(manifest, count):
            message = f"Waiting for all replicas to be {word}"
            return RolloutStatus().unstable(message).unavailable(message)
    if not _was_seen(manifest):
        return RolloutStatus().unstable("Waiting for replicaset spec update to be observed")
    return RolloutStatus()


def _stateful_set(manifest: Manifest) -> RolloutStatus:
    strategy = text_at(manifest, "spec", "updateStrategy", "type")
    status = RolloutStatus()
    if strategy.lower() == "ondelete":
        return status
    if not _has_status(manifest):
        return _none_reported()
    if not _was_seen(manifest):
        return status.unstable(_OLD_GENERATION)
    desired = _desired(manifest)
    if desired > _count(manifest, "replicas"):
        return status.unstable("Waiting for at least the desired replica count to be met")
    if desired > _count(manifest, "readyReplicas"):
        return status.unstable("Waiting for all updated replicas to be ready")
    updated = number_at(manifest, "status", "updatedReplicas")
    if strategy.lower() == "rollingupdate" and updated is not None and _is_partitioned(manifest):
        return _partitioned(manifest, updated, status)
    if desired > _count(manifest, "currentReplicas"):
        return status.unstable("Waiting for all updated replicas to be scheduled")
    if text_at(manifest, "status", "currentRevision") != text_at(manifest, "status", "updateRevision"):
        return status.unstable("Waiting for the updated revision to match the current revision")
    return status


def _is_partitioned(manifest: Manifest) -> bool:
    return isinstance(mapping_at(manifest, "spec", "updateStrategy").get("rollingUpdate"), dict)


def _partitioned(manifest: Manifest, updated: int, status: RolloutStatus) -> RolloutStatus:
    partition = number_at(manifest, "spec", "updateStrategy", "rollingUpdate", "partition")
    replicas = number_at(manifest, "spec", "replicas")
    if partition is not None and replicas is not None and updated < replicas - partition:
        return status.unstable("Waiting for partitioned roll out to finish")
    status.stable = Condition(True, "Partitioned roll out complete")
    return status


def _daemon_set(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    status = RolloutStatus()
    if not _was_seen(manifest):
        return status.unstable(_OLD_GENERATION)
    if text_at(manifest, "spec", "updateStrategy", "type").lower() != "rollingupdate":
        return status
    desired = _count(manifest, "desiredNumberScheduled")
    for count, message in (
        ("currentNumberScheduled", "Waiting for all replicas to be scheduled"),
        ("updatedNumberScheduled", "Waiting for all updated replicas to be scheduled"),
        ("numberAvailable", "Waiting for all replicas to be available"),
        ("numberReady", "Waiting for all replicas to be ready"),
    ):
        if desired > _count(manifest, count):
            return status.unstable(message)
    return status


def _pod(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    match text_at(manifest, "status", "phase").lower():
        case "running" | "succeeded":
            return RolloutStatus()
        case "pending":
            message = "Pod is pending"
        case "failed":
            message = "Pod has failed"
        case _:
            message = "Pod phase is unknown"
    return RolloutStatus().unstable(message).unavailable(message)


def _job(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    completions = number_at(manifest, "spec", "completions")
    if _count(manifest, "succeeded") >= (1 if completions is None else completions):
        return RolloutStatus()
    status = RolloutStatus()
    for condition in items_at(manifest, "status", "conditions"):
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            status.failed = Condition(True, text_at(condition, "message") or None)
            return status
    return status.unstable("Waiting for jobs to finish")


def _cron_job(manifest: Manifest) -> RolloutStatus:
    return RolloutStatus() if _has_status(manifest) else _none_reported()


def _autoscaler(manifest: Manifest) -> RolloutStatus:
    if not _has_status(manifest):
        return _none_reported()
    desired, current = _count(manifest, "desiredReplicas"), _count(manifest, "currentReplicas")
    if desired == current:
        return RolloutStatus()
    direction = "up" if desired > current else "down"
    return RolloutStatus().unstable(
        f"Waiting for HPA to complete a scale {direction}, current: {current} desired: {desired}"
    )


_RULES: dict[str, Callable[[Manifest], RolloutStatus]] = {
    "deployment": _deployment,
    "replicaSet": _replica_set,
    "statefulSet": _stateful_set,
    "daemonSet": _daemon_set,
    "pod": _pod,
    "job": _job,
    "cronJob": _cron_job,
    "horizontalpodautoscaler": _autoscaler,
}
