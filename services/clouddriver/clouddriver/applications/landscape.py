"""The objects of an application and what they have to do with each other. Pure, once loaded."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clouddriver.applications.resource_view import owners_of, selects, shelf_of, template_labels, uid_of
from clouddriver.kubernetes.annotations import AnnotationError, load_balancers_of
from clouddriver.kubernetes.document import full_name_of, mapping_at, name_of, namespace_of
from clouddriver.kubernetes.kinds import CATALOGUE, SpinnakerKind
from clouddriver.kubernetes.resources import Resource, ResourceStore

Place = tuple[str, str]


def kinds_on(*shelves: SpinnakerKind) -> list[str]:
    """List the kinds on some of Spinnaker's shelves."""
    return [kind.api_kind for kind in CATALOGUE if kind.spinnaker_kind in shelves]


GROUP_KINDS = kinds_on(SpinnakerKind.SERVER_GROUPS)
MANAGER_KINDS = kinds_on(SpinnakerKind.SERVER_GROUP_MANAGERS)
BALANCER_KINDS = kinds_on(SpinnakerKind.LOAD_BALANCERS)
FIREWALL_KINDS = kinds_on(SpinnakerKind.SECURITY_GROUPS)
CLUSTER_KINDS = [*GROUP_KINDS, *MANAGER_KINDS]


def place_of(resource: Resource) -> Place:
    """Say in which account and namespace an object is."""
    return resource.account, namespace_of(resource.manifest)


@dataclass(slots=True)
class Landscape:
    """Server groups with their pods, managers and services."""

    groups: list[Resource]
    pods: dict[str, list[Resource]] = field(default_factory=dict[str, list[Resource]])
    services: dict[Place, list[Resource]] = field(default_factory=dict[Place, list[Resource]])

    def pods_of(self, group: Resource) -> list[Resource]:
        """List the pods that a server group owns."""
        return self.pods.get(uid_of(group.manifest), [])

    def managers_of(self, group: Resource) -> list[tuple[str, str]]:
        """List who manages a server group, as (location, bare name)."""
        return [
            (namespace_of(group.manifest), str(owner.get("name")))
            for owner in owners_of(group.manifest)
            if str(owner.get("kind")) in MANAGER_KINDS
        ]

    def balancers_of(self, group: Resource) -> list[Resource]:
        """List the Services that send to a ReplicaSet's pods."""
        if str(group.manifest.get("kind")) != "ReplicaSet":
            return []
        labels = template_labels(group.manifest)
        return [
            service
            for service in self.services.get(place_of(group), [])
            if selects(mapping_at(service.manifest, "spec", "selector"), labels)
        ]

    def balancer_names(self, group: Resource) -> list[str]:
        """List the names of what sends to a server group, or is said to by its annotation."""
        related = [full_name_of(service.manifest) for service in self.balancers_of(group)]
        return list(dict.fromkeys([*related, *_annotated(group)]))

    def is_disabled(self, group: Resource) -> bool:
        """Say whether a server group that should get traffic gets none."""
        return bool(_annotated(group)) and not self.balancers_of(group)

    def groups_of_manager(self, manager: Resource) -> list[Resource]:
        """List the server groups that a manager owns."""
        uid = uid_of(manager.manifest)
        return [group for group in self.groups if uid in {owner.get("uid") for owner in owners_of(group.manifest)}]

    def groups_of_balancer(self, balancer: Resource) -> list[Resource]:
        """List the server groups that a Service sends to; an Ingress has none of its own."""
        if str(balancer.manifest.get("kind")) != "Service":
            return []
        selector = mapping_at(balancer.manifest, "spec", "selector")
        return [
            group
            for group in self.groups
            if str(group.manifest.get("kind")) == "ReplicaSet"
            and place_of(group) == place_of(balancer)
            and selects(selector, template_labels(group.manifest))
        ]


def _annotated(group: Resource) -> list[str]:
    try:
        return load_balancers_of(group.manifest)
    except AnnotationError:
        return []


def load(resources: ResourceStore, groups: Sequence[Resource]) -> Landscape:
    """Load what belongs to server groups: their pods, and the Services of their namespaces."""
    uids = [uid_of(group.manifest) for group in groups]
    pods: dict[str, list[Resource]] = defaultdict(list)
    for pod in resources.list(kinds=["Pod"], owners=uids) if uids else []:
        for owner in owners_of(pod.manifest):
            pods[str(owner.get("uid"))].append(pod)
    return Landscape(list(groups), pods=pods, services=_services(resources, groups))


def _services(resources: ResourceStore, groups: Iterable[Resource]) -> dict[Place, list[Resource]]:
    places = {place_of(group) for group in groups}
    found: dict[Place, list[Resource]] = defaultdict(list)
    if places:
        accounts, namespaces = {account for account, _ in places}, {namespace for _, namespace in places}
        for service in resources.list(accounts=sorted(accounts), kinds=["Service"], namespaces=sorted(namespaces)):
            found[place_of(service)].append(service)
    return found


def by_shelf(found: Iterable[Resource], shelf: SpinnakerKind) -> list[Resource]:
    """Keep the objects of one shelf, by name."""
    kept = [resource for resource in found if shelf_of(resource.manifest) is shelf]
    return sorted(kept, key=lambda resource: (name_of(resource.manifest).lower(), place_of(resource)))
