"""Which workloads a service's selector finds, and what that means for versions."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.traffic import is_behind
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.ids import new_ulid
from kork.testing.databases import migrated
from testcluster import ClusterAccess

Deploy = Callable[..., Any]


def replica_set(version: str = "1", **labels: str) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"} | labels},
        "spec": {"containers": [{"name": "web", "image": f"web:{version}"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(
    ("workload", "selectors", "behind"),
    [
        (replica_set(traffic="web"), [{"traffic": "web"}], True),
        (replica_set(traffic="other"), [{"traffic": "web"}], False),
        (replica_set(), [{"traffic": "web"}], False),
        (replica_set(traffic="web"), [{"traffic": "web"}, {"canary": "web"}], False),
        (replica_set(), [], True),
        ({"kind": "Pod", "metadata": {"labels": {"traffic": "web"}}}, [{"traffic": "web"}], True),
        ({"kind": "Pod"}, [{"traffic": "web"}], False),
    ],
)
def test_a_workload_is_behind_services_that_find_its_pods(
    workload: dict[str, Any], selectors: list[dict[str, str]], behind: bool
):
    assert is_behind(workload, selectors) is behind


@pytest.fixture
def run(cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str) -> Iterator[Deploy]:
    """Run an operation on a real cluster; gives the task."""
    accounts = [{"name": "k8s", "kubeconfigFile": str(cluster.kubeconfig)}]
    settings = ClouddriverSettings.model_validate(
        {
            "embedded": True,
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "kubernetes": {"accounts": accounts},
        }
    )
    with migrated(settings.database, "clouddriver"), TestClient(create_app(settings)) as api:
        runner = OperationRunner(
            Database(settings.database, schema="clouddriver"), Accounts(settings.kubernetes), settings.kubernetes
        )

        def run(operation: str, **description: Any) -> dict[str, Any]:
            body = [{operation: {"account": "k8s", "moniker": {"app": "shop"}, **description}}]
            id = api.post("/kubernetes/ops", params={"clientRequestId": new_ulid()}, json=body).json()["id"]
            runner.run(id)
            return api.get(f"/task/{id}").json()

        yield run


@pytest.mark.cluster
def test_a_version_is_used_again_only_when_its_traffic_is_as_wanted(run: Deploy, namespace: str):
    def deploy(version: str, **more: Any) -> list[str]:
        options = {"services": ["service web"], "namespaceOverride": namespace} | more
        task = run("deployManifest", manifests=[replica_set(version)], **options)
        assert task["status"]["failed"] is False, task
        return task["resultObjects"][0]["manifestNamesByNamespace"][namespace]

    assert deploy("1", enableTraffic=False) == ["replicaSet web-v000"]
    spec = {"selector": {"traffic": "web"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    run("deployManifest", manifests=[service], namespaceOverride=namespace)
    assert deploy("1") == ["replicaSet web-v001"]
    assert deploy("1") == ["replicaSet web-v001"]
    assert deploy("1", enableTraffic=False) == ["replicaSet web-v000"]
    run("disableManifest", manifestName="replicaSet web-v001", location=namespace)
    assert deploy("1") == ["replicaSet web-v002"]
    assert deploy("1", services=[]) == ["replicaSet web-v000"]
