"""undoRolloutManifest: back to an earlier revision, as `kubectl rollout undo` does it.

Source: Clouddriver's `KubernetesUndoRolloutManifestOperation`; kubectl's `rollback.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import Field, model_validator

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.changes import Changes
from clouddriver.kubernetes.document import Manifest, items_at, mapping_at, namespace_of, number_at, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.field_ownership import UNDO_MANAGER
from clouddriver.kubernetes.kinds import Capability
from clouddriver.kubernetes.target import OnOneObject, check_can, live_object, ref_of, refused, where
from clouddriver.operations.context import OperationContext, OperationFailed, OperationType

REVISION = "deployment.kubernetes.io/revision"
_HASH_LABEL = "pod-template-hash"


class UndoRolloutManifest(OnOneObject):
    """The object, and the revision to go back to, or how many revisions (1 is the one before)."""

    revision: int | None = Field(default=None, ge=0)
    num_revisions_back: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_of(self) -> "UndoRolloutManifest":
        if self.revision is None and self.num_revisions_back is None:
            self.num_revisions_back = 1
        return self


@dataclass(frozen=True, slots=True)
class Revision:
    """A state that a workload had: its number, and the patch that brings it back."""

    number: int
    patch: Any
    strategy: str


def deployment_history(deployment: Manifest, replica_sets: Sequence[Manifest]) -> list[Revision]:
    """List the revisions of a Deployment, the oldest first, from the ReplicaSets that it owns."""
    found: list[Revision] = []
    for replica_set in replica_sets:
        number = text_at(replica_set, "metadata", "annotations", REVISION)
        if not _owns(deployment, replica_set) or not number.isdigit():
            continue
        template = dict(mapping_at(replica_set, "spec", "template"))
        metadata = dict(mapping_at(template, "metadata"))
        metadata["labels"] = {key: value for key, value in mapping_at(metadata, "labels").items() if key != _HASH_LABEL}
        template["metadata"] = metadata
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        found.append(Revision(int(number), patch, "json"))
    return sorted(found, key=lambda revision: revision.number)


def controller_history(owner: Manifest, revisions: Sequence[Manifest]) -> list[Revision]:
    """List the revisions of a StatefulSet or DaemonSet, the oldest first, from the ControllerRevisions that it owns."""
    found = [
        Revision(number, mapping_at(revision, "data"), "strategic")
        for revision in revisions
        if _owns(owner, revision) and (number := number_at(revision, "revision")) is not None
    ]
    return sorted(found, key=lambda revision: revision.number)


def choose_revision(history: Sequence[Revision], revision: int | None, back: int | None) -> Revision:
    """Choose the revision to go back to. Raises `ValueError` when there is none such."""
    if revision:
        found = next((item for item in history if item.number == revision), None)
        if found is None:
            known = ", ".join(str(item.number) for item in history) or "none"
            raise ValueError(f"There is no revision {revision}; the history has {known}.")
        return found
    steps = 1 if back is None else back
    index = len(history) - steps - 1
    if index < 0:
        raise ValueError(f"There are {len(history)} revision(s) in total, cannot rollback {steps}.")
    return history[index]


def undo_rollout(context: OperationContext, description: UndoRolloutManifest) -> None:
    """Bring the pods' template of an earlier revision back."""
    try:
        chosen = cast(dict[str, Any], context.decide(lambda: _choose(context, description)))
        context.say(f"Rolling {description.manifest_name} back to revision {chosen['number']}...")
        changes = Changes(context.account, context.resources, context.marker)
        changes.patch(ref_of(description), chosen["patch"], chosen["strategy"], manager=UNDO_MANAGER)
    except KubernetesError as error:
        if error.transient:
            raise
        raise refused("Rolling back", description, context, error) from error


def _choose(context: OperationContext, description: UndoRolloutManifest) -> dict[str, Any]:
    live = live_object(context, description)
    if mapping_at(live, "spec").get("paused") is True:
        raise OperationFailed(
            f"{description.manifest_name}{where(description)} is paused; resume it before rolling it back."
        )
    client = context.account.client
    if text_at(live, "kind") == "Deployment":
        history = deployment_history(live, client.list("ReplicaSet", namespace_of(live), group="apps"))
    else:
        history = controller_history(live, client.list("ControllerRevision", namespace_of(live), group="apps"))
    try:
        chosen = choose_revision(history, description.revision, description.num_revisions_back)
    except ValueError as error:
        raise OperationFailed(f"{description.manifest_name}{where(description)}: {error}") from error
    return {"number": chosen.number, "patch": chosen.patch, "strategy": chosen.strategy}


def _owns(owner: Manifest, owned: Manifest) -> bool:
    uid = text_at(owner, "metadata", "uid")
    return any(reference.get("uid") == uid for reference in items_at(owned, "metadata", "ownerReferences"))


def _check(description: UndoRolloutManifest, account: Account) -> list[str]:
    return check_can(Capability.UNDO_ROLLOUT, description, account)


UNDO_ROLLOUT_MANIFEST = OperationType(
    "undoRolloutManifest", "UNDO_ROLLOUT_KUBERNETES_MANIFEST", UndoRolloutManifest, undo_rollout, _check
)
