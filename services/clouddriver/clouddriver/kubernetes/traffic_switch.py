"""enableManifest and disableManifest: a workload behind its services, or not.

Source: Clouddriver's `KubernetesEnableManifestOperation` and `KubernetesDisableManifestOperation`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field, field_validator

from clouddriver.kubernetes import traffic
from clouddriver.kubernetes.annotations import AnnotationError, load_balancers_of
from clouddriver.kubernetes.changes import Changes, ref_to
from clouddriver.kubernetes.document import Manifest, items_at, mapping_at, name_of, namespace_of, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import Capability, parse_full_name
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.kubernetes.target import OnOneObject, check_can, live_object, refused, where
from clouddriver.operations.context import OperationContext, OperationFailed, OperationType

_Patch = Callable[[dict[str, Any], str, dict[str, str]], list[dict[str, Any]]]


class SwitchTraffic(OnOneObject):
    """The workload, and the services (`service shop`); without any, those that its annotation names."""

    load_balancers: list[str] = Field(default_factory=list)

    @field_validator("load_balancers", mode="before")
    @classmethod
    def _absent_balancers(cls, value: Any) -> Any:
        return [] if value is None else value


def enable_manifest(context: OperationContext, description: SwitchTraffic) -> None:
    """Put the workload and its pods behind the services."""
    _switch(context, description, "Enabling", traffic.enabling_patch)


def disable_manifest(context: OperationContext, description: SwitchTraffic) -> None:
    """Take the workload and its pods from behind the services."""
    _switch(context, description, "Disabling", traffic.disabling_patch)


def _switch(context: OperationContext, description: SwitchTraffic, doing: str, patch_for: _Patch) -> None:
    changes = Changes(context.account, context.resources, context.marker)
    try:
        workload = live_object(context, description)
        for balancer in description.load_balancers or load_balancers_of(workload):
            context.say(f"{doing} {description.manifest_name} at {balancer}...")
            selector = _selector(context, balancer, description)
            for item in (workload, *_pods_of(context, workload)):
                path = traffic.labels_path(item)
                patch = patch_for(traffic.labels_at(item, path), path, selector)
                if patch:
                    changes.patch(ResourceRef.of(item), patch, "json")
            workload = live_object(context, description)
    except (ValueError, AnnotationError, traffic.TrafficError) as error:
        raise OperationFailed(f"{doing} {description.manifest_name} is not possible: {error}") from error
    except KubernetesError as error:
        if error.transient:
            raise
        raise refused(doing, description, context, error) from error


def _selector(context: OperationContext, balancer: str, description: OnOneObject) -> dict[str, str]:
    kind, name = parse_full_name(balancer if " " in balancer else f"service {balancer}")
    service = context.account.client.get(ref_to(kind, name, description.namespace))
    if service is None:
        raise traffic.TrafficError(f"There is no {balancer}{where(description)}.")
    return traffic.selector_of(service)


def _pods_of(context: OperationContext, workload: Manifest) -> Iterator[Manifest]:
    """List the pods of a ReplicaSet: those of other workloads come anew with the changed template."""
    if text_at(workload, "kind") != "ReplicaSet":
        return
    labels = mapping_at(workload, "spec", "selector", "matchLabels")
    query = ",".join(f"{key}={value}" for key, value in labels.items())
    for pod in context.account.client.list("Pod", namespace_of(workload), group="", label_selector=query):
        owners = items_at(pod, "metadata", "ownerReferences")
        if any(owner.get("kind") == "ReplicaSet" and owner.get("name") == name_of(workload) for owner in owners):
            yield pod


def _type(
    name: str, phase: str, run: Callable[[OperationContext, SwitchTraffic], None]
) -> OperationType[SwitchTraffic]:
    return OperationType(
        name,
        phase,
        SwitchTraffic,
        run,
        lambda description, account: check_can(Capability.TRAFFIC, description, account),
    )


ENABLE_MANIFEST = _type("enableManifest", "ENABLE_MANIFEST", enable_manifest)
DISABLE_MANIFEST = _type("disableManifest", "DISABLE_MANIFEST", disable_manifest)
