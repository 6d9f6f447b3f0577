"""pauseRolloutManifest, resumeRolloutManifest, rollingRestartManifest.

Source: Clouddriver's operations of these names; kubectl's `rollout pause|resume|restart`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from clouddriver.kubernetes.changes import Changes
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import Capability
from clouddriver.kubernetes.target import OnOneObject, check_can, live_object, ref_of, refused
from clouddriver.operations.context import OperationContext, OperationFailed, OperationType

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def pause_rollout(context: OperationContext, description: OnOneObject) -> None:
    """Keep a Deployment from rolling changes out."""
    _set_paused(context, description, True)


def resume_rollout(context: OperationContext, description: OnOneObject) -> None:
    """Let a Deployment roll changes out again."""
    _set_paused(context, description, False)


def rolling_restart(context: OperationContext, description: OnOneObject) -> None:
    """Replace all pods, as the workload's strategy has it."""
    moment: str = context.decide(lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: moment}}}}}
    _patch(context, description, patch, "Restarting")


def _set_paused(context: OperationContext, description: OnOneObject, paused: bool) -> None:
    doing = "Pausing" if paused else "Resuming"
    if description.target()[0].name != "deployment":
        raise OperationFailed(f"{doing} {description.manifest_name} is not possible: only a Deployment can be paused.")
    _patch(context, description, {"spec": {"paused": paused or None}}, doing)


def _patch(context: OperationContext, description: OnOneObject, patch: dict[str, Any], doing: str) -> None:
    context.say(f"{doing} {description.manifest_name}...")
    try:
        live_object(context, description)
        Changes(context.account, context.resources, context.marker).patch(ref_of(description), patch)
    except KubernetesError as error:
        if error.transient:
            raise
        raise refused(doing, description, context, error) from error


def _type(
    name: str, phase: str, run: Callable[[OperationContext, OnOneObject], None], capability: Capability
) -> OperationType[OnOneObject]:
    return OperationType(
        name, phase, OnOneObject, run, lambda description, account: check_can(capability, description, account)
    )


PAUSE_ROLLOUT_MANIFEST = _type(
    "pauseRolloutManifest", "PAUSE_ROLLOUT_KUBERNETES_MANIFEST", pause_rollout, Capability.PAUSE_ROLLOUT
)
RESUME_ROLLOUT_MANIFEST = _type(
    "resumeRolloutManifest", "RESUME_ROLLOUT_KUBERNETES_MANIFEST", resume_rollout, Capability.RESUME_ROLLOUT
)
ROLLING_RESTART_MANIFEST = _type(
    "rollingRestartManifest", "ROLLING_RESTART_KUBERNETES_MANIFEST", rolling_restart, Capability.ROLLING_RESTART
)
