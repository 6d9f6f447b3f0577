"""The operations that there are, by provider and name. A new one is a new line here and a file of its own."""

import difflib
from typing import Any

from kork.errors import BadRequest

from clouddriver.kubernetes.cleanup import CLEANUP_ARTIFACTS
from clouddriver.kubernetes.delete import DELETE_MANIFEST
from clouddriver.kubernetes.deploy import DEPLOY_MANIFEST
from clouddriver.kubernetes.patch import PATCH_MANIFEST
from clouddriver.kubernetes.rollout import (
    PAUSE_ROLLOUT_MANIFEST,
    RESUME_ROLLOUT_MANIFEST,
    ROLLING_RESTART_MANIFEST,
)
from clouddriver.kubernetes.run_job import RUN_JOB
from clouddriver.kubernetes.scale import RESIZE_SERVER_GROUP, SCALE_MANIFEST
from clouddriver.kubernetes.traffic_switch import DISABLE_MANIFEST, ENABLE_MANIFEST
from clouddriver.kubernetes.undo_rollout import UNDO_ROLLOUT_MANIFEST
from clouddriver.operations.context import OperationType

KUBERNETES = "kubernetes"

_KUBERNETES: tuple[OperationType[Any], ...] = (
    DEPLOY_MANIFEST,
    DELETE_MANIFEST,
    SCALE_MANIFEST,
    RESIZE_SERVER_GROUP,
    UNDO_ROLLOUT_MANIFEST,
    PAUSE_ROLLOUT_MANIFEST,
    RESUME_ROLLOUT_MANIFEST,
    ROLLING_RESTART_MANIFEST,
    PATCH_MANIFEST,
    CLEANUP_ARTIFACTS,
    ENABLE_MANIFEST,
    DISABLE_MANIFEST,
    RUN_JOB,
)
_CATALOGUE: dict[str, dict[str, OperationType[Any]]] = {
    KUBERNETES: {operation.name: operation for operation in _KUBERNETES},
}


def require_provider(provider: str) -> str:
    """Give the provider's id; raise `BadRequest` naming those that there are."""
    if provider not in _CATALOGUE:
        known = ", ".join(f"'{name}'" for name in sorted(_CATALOGUE))
        raise BadRequest(f"There is no cloud provider '{provider}' (providers: {known}).")
    return provider


def operation_named(provider: str, name: str) -> OperationType[Any]:
    """Find an operation; raise `BadRequest` naming the nearest one. A trailing `Description` is the same operation."""
    known = _CATALOGUE[require_provider(provider)]
    found = known.get(name) or known.get(name.removesuffix("Description"))
    if found is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(sorted(known))}."
        raise BadRequest(f"The provider '{provider}' has no operation '{name}'.{hint}")
    return found


def operation_names() -> list[str]:
    """List the names of all operations."""
    return sorted({name for operations in _CATALOGUE.values() for name in operations})
