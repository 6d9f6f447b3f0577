"""What applications have, from what is watched."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from kork.errors import BadRequest, NotFound

from clouddriver.applications import server_groups as views
from clouddriver.applications.instances import instance
from clouddriver.applications.landscape import (
    BALANCER_KINDS,
    CLUSTER_KINDS,
    FIREWALL_KINDS,
    GROUP_KINDS,
    MANAGER_KINDS,
    Landscape,
    load,
)
from clouddriver.applications.resource_view import PROVIDER, shown
from clouddriver.kubernetes.kinds import parse_full_name
from clouddriver.kubernetes.resources import Resource, ResourceStore

View = dict[str, Any]


class ApplicationService:
    """The views of applications."""

    def __init__(self, resources: ResourceStore) -> None:
        self._resources = resources

    def applications(self) -> list[View]:
        """List the applications that have clusters, with the clusters' names by account."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for application, account, cluster in self._resources.clusters(CLUSTER_KINDS):
            found[application][account].append(cluster)
        return [
            {"name": name, "attributes": {"name": name}, "clusterNames": {a: list(c) for a, c in clusters.items()}}
            for name, clusters in sorted(found.items(), key=lambda item: item[0].lower())
        ]

    def application(self, name: str) -> View:
        """Give one application. Raises `NotFound` when it has no clusters."""
        clusters = self.clusters(name)
        if not clusters:
            raise NotFound(f"Application does not exist (name: {name})")
        return {
            "name": name,
            "attributes": {"name": name, "cloudProviders": PROVIDER},
            "clusters": {
                account: [
                    {"name": cluster, "provider": PROVIDER, "loadBalancers": [], "serverGroups": []}
                    for cluster in names
                ]
                for account, names in clusters.items()
            },
        }

    def clusters(self, application: str) -> dict[str, list[str]]:
        """List the names of clusters by account."""
        found: dict[str, list[str]] = defaultdict(list)
        for _, account, cluster in self._resources.clusters(CLUSTER_KINDS, application=application):
            found[account].append(cluster)
        return dict(found)

    def cluster(self, application: str, account: str, name: str) -> View:
        """Give a cluster with all of its server groups. Raises `NotFound`."""
        if name not in self.clusters(application).get(account, []):
            raise NotFound(f"There is no cluster '{name}' of application '{application}' in account '{account}'.")
        groups, landscape = self._groups(application, accounts=[account], cluster=name)
        balancers = list(dict.fromkeys(name for group in groups for name in landscape.balancer_names(group)))
        shown_groups = [views.server_group(group, landscape) for group in groups]
        return views.cluster_view(account, name, application, shown_groups, balancers)

    def account_clusters(self, application: str, account: str) -> list[View]:
        """List the clusters of one account in short. Raises `NotFound` when there are none."""
        names = self.clusters(application).get(account)
        if not names:
            raise NotFound(f"Application '{application}' has no clusters in account '{account}'.")
        groups, landscape = self._groups(application, accounts=[account])
        found: list[View] = []
        for name in names:
            own = [group for group in groups if group.moniker.cluster == name]
            balancers = sorted({balancer for group in own for balancer in landscape.balancer_names(group)})
            cluster = views.cluster_view(account, name, application, [], balancers)
            cluster["account"] = account
            cluster["serverGroups"] = [shown(group)["name"] for group in own]
            found.append(cluster)
        return found

    def server_groups(
        self, application: str, *, expand: bool, clusters: Sequence[tuple[str, str]] | None = None
    ) -> list[View]:
        """List the server groups of an application, in short or (`expand`) in full."""
        groups, landscape = self._groups(application)
        if clusters is not None:
            wanted = set(clusters)
            groups = [group for group in groups if (group.account, group.moniker.cluster) in wanted]
        view = views.server_group if expand else views.server_group_summary
        return [view(group, landscape) for group in groups]

    def server_group(self, account: str, namespace: str, name: str) -> View:
        """Give one server group (`<kind> <name>`). Raises `NotFound`."""
        group = self._one(account, namespace, name, GROUP_KINDS)
        return views.server_group(group, load(self._resources, [group]))

    def target(self, groups: Sequence[View], target: str, *, only_enabled: bool, validate_oldest: bool) -> View:
        """Choose a server group by its age or size. Raises `NotFound` when none is meant."""
        usable = [group for group in groups if group["createdTime"] and not (only_enabled and group["disabled"])]
        newest_first = sorted(usable, key=lambda group: group["createdTime"], reverse=True)
        chosen = _chosen(newest_first, target.lower().split("_asg")[0], validate_oldest)
        if chosen is None:
            raise NotFound(f"No server group is the {target} one ({len(newest_first)} in all).")
        return chosen

    def managers(self, application: str) -> list[View]:
        """List what manages an application's server groups."""
        found = self._resources.list(application=application, kinds=MANAGER_KINDS)
        _, landscape = self._groups(application)
        return [views.server_group_manager(manager, landscape) for manager in found]

    def load_balancers(self, application: str) -> list[View]:
        """List the Services and Ingresses of an application."""
        found = self._resources.list(application=application, kinds=BALANCER_KINDS)
        _, landscape = self._groups(application)
        listed = [views.load_balancer(balancer, landscape) for balancer in found]
        return sorted(listed, key=lambda view: str(view["name"]).lower())

    def load_balancer(self, account: str, namespace: str, name: str) -> list[View]:
        """Give one Service or Ingress, as a list of one; of none when it is not there."""
        try:
            balancer = self._one(account, namespace, name, BALANCER_KINDS)
        except NotFound:
            return []
        in_place = self._resources.list(accounts=[account], namespaces=[namespace], kinds=["ReplicaSet"])
        return [views.load_balancer(balancer, load(self._resources, in_place))]

    def security_groups(self, account: str | None = None) -> dict[str, dict[str, dict[str, list[View]]]]:
        """List the network policies in short, by account, provider and namespace."""
        found: dict[str, dict[str, dict[str, list[View]]]] = {}
        for policy in self._resources.list(kinds=FIREWALL_KINDS, accounts=[account] if account else None):
            view = shown(policy)
            summary = {"id": view["name"], "name": view["name"]}
            by_region = found.setdefault(policy.account, {PROVIDER: {}})[PROVIDER]
            by_region.setdefault(str(view["region"]), []).append(summary)
        return found

    def security_group(self, account: str, namespace: str, name: str) -> View:
        """Give one network policy in full. Raises `NotFound`."""
        return views.security_group(self._one(account, namespace, name, FIREWALL_KINDS))

    def instance(self, account: str, namespace: str, id: str) -> View:
        """Give one pod, by its uid or as `pod <name>`. Raises `NotFound`."""
        if " " in id:
            return instance(self._one(account, namespace, id, ["Pod"]))
        found = self._resources.list(accounts=[account], namespaces=[namespace], kinds=["Pod"], uid=id)
        if not found:
            raise NotFound(f"Instance not found (id: {id})")
        return instance(found[0])

    def raw_resources(self, application: str) -> list[View]:
        """List everything that belongs to an application."""
        return [views.raw_resource(resource) for resource in self._resources.list(application=application)]

    def _groups(
        self, application: str, *, accounts: Sequence[str] | None = None, cluster: str | None = None
    ) -> tuple[list[Resource], Landscape]:
        groups = self._resources.list(application=application, kinds=GROUP_KINDS, accounts=accounts, cluster=cluster)
        return groups, load(self._resources, groups)

    def _one(self, account: str, namespace: str, full_name: str, kinds: Sequence[str]) -> Resource:
        try:
            kind, name = parse_full_name(full_name)
        except ValueError as error:
            raise NotFound(str(error)) from error
        if kind.api_kind in kinds:
            found = self._resources.list(accounts=[account], namespaces=[namespace], kinds=[kind.api_kind], name=name)
            if found:
                return found[0]
        raise NotFound(f"There is no '{full_name}' in namespace '{namespace}' for account '{account}'.")


def _chosen(newest_first: Sequence[View], target: str, validate_oldest: bool) -> View | None:
    match target:
        case "current" | "newest":
            position = 0
        case "previous" | "ancestor":
            position = 1
        case "oldest":
            position = len(newest_first) - 1
            if validate_oldest and position < 1:
                return None
        case "largest":
            return max(newest_first, key=lambda group: len(group["instances"]), default=None)
        case "fail":
            position = 0 if len(newest_first) == 1 else -1
        case _:
            raise BadRequest(f"There is no target '{target}'; use current, previous, oldest, largest or fail.")
    return newest_first[position] if 0 <= position < len(newest_first) else None
