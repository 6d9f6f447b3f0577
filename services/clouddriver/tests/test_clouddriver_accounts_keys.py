"""The remaining keys of an account: each does what it says, or is said to do nothing."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.errors import Unreachable
from clouddriver.kubernetes.settings import KubernetesAccountSettings, KubernetesSettings
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.testing.databases import migrated
from pydantic import ValidationError
from ruamel.yaml import YAML
from structlog.testing import capture_logs
from testcluster import ClusterAccess, PolicyRule

READER: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]


def account(**more: Any) -> Account:
    return Account(KubernetesAccountSettings.model_validate({"name": "main", **more}))


@pytest.fixture
def api(postgres_url: str, redis_url: str) -> Iterator[Callable[[dict[str, Any]], TestClient]]:
    settings = ClouddriverSettings.model_validate({"database": {"url": postgres_url}, "redis": {"url": redis_url}})

    def serving(kubernetes: dict[str, Any]) -> TestClient:
        chosen = settings.model_copy(
            update={"embedded": True, "kubernetes": KubernetesSettings.model_validate(kubernetes)}
        )
        return TestClient(create_app(chosen), headers={"X-SPINNAKER-USER": "alice"})

    with migrated(settings.database, "clouddriver"):
        yield serving


def test_a_pods_service_account_is_the_way_in(
    cluster: ClusterAccess, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    signed_in = YAML(typ="safe").load(cluster.service_account_kubeconfig(namespace, "pod", READER).read_text())
    authority = signed_in["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(authority))
    (tmp_path / "token").write_text(signed_in["users"][0]["user"]["token"])
    (tmp_path / "namespace").write_text(namespace)
    host, _, port = cluster.url.removeprefix("https://").rpartition(":")
    monkeypatch.setattr("clouddriver.kubernetes.kubeconfig.SERVICE_ACCOUNT_FOLDER", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    one = account(serviceAccount=True, kubeconfigFile="/ignored", context="ignored")
    assert one.client.list("ConfigMap", namespace)
    assert one.client.connection.namespace == namespace
    one.close()


def test_the_context_chooses_among_those_of_a_kubeconfig(cluster: ClusterAccess, namespace: str, tmp_path: Path):
    document = YAML(typ="safe").load(cluster.service_account_kubeconfig(namespace, "reader", READER).read_text())
    good = document["contexts"][0]
    document["contexts"] = [{"name": "elsewhere", "context": {"cluster": "none", "user": "none"}}, good]
    document["current-context"] = "elsewhere"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    one = account(kubeconfigFile=str(path), context=good["name"])
    assert one.client.list("ConfigMap", namespace)
    one.close()


def test_a_request_is_given_up_after_the_accounts_own_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = account(url=f"http://127.0.0.1:{silent.getsockname()[1]}", kubectlRequestTimeoutSeconds=0.2)
        with pytest.raises(Unreachable, match="no answer in time"):
            one.client.version()
        one.close()


def test_an_account_that_is_not_enabled_is_not_there():
    off = {"name": "off", "enabled": False}
    assert [each.name for each in Accounts(KubernetesSettings.model_validate({"accounts": [off, {"name": "on"}]}))] == [
        "on"
    ]
    assert list(Accounts(KubernetesSettings.model_validate({"enabled": False, "accounts": [{"name": "on"}]}))) == []


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("cachingPolicies", [{"kubernetesKind": "event", "maxEntriesPerAgent": 5}], "without a limit per agent"),
        ("cacheThreads", 4, "without threads"),
        ("cacheIntervalSeconds", 60, "changes are watched"),
        ("kubectlExecutable", "/kubectl", "no kubectl is started"),
        ("liveManifestCalls", True, "read live"),
        ("providerVersion", "V2", "one Kubernetes provider"),
    ],
)
def test_a_key_that_does_nothing_any_more_is_taken_with_a_word_on_what_does(key: str, value: Any, instead: str):
    with capture_logs() as logs:
        assert account(**{key: value}).name == "main"
    assert [(each["key"], instead in each["instead"]) for each in logs] == [(key, True)]


def test_what_clients_show_of_an_account_is_given_to_them(api: Callable[[dict[str, Any]], TestClient], tmp_path: Path):
    given = {
        "name": "main",
        "kubeconfigFile": str(tmp_path / "absent"),
        "environment": "prod",
        "accountType": "shop",
        "namespaces": ["a"],
        "omitKinds": ["secret"],
        "customResources": [{"kubernetesKind": "Gizmo.example.com", "spinnakerKind": "serverGroups"}],
        "dockerRegistries": [{"accountName": "hub", "namespaces": ["a"]}],
        "permissions": {"READ": ["dev"], "WRITE": ["ops"], "EXECUTE": ["ci"]},
        "requiredGroupMembership": ["old"],
        "metrics": False,
        "onlySpinnakerManaged": True,
    }
    with api({"accounts": [given]}) as client:
        [shown] = client.get("/credentials", params={"expand": True}).json()
    assert {key: shown[key] for key in given if key in shown} == {
        key: value
        for key, value in given.items()
        if key not in ("kubeconfigFile", "customResources", "requiredGroupMembership")
    } | {"requiredGroupMembership": []}
    assert shown["spinnakerKindMap"]["Gizmo.example.com"] == "serverGroups"
    assert str(tmp_path) not in json.dumps(shown)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dockerRegistries": [{"accountName": ""}]},
        {"customResources": [{}]},
        {"rawResourcesEndpointConfig": {"kindExpressions": ["a"], "omitKindExpressions": ["b"]}},
        {"proxyUrl": "socks5://x"},
        {"kubectlRequestTimeoutSeconds": 0},
        {"permissions": {"ADMIN": ["x"]}},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        account(**wrong)
