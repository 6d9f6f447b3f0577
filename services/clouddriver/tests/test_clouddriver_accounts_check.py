"""Checking an account: what it may do, what is missing, and that the manifest given mends it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.access.check import AccountCheck, check_account, present
from clouddriver.kubernetes.access.manifests import rbac_objects, rules_for
from clouddriver.kubernetes.access.needs import Need, kinds_not_served, needs_of
from clouddriver.kubernetes.access.review import allowed_by
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.discovery import Kinds, ServedKind
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.testing.databases import migrated
from testcluster import ClusterAccess, PolicyRule

Wait = Callable[..., Any]
READER: list[PolicyRule] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
ALL_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})


def account(**more: Any) -> Account:
    return Account(KubernetesAccountSettings.model_validate({"name": "Main", **more}))


def served(kind: str, group: str = "", *, namespaced: bool = True) -> ServedKind:
    return ServedKind(kind, group, "v1", f"{kind.lower()}s", namespaced, ALL_VERBS)


KINDS = Kinds(
    [
        served("Namespace", namespaced=False),
        served("Pod"),
        served("Event"),
        served("StatefulSet", "apps"),
        served("ControllerRevision", "apps"),
        served("Role", "rbac.authorization.k8s.io"),
        served("Gizmo", "example.com", namespaced=False),
    ]
)


@pytest.mark.parametrize(
    ("more", "purpose", "resource", "verbs"),
    [
        ({}, "view", "pods", "get list watch"),
        ({}, "deploy", "pods", "get list watch create update patch delete"),
        ({}, "deploy", "pods/log", "get"),
        ({}, "deploy", "namespaces", "get list watch"),
        ({}, "deploy", "roles", "get list watch"),
        ({}, "deploy", "events", "list"),
        ({}, "deploy", "controllerrevisions", "list"),
        ({}, "view", "controllerrevisions", None),
        ({"omitKinds": ["statefulSet"]}, "deploy", "controllerrevisions", None),
        ({"omitKinds": ["pod"]}, "deploy", "pods/log", None),
        ({"namespaces": ["a"]}, "deploy", "namespaces", None),
        ({}, "deploy", "gizmos", None),
        ({"customResources": [{"kubernetesKind": "Gizmo.example.com"}]}, "view", "gizmos", "get list watch"),
    ],
)
def test_what_an_account_needs_follows_from_its_settings(
    more: dict[str, Any], purpose: Any, resource: str, verbs: str | None
):
    found = {need.resource: " ".join(need.verbs) for need in needs_of(account(**more), KINDS, purpose)}
    assert found.get(resource) == verbs


def test_kinds_that_the_cluster_has_not_are_named():
    named = account(kinds=["pod", "Widget.example.com"], customResources=[{"kubernetesKind": "Gizmo.example.com"}])
    assert kinds_not_served(named, KINDS) == ["Widget.example.com"]


POD_LOG = Need("Pod log", "", "pods/log", True, ("get",))
PODS = Need("Pod", "", "pods", True, ("get", "list", "delete"))


@pytest.mark.parametrize(
    ("need", "rule", "allowed"),
    [
        (PODS, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}, {"list"}),
        (PODS, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"get", "list", "delete"}),
        (PODS, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["one"]}, set()),
        (PODS, {"apiGroups": ["apps"], "resources": ["pods"], "verbs": ["get"]}, set()),
        (PODS, {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}, set()),
        (POD_LOG, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, set()),
        (POD_LOG, {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}, {"get"}),
        (POD_LOG, {"apiGroups": [""], "resources": ["*/log"], "verbs": ["get"]}, {"get"}),
        (PODS, {"verbs": None}, set()),
    ],
)
def test_rules_are_read_as_kubernetes_does(need: Need, rule: dict[str, Any], allowed: set[str]):
    assert allowed_by([rule], need) == allowed


def test_rules_join_resources_that_need_the_same():
    more = Need("Service", "", "services", True, PODS.verbs)
    assert rules_for([PODS, more, POD_LOG]) == [
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "delete"]},
    ]


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("system:serviceaccount:ns:bot", {"kind": "ServiceAccount", "name": "bot", "namespace": "ns"}),
        ("alice@x", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice@x"}),
        (None, {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "the-user-of-the-account"}),
    ],
)
def test_a_role_is_bound_to_whom_the_account_is(user: str | None, subject: dict[str, str]):
    objects = rbac_objects("Main", user, {"": [PODS], "a": [PODS], "b": []})
    assert [(each["kind"], each["metadata"]) for each in objects] == [
        ("ClusterRole", {"name": "gennaker-main"}),
        ("ClusterRoleBinding", {"name": "gennaker-main"}),
        ("Role", {"name": "gennaker-main", "namespace": "a"}),
        ("RoleBinding", {"name": "gennaker-main", "namespace": "a"}),
    ]
    assert objects[1]["subjects"] == objects[3]["subjects"] == [subject]


def verbs_of(check: AccountCheck, namespace: str, resource: str) -> dict[str, bool]:
    shown = present(check)
    scope = next(scope for scope in shown["scopes"] if scope["namespace"] == (namespace or None))
    return next(kind["verbs"] for kind in scope["kinds"] if kind["resource"] == resource)


def test_an_administrators_account_has_all_that_it_needs(cluster: ClusterAccess, namespace: str):
    for more in ({}, {"namespaces": [namespace]}):
        one = account(kubeconfigFile=str(cluster.kubeconfig), **more)
        check = check_account(one)
        assert (check.ok, check.manifest(), present(check)["missing"]) == (True, "", [])
        one.close()


def test_what_is_missing_in_namespaces_is_named_and_the_manifest_mends_it(cluster: ClusterAccess, namespace: str):
    kubeconfig = cluster.service_account_kubeconfig(namespace, "narrow", READER)
    one = account(name=namespace, kubeconfigFile=str(kubeconfig), namespaces=[namespace, "default"])
    check = check_account(one)
    assert not check.ok
    assert check.user == f"system:serviceaccount:{namespace}:narrow"
    assert verbs_of(check, namespace, "deployments") == {verb: verb in ("get", "list", "watch") for verb in ALL_VERBS}
    assert not any(verbs_of(check, "default", "deployments").values())
    missing = present(check)["missing"]
    assert f"create, update, patch, delete deployments.apps in namespace '{namespace}'" in missing
    assert "get pods/log in namespace 'default'" in missing
    assert check_account(one, "view").lacking.keys() == {"default"}
    try:
        cluster.kubectl("apply", "-f", "-", given=check.manifest())
        mended = check_account(one)
        assert (mended.ok, present(mended)["missing"], mended.manifest()) == (True, [], "")
    finally:
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", given=check.manifest())
        one.close()


def test_an_account_for_the_whole_cluster_is_told_of_both_ways_out(cluster: ClusterAccess, namespace: str):
    kubeconfig = cluster.service_account_kubeconfig(namespace, "narrow", READER)
    one = account(name=namespace, kubeconfigFile=str(kubeconfig), kinds=["configMap", "namespace"])
    check = check_account(one)
    assert not check.ok
    assert not any(verbs_of(check, "", "namespaces").values())
    assert verbs_of(check, namespace, "configmaps")["list"]
    assert "name them" in check.hint
    assert "kind: ClusterRole\n" in check.manifest()
    assert "\nkind: Role\n" not in check.manifest()
    try:
        cluster.kubectl("apply", "-f", "-", given=check.manifest())
        assert check_account(one).ok
    finally:
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", given=check.manifest())
        one.close()


def test_a_cluster_that_cannot_be_asked_is_a_part_of_the_answer(tmp_path: Path):
    check = check_account(account(kubeconfigFile=str(tmp_path / "absent")))
    shown = present(check)
    assert (shown["ok"], shown["scopes"], shown["manifest"]) == (False, [], None)
    assert "absent" in shown["reason"]
    assert shown["fix"]


@pytest.fixture
def api(cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str) -> Iterator[TestClient]:
    named = cluster.service_account_kubeconfig(namespace, "named", READER)
    main = {"name": "main", "kubeconfigFile": str(cluster.kubeconfig), "namespaces": [namespace]}
    settings = ClouddriverSettings.model_validate(
        {
            "embedded": True,
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "kubernetes": {
                "accounts": [
                    main,
                    {"name": "named", "kubeconfigFile": str(named), "namespaces": [namespace, "default"]},
                    {**main, "name": "theirs", "permissions": {"WRITE": ["ops"]}},
                ]
            },
        }
    )
    with (
        migrated(settings.database, "clouddriver"),
        TestClient(create_app(settings), headers={"X-SPINNAKER-USER": "alice"}) as client,
    ):
        yield client


def test_the_api_checks_accounts_that_the_caller_may_write_to(api: TestClient):
    assert api.get("/credentials/main/check").json()["ok"] is True
    assert api.get("/credentials/named/check").json()["ok"] is False
    assert api.get("/credentials/theirs/check").status_code == 403
    assert api.get("/credentials/absent/check").status_code == 404
    assert api.get("/credentials/main/check", params={"purpose": "x"}).status_code == 400


def test_an_account_that_may_not_list_namespaces_works_in_those_that_are_named_and_disturbs_nobody(
    api: TestClient, cluster: ClusterAccess, namespace: str, wait_until: Wait
):
    def health(name: str) -> dict[str, Any]:
        return next(each for each in api.get("/accounts/health").json() if each["name"] == name)

    metadata = {"name": "shop", "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})
    wait_until(lambda: health("main")["status"] == "UP")
    wait_until(lambda: health("named")["status"] == "DEGRADED" and "default" in health("named")["fix"])
    assert "kubectl -n default create role" in health("named")["fix"]
    states = {(kind["kind"], kind["namespace"]): kind["state"] for kind in health("named")["kinds"]}
    assert states["configmap", namespace] == "WATCHING"
    assert states["configmap", "default"] == "FORBIDDEN"
    for name in ("main", "named"):
        shown = api.get(f"/manifests/{name}/{namespace}/configMap shop")
        assert shown.json()["manifest"]["data"] == {"a": "1"}
    assert health("main")["status"] == "UP"
