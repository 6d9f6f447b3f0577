"""The object that an operation is about, by its full name and its place."""

from typing import Any

from pydantic import Field, field_validator

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.changes import ref_to
from clouddriver.kubernetes.document import Manifest
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.intake import require_kind, require_namespace
from clouddriver.kubernetes.kinds import Capability, Kind, full_name, parse_full_name
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.operations.context import Description, OperationContext, OperationFailed

CLUSTER_WIDE = "_"


class OnOneObject(Description):
    """An operation on one object: `manifestName` is `<kind> <name>`, `location` its namespace."""

    manifest_name: str = Field(default="")
    location: str = ""

    @field_validator("manifest_name", "location", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return "" if value is None else value

    @property
    def namespace(self) -> str:
        """Give the namespace; empty for what is cluster-wide."""
        return "" if self.location == CLUSTER_WIDE else self.location

    def target(self) -> tuple[Kind, str]:
        """Give the object's kind and name. Raises `ValueError` when `manifestName` is not `<kind> <name>`."""
        return parse_full_name(self.manifest_name)


def check_target(description: OnOneObject, account: Account) -> list[str]:
    """Name what is wrong with the object's name and place."""
    try:
        kind, name = description.target()
        require_namespace(account, description.namespace, full_name(kind, name))
        require_kind(account, kind)
    except ValueError as error:
        return [str(error)]
    return []


def check_can(capability: Capability, description: OnOneObject, account: Account) -> list[str]:
    """As `check_target`, for an operation that only some kinds can take."""
    faults = check_target(description, account)
    if not faults and not description.target()[0].can(capability):
        faults.append(f"Resource with name '{description.manifest_name}' does not support {capability}.")
    return faults


def ref_of(description: OnOneObject) -> ResourceRef:
    """Give the object's place."""
    kind, name = description.target()
    return ref_to(kind, name, description.namespace)


def live_object(context: OperationContext, description: OnOneObject) -> Manifest:
    """Read the object. Raises `OperationFailed` when there is none."""
    ref = ref_of(description)
    live = context.account.client.get(ref)
    if live is None:
        raise OperationFailed(
            f"There is no {description.manifest_name}{where(description)} of account '{context.account.name}'."
        )
    return live


def refused(doing: str, description: OnOneObject, context: OperationContext, error: KubernetesError) -> OperationFailed:
    """Say that the API server refused an operation, in its words."""
    end = "" if error.message.endswith((".", "!", "?")) else "."
    return OperationFailed(
        f"{doing} {description.manifest_name}{where(description)} of account '{context.account.name}' failed: "
        f"{error.message}{end} ({error.reason})",
        reason=error.reason,
    )


def where(description: OnOneObject) -> str:
    """Say where, for a message; nothing for what is cluster-wide."""
    return f" in namespace '{description.namespace}'" if description.namespace else ""
