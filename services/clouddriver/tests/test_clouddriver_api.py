"""Clouddriver's read API over a real cluster: the shapes that Spinnaker's clients read."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.testing.databases import migrated
from testcluster import ClusterAccess

Wait = Callable[..., None]


@pytest.fixture
def api(cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str) -> Iterator[TestClient]:
    settings = ClouddriverSettings.model_validate(
        {
            "embedded": True,
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "kubernetes": {
                "accounts": [
                    {
                        "name": "main",
                        "kubeconfigFile": str(cluster.kubeconfig),
                        "namespaces": [namespace],
                        "omitKinds": ["podDisruptionBudget"],
                        "permissions": {"READ": ["team"], "WRITE": ["ops"]},
                        "environment": "prod",
                    }
                ]
            },
            "credentials": {"challengeDestructiveActionsEnvironments": ["prod"]},
        }
    )
    with (
        migrated(settings.database, "clouddriver"),
        TestClient(create_app(settings), headers={"X-SPINNAKER-USER": "alice"}) as client,
    ):
        yield client


def workload(kind: str, name: str, namespace: str, cluster: str, replicas: int = 2) -> dict[str, Any]:
    moniker = {"moniker.spinnaker.io/application": "shop", "moniker.spinnaker.io/cluster": cluster}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations": moniker},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": moniker},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
            },
        },
    }


def service(name: str, namespace: str, selected: str) -> dict[str, Any]:
    moniker = {"moniker.spinnaker.io/application": "shop", "moniker.spinnaker.io/cluster": f"service {name}"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": moniker},
        "spec": {"selector": {"app": selected}, "ports": [{"port": 80}]},
    }


def policy(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {},
            "ingress": [{"ports": [{"port": 80}, {"port": 8000, "endPort": 8010, "protocol": "UDP"}, {"port": "web"}]}],
        },
    }


def test_credentials_show_accounts_without_what_is_secret(api: TestClient, namespace: str, cluster: ClusterAccess):
    (short,) = api.get("/credentials").json()
    assert (short["name"], short["type"], short["cloudProvider"]) == ("main", "kubernetes", "kubernetes")
    assert (short["challengeDestructiveActions"], short["primaryAccount"]) == (True, False)
    assert short["permissions"] == {"READ": ["team"], "WRITE": ["ops"]}
    (full,) = api.get("/credentials", params={"expand": "true"}).json()
    assert full["namespaces"] == [namespace]
    assert full["spinnakerKindMap"]["replicaSet"] == "serverGroups"
    assert full["dockerRegistries"] == []
    one = api.get("/credentials/main").json()
    assert one["health"]["name"] == "main"
    assert str(cluster.kubeconfig) not in api.get("/credentials?expand=true").text
    assert api.get("/credentials/main/authorized").status_code == 403
    unknown = api.get("/credentials/nope")
    assert (unknown.status_code, "accounts: 'main'" in unknown.json()["message"]) == (404, True)


def test_a_rollout_is_followed_through_its_manifest(
    api: TestClient, cluster: ClusterAccess, namespace: str, wait_until: Wait
):
    cluster.apply(workload("Deployment", "web", namespace, "deployment web"))
    path = f"/manifests/main/{namespace}/deployment web"
    wait_until(lambda: api.get(path).json()["status"]["stable"]["state"])
    found = api.get(path).json()
    assert (found["account"], found["name"], found["location"]) == ("main", "deployment web", namespace)
    assert found["moniker"]["app"] == "shop"
    assert found["manifest"]["status"]["readyReplicas"] == 2
    assert set(found["status"]) == {"stable", "paused", "available", "failed"}
    assert found["artifacts"] == [{"type": "docker/image", "name": "nginx", "reference": "nginx:1.27"}]
    wait_until(lambda: "ScalingReplicaSet" in [event["reason"] for event in api.get(path).json()["events"]])
    assert (found["warnings"], found["metrics"]) == ([], [])
    assert api.get(path, params={"includeEvents": "false"}).json()["events"] == []
    for spelling in ("Deployment web", "deploy web", "Deployment.apps web"):
        assert api.get(f"/manifests/main/{namespace}/{spelling}").json()["name"] == "deployment web"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/manifests/nope/{ns}/deployment web", 404, "There is no account 'nope'"),
        ("/manifests/main/{ns}/deployment absent", 404, "There is no deployment 'absent'"),
        ("/manifests/main/{ns}/deployment", 404, "must be '<kind> <name>'"),
        ("/manifests/main/{ns}/a b c", 404, "must be '<kind> <name>'"),
        ("/manifests/main/{ns}/gizmo x", 404, "no kind 'gizmo'"),
        ("/manifests/main/elsewhere/deployment web", 403, "not for namespace 'elsewhere'"),
        ("/manifests/main/{ns}/podDisruptionBudget x", 403, "not for kind 'podDisruptionBudget'"),
        ("/manifests/main/{ns}/replicaSet/cluster/shop/x/dynamic/biggest", 400, "use one of oldest"),
        ("/manifests/main/{ns}/replicaSet/cluster/shop/x/dynamic/newest", 404, "There is no newest replicaSet"),
        ("/applications/nothing", 404, "Application does not exist (name: nothing)"),
        ("/serverGroups", 400, "either 'applications' or 'ids'"),
        ("/serverGroups/main/{ns}/replicaSet nope", 404, "There is no 'replicaSet nope'"),
        ("/instances/main/{ns}/nope", 404, "Instance not found (id: nope)"),
        ("/applications/a%00b", 400, "NUL"),
        ("/search?type=instances&q=a%00b", 400, "NUL"),
        ("/manifests/main/{ns}/pod ..%2F..", 404, "There is no pod"),
        ("/manifests/main/{ns}/pod x%3Fwatch=1", 404, "There is no pod"),
        ("/applications/shop/clusters/main/nope/kubernetes", 404, "There is no cluster 'nope'"),
    ],
)
def test_what_is_not_there_is_a_clear_4xx(api: TestClient, namespace: str, path: str, status: int, says: str):
    answer = api.get(path.format(ns=namespace))
    assert answer.status_code == status
    assert says in answer.json()["message"]


def test_an_object_without_namespace_is_read_both_ways(api: TestClient, namespace: str):
    for path in (f"/manifests/main/namespace {namespace}", f"/manifests/main/_/namespace {namespace}"):
        found = api.get(path).json()
        assert (found["name"], found["location"]) == (f"namespace {namespace}", "")


def test_targets_of_a_cluster_are_chosen_by_age_and_size(api: TestClient, cluster: ClusterAccess, namespace: str):
    for name, replicas in (("web-v000", 3), ("web-v001", 1)):
        cluster.apply(workload("ReplicaSet", name, namespace, "replicaSet web", replicas))
    base = f"/manifests/main/{namespace}/replicaSet/cluster/shop/replicaSet web"
    chosen = {c: api.get(f"{base}/dynamic/{c}").json()["name"] for c in ("largest", "smallest")}
    assert chosen == {"largest": "web-v000", "smallest": "web-v001"}
    names = sorted(found["name"] for found in api.get(base).json())
    assert names == ["web-v000", "web-v001"]
    assert api.get(f"{base}/dynamic/newest").json().keys() == {"kind", "namespace", "name"}


def test_an_application_shows_its_clusters_server_groups_managers_and_balancers(
    api: TestClient, cluster: ClusterAccess, namespace: str, wait_until: Wait
):
    cluster.apply(
        workload("Deployment", "web", namespace, "deployment web"),
        workload("StatefulSet", "db", namespace, "statefulSet db", 1),
        service("front", namespace, "web"),
        policy("wall", namespace),
    )

    def groups() -> dict[str, dict[str, Any]]:
        return {g["displayName"].split("-")[0]: g for g in api.get("/applications/shop/serverGroups").json()}

    wait_until(lambda: {"web", "db"} <= groups().keys() and groups()["web"]["instanceCounts"]["up"] == 2)
    wait_until(lambda: api.get("/applications/shop/loadBalancers").json())
    web = groups()["web"]
    assert (web["cluster"], web["account"], web["region"]) == ("deployment web", "main", namespace)
    assert (web["type"], web["cloudProvider"], web["isDisabled"]) == ("kubernetes", "kubernetes", False)
    assert web["capacity"]["desired"] == 2
    assert web["loadBalancers"] == ["service front"]
    assert web["serverGroupManagers"] == [{"account": "main", "location": namespace, "name": "web"}]
    assert web["buildInfo"] == {"images": ["nginx:1.27"]}
    assert web["moniker"]["app"] == web["application"] == "shop"
    instance = web["instances"][0]
    assert (instance["healthState"], instance["availabilityZone"]) == ("Up", namespace)
    assert instance["health"][0] == {"state": "Up", "source": "Pod", "type": "kubernetes/pod", "platform": "platform"}

    detail = api.get(f"/serverGroups/main/{namespace}/{web['name']}").json()
    assert (detail["disabled"], detail["zones"], detail["launchConfig"]) == (False, [], {})
    assert detail["instances"][0]["humanReadableName"].startswith("pod web-")
    pod = api.get(f"/instances/main/{namespace}/{instance['name']}").json()
    assert pod["name"] == instance["id"] == api.get(f"/instances/main/{namespace}/{instance['id']}").json()["name"]

    (manager,) = api.get("/applications/shop/serverGroupManagers").json()
    assert (manager["name"], manager["kind"]) == ("deployment web", "deployment")
    assert [group["name"] for group in manager["serverGroups"]] == [web["name"]]

    (balancer,) = api.get("/applications/shop/loadBalancers").json()
    behind = balancer["serverGroups"][0]
    assert (balancer["name"], behind["name"], behind["detachedInstances"]) == ("service front", web["name"], [])
    assert {one["health"]["state"] for one in behind["instances"]} == {"Up"}
    (again,) = api.get(f"/kubernetes/loadBalancers/main/{namespace}/service front").json()
    assert again["serverGroups"] == balancer["serverGroups"]

    assert api.get("/applications/shop/clusters").json() == {"main": ["deployment web", "statefulSet db"]}
    one = api.get("/applications/shop/clusters/main/deployment web/kubernetes").json()
    assert [group["name"] for group in one["serverGroups"]] == [web["name"]]
    target = f"/applications/shop/clusters/main/deployment web/kubernetes/{namespace}/serverGroups/target"
    assert api.get(f"{target}/CURRENT").json()["name"] == web["name"]
    assert api.get(f"{target}/PREVIOUS").status_code == 404
    only = api.get("/applications/shop/serverGroups", params={"clusters": "main:statefulSet db"}).json()
    assert [group["name"] for group in only] == ["statefulSet db"]
    assert api.get("/applications/shop/serverGroups", params={"clusters": ""}).json() == []

    listed = {application["name"]: application for application in api.get("/applications").json()}
    assert listed["shop"]["clusterNames"] == {"main": ["deployment web", "statefulSet db"]}
    shop = api.get("/applications/shop").json()
    assert shop["attributes"]["cloudProviders"] == "kubernetes"
    assert [cluster["name"] for cluster in shop["clusters"]["main"]] == ["deployment web", "statefulSet db"]

    walls = api.get("/securityGroups").json()["main"]["kubernetes"][namespace]
    assert walls == [{"id": "networkPolicy wall", "name": "networkPolicy wall"}]
    wall = api.get(f"/securityGroups/main/kubernetes/{namespace}/networkPolicy wall").json()
    assert wall["inboundRules"] == [
        {"protocol": "TCP", "portRanges": [{"startPort": 80, "endPort": 80}]},
        {"protocol": "UDP", "portRanges": [{"startPort": 8000, "endPort": 8010}]},
        {"protocol": "TCP", "portRanges": [{"startPortName": "web", "endPortName": "web"}]},
    ]
    (searched,) = api.get("/search", params={"q": "WEB", "type": ["serverGroups", "instances"]}).json()
    assert {one["type"] for one in searched["results"]} == {"serverGroups", "instances"}
    assert searched["results"][0]["serverGroup"] == web["name"]
    (searched,) = api.get("/search", params={"q": "sho", "type": "applications"}).json()
    assert [one["application"] for one in searched["results"]] == ["shop"]
    assert {"deployment web", "service front"} <= {
        raw["name"] for raw in api.get("/applications/shop/rawResources").json()
    }


def test_a_console_shows_each_container_or_why_not(
    api: TestClient, cluster: ClusterAccess, namespace: str, wait_until: Wait
):
    cluster.apply(workload("StatefulSet", "db", namespace, "statefulSet db", 1))
    path = f"/instances/main/{namespace}/pod db-0/console"
    wait_until(lambda: api.get(path).json()["output"][0]["name"] == "web")
    gone = api.get(f"/instances/main/{namespace}/pod nope/console").json()["output"]
    assert gone == [{"name": "Error", "output": "Failed to retrieve pod data; pod may have been deleted."}]
    assert api.get("/instances/main/elsewhere/pod db-0/console").status_code == 403


def test_a_refresh_has_nothing_to_do_and_what_is_watched_is_listed(api: TestClient, namespace: str, wait_until: Wait):
    assert api.post("/cache/kubernetes/Manifest", json={}).json() == {"cachedIdentifiersByType": {}}
    assert api.get("/cache/kubernetes/Manifest").json() == []
    wait_until(lambda: api.get("/accounts/health").json()[0]["status"] == "UP")
    listed = {item["id"]: item["details"]["state"] for item in api.get("/cache/introspection").json()}
    assert listed[f"main/deployment/{namespace}"] == "WATCHING"
