"""scaleManifest: how many replicas. Source: Clouddriver's `KubernetesScaleManifestOperation`."""

from typing import Any

from pydantic import BaseModel, Field, model_validator

from clouddriver.kubernetes.changes import Changes
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import Capability
from clouddriver.kubernetes.target import OnOneObject, check_can, live_object, ref_of, refused
from clouddriver.operations.context import OperationContext, OperationType


class ScaleManifest(OnOneObject):
    """The object, and how many replicas it shall have."""

    replicas: int = Field(ge=0)


class Capacity(BaseModel):
    """How large a server group shall be."""

    desired: int = Field(ge=0)


class ResizeServerGroup(OnOneObject):
    """As the server group views ask for it: `serverGroupName` in `region`."""

    capacity: Capacity

    @model_validator(mode="before")
    @classmethod
    def _in_manifest_words(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        given: dict[str, Any] = dict(body)  # pyright: ignore[reportUnknownArgumentType]
        given.setdefault("manifestName", given.get("serverGroupName"))
        given.setdefault("location", given.get("region"))
        return given


def scale_manifest(context: OperationContext, description: ScaleManifest) -> None:
    """Set the number of replicas."""
    _scale(context, description, description.replicas)


def resize_server_group(context: OperationContext, description: ResizeServerGroup) -> None:
    """Set the number of replicas to the desired capacity."""
    _scale(context, description, description.capacity.desired)


def _scale(context: OperationContext, description: OnOneObject, replicas: int) -> None:
    context.say(f"Scaling {description.manifest_name} to {replicas} replicas...")
    try:
        live_object(context, description)
        Changes(context.account, context.resources, context.marker).scale(ref_of(description), replicas)
    except KubernetesError as error:
        if error.transient:
            raise
        raise refused("Scaling", description, context, error) from error


SCALE_MANIFEST = OperationType(
    "scaleManifest",
    "SCALE_KUBERNETES_MANIFEST",
    ScaleManifest,
    scale_manifest,
    lambda description, account: check_can(Capability.SCALE, description, account),
)
RESIZE_SERVER_GROUP = OperationType(
    "resizeServerGroup",
    "RESIZE_KUBERNETES_SERVER_GROUP",
    ResizeServerGroup,
    resize_server_group,
    lambda description, account: check_can(Capability.RESIZE, description, account),
)
