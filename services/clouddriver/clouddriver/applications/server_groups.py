"""Workloads as server groups, and Deployments as their managers. Pure.

Source: Spinnaker's Clouddriver, `KubernetesServerGroup` and the summary that Deck's clusters view reads.
"""

from typing import Any

from clouddriver.applications.instances import instance, instance_counts, instance_summary
from clouddriver.applications.landscape import Landscape
from clouddriver.applications.resource_view import PROVIDER, shown
from clouddriver.kubernetes.document import items_at, mapping_at, number_at
from clouddriver.kubernetes.manifest import Manifest
from clouddriver.kubernetes.resources import Resource


def images_of(manifest: Manifest) -> list[str]:
    """List the images of a workload's pod template, each once."""
    template = mapping_at(manifest, "spec", "template") or mapping_at(
        manifest, "spec", "jobTemplate", "spec", "template"
    )
    containers = items_at(template, "spec", "initContainers") + items_at(template, "spec", "containers")
    images = [container.get("image") for container in containers]
    return list(dict.fromkeys(image for image in images if isinstance(image, str)))


def server_group_summary(group: Resource, landscape: Landscape) -> dict[str, Any]:
    """Give a server group as the list of an application's server groups shows it."""
    pods = landscape.pods_of(group)
    return _common(group, landscape) | {
        "application": group.moniker.app,
        "instances": [instance_summary(pod) for pod in pods],
        "isDisabled": landscape.is_disabled(group),
        "vpcId": None,
        "instanceType": None,
        "tags": None,
        "providerMetadata": None,
        "targetGroups": None,
    }


def server_group(group: Resource, landscape: Landscape) -> dict[str, Any]:
    """Give a server group with all that is known of it."""
    common = _common(group, landscape)
    build = common["buildInfo"]
    summary = {
        "serverGroupName": common["displayName"],
        "imageId": None,
        "imageName": None,
        "image": None,
        "buildInfo": build,
    }
    return common | {
        "application": group.moniker.app,
        "accountName": group.account,
        "stack": group.moniker.stack,
        "freeFormDetail": group.moniker.detail,
        "instances": [instance(pod) for pod in landscape.pods_of(group)],
        "disabled": landscape.is_disabled(group),
        "isDisabled": landscape.is_disabled(group),
        "zones": [],
        "launchConfig": {},
        "imageSummary": None,
        "imagesSummary": {"summaries": [summary]},
        "insightActions": [],
    }


def _common(group: Resource, landscape: Landscape) -> dict[str, Any]:
    return shown(group) | {
        "type": PROVIDER,
        "cluster": group.moniker.cluster,
        "capacity": {
            "desired": number_at(group.manifest, "spec", "replicas") or 0,
            "min": None,
            "max": None,
            "pinned": False,
        },
        "instanceCounts": instance_counts(landscape.pods_of(group)),
        "loadBalancers": landscape.balancer_names(group),
        "securityGroups": [],
        "serverGroupManagers": [
            {"account": group.account, "location": location, "name": name}
            for location, name in landscape.managers_of(group)
        ],
        "buildInfo": {"images": images_of(group.manifest)},
    }


def server_group_manager(manager: Resource, landscape: Landscape) -> dict[str, Any]:
    """Give a Deployment with the server groups that it manages."""
    groups: list[dict[str, Any]] = []
    for group in landscape.groups_of_manager(manager):
        view = shown(group)
        groups.append({key: view[key] for key in ("name", "account", "namespace", "region", "moniker")})
    return shown(manager) | {"serverGroups": groups}


def load_balancer(balancer: Resource, landscape: Landscape) -> dict[str, Any]:
    """Give a Service or Ingress with the server groups that it sends to."""
    return shown(balancer) | {
        "type": PROVIDER,
        "serverGroups": [_behind(group, landscape) for group in landscape.groups_of_balancer(balancer)],
    }


def _behind(group: Resource, landscape: Landscape) -> dict[str, Any]:
    view = shown(group)
    instances: list[dict[str, Any]] = []
    for pod in landscape.pods_of(group):
        summary = instance_summary(pod)
        # One object here, where other views have a list; later sources win.
        health = {key: value for item in summary["health"] for key, value in item.items()}
        instances.append(
            {"id": summary["id"], "name": summary["name"], "zone": summary["availabilityZone"], "health": health}
        )
    return {
        "name": view["name"],
        "account": view["account"],
        "region": view["region"],
        "cloudProvider": PROVIDER,
        "isDisabled": landscape.is_disabled(group),
        "instances": instances,
        "detachedInstances": [],
    }


def security_group(policy: Resource) -> dict[str, Any]:
    """Give a NetworkPolicy; its rules list ports only."""
    view = shown(policy)
    return view | {
        "id": view["name"],
        "accountName": policy.account,
        "application": policy.moniker.app,
        "type": PROVIDER,
        "inboundRules": _rules(policy.manifest, "ingress"),
        "outboundRules": _rules(policy.manifest, "egress"),
        "summary": {"id": view["name"], "name": view["name"]},
    }


def _rules(policy: Manifest, direction: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for rule in items_at(policy, "spec", direction):
        for port in items_at(rule, "ports"):
            number, last = port.get("port"), port.get("endPort")
            if isinstance(number, int):
                ranges: list[dict[str, Any]] | None = [{"startPort": number, "endPort": last or number}]
            elif isinstance(number, str):
                ranges = [{"startPortName": number, "endPortName": number}]
            else:
                ranges = None
            found.append({"protocol": port.get("protocol") or "TCP", "portRanges": ranges})
    return found


def raw_resource(resource: Resource) -> dict[str, Any]:
    """Give any object in the short form of the raw resources view."""
    return {key: value for key, value in shown(resource).items() if key != "cloudProvider"}


def cluster_view(
    account: str, name: str, application: str, groups: list[dict[str, Any]], balancers: list[str]
) -> dict[str, Any]:
    """Give a cluster with its server groups."""
    return {
        "name": name,
        "type": PROVIDER,
        "accountName": account,
        "application": application,
        "moniker": {"app": application, "cluster": name, "stack": None, "detail": None, "sequence": None},
        "serverGroups": groups,
        "loadBalancers": balancers,
    }
