"""Accounts: their settings, the way into their clusters, and how they are judged."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.discovery import Kinds, ServedKind, parse_aggregated, parse_resources
from clouddriver.kubernetes.errors import BadConfiguration, KubernetesError, Unreachable
from clouddriver.kubernetes.health import AccountHealth, ScopeStanding, ScopeState, diagnose, judge
from clouddriver.kubernetes.kubeconfig import connect
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.kubernetes.reflector import backoff, next_poll
from clouddriver.kubernetes.scopes import is_kept, watched_kinds
from clouddriver.kubernetes.settings import KubernetesAccountSettings, KubernetesSettings
from clouddriver.kubernetes.watch import Scope, next_page_size
from clouddriver.settings import ClouddriverSettings
from kork.errors import NotFound
from kork.settings import SettingsError, load_settings
from ruamel.yaml import YAML
from testcluster import ClusterAccess, PolicyRule


def account_settings(**more: Any) -> KubernetesAccountSettings:
    return KubernetesAccountSettings.model_validate({"name": "main", **more})


def served(kind: str, group: str = "", *, namespaced: bool = True, plural: str = "") -> ServedKind:
    verbs = frozenset({"get", "list", "watch"})
    return ServedKind(kind, group, "v1", plural or kind.lower() + "s", namespaced, verbs)


def settings_file(tmp_path: Path, account: str) -> Path:
    path = tmp_path / "gennaker.yml"
    path.write_text(f"kubernetes:\n  accounts:\n  - name: main\n{account}")
    return path


def test_spinnakers_keys_are_read(tmp_path: Path):
    path = settings_file(
        tmp_path,
        "    kubeconfigFile: /etc/kube\n    context: prod\n    namespaces: [a, b]\n    omitKinds: [secret]\n"
        "    permissions: {READ: [team], WRITE: [ops]}\n    onlySpinnakerManaged: true\n",
    )
    (account,) = load_settings(ClouddriverSettings, file=path, env={}).kubernetes.accounts
    assert (account.context, account.namespaces, account.omit_kinds) == ("prod", ["a", "b"], ["secret"])
    assert (account.permissions.read, account.permissions.write) == (["team"], ["ops"])
    assert (account.environment, account.account_type) == ("main", "main")


def test_retired_keys_are_accepted(tmp_path: Path):
    path = settings_file(tmp_path, "    providerVersion: V2\n    cacheThreads: 4\n    dockerRegistries: []\n")
    assert load_settings(ClouddriverSettings, file=path, env={}).kubernetes.accounts[0].name == "main"


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ("    kubeconfgFile: /x\n", "Did you mean 'kubernetes.accounts.0.kubeconfigFile'?"),
        ("    namespaces: [a]\n    omitNamespaces: [b]\n", "either 'namespaces' or 'omitNamespaces'"),
        ("    kinds: [pod]\n    omitKinds: [job]\n", "either 'kinds' or 'omitKinds'"),
        ("    token: abc\n", "need 'url'"),
        ("    namingStrategy: mine\n", "no naming strategy 'mine'"),
        ("  - name: main\n", "the account 'main' is there twice"),
    ],
)
def test_a_wrong_account_is_an_error_that_says_what_to_do(tmp_path: Path, account: str, says: str):
    with pytest.raises(SettingsError) as raised:
        load_settings(ClouddriverSettings, file=settings_file(tmp_path, account), env={})
    assert says in str(raised.value)


def test_an_unknown_account_is_refused_with_the_names_of_those_that_there_are():
    accounts = Accounts(KubernetesSettings.model_validate({"accounts": [{"name": "b"}, {"name": "a"}]}))
    with pytest.raises(NotFound, match="accounts: 'a', 'b'"):
        accounts.get("c")


@pytest.mark.parametrize(
    ("more", "namespace", "allowed"),
    [
        ({}, "any", True),
        ({"namespaces": ["a"]}, "a", True),
        ({"namespaces": ["a"]}, "b", False),
        ({"namespaces": ["a"]}, "", True),
        ({"omitNamespaces": ["a"]}, "a", False),
        ({"omitNamespaces": ["a"]}, "b", True),
    ],
)
def test_an_account_is_for_its_namespaces(more: dict[str, Any], namespace: str, allowed: bool):
    assert Account(account_settings(**more)).namespace_allowed(namespace) is allowed


@pytest.mark.parametrize(
    ("more", "kind", "group", "allowed"),
    [
        ({}, "Deployment", None, True),
        ({"kinds": ["deployment"]}, "Deployment", "apps", True),
        ({"kinds": ["Deployment.apps"]}, "Deployment", "apps", True),
        ({"kinds": ["deployment"]}, "pod", None, False),
        ({"omitKinds": ["secret"]}, "Secret", "", False),
        ({"omitKinds": ["networkPolicy"]}, "NetworkPolicy", "crd.projectcalico.org", True),
        ({"omitKinds": ["NetworkPolicy.crd.projectcalico.org"]}, "NetworkPolicy", "crd.projectcalico.org", False),
    ],
)
def test_an_account_is_for_its_kinds(more: dict[str, Any], kind: str, group: str | None, allowed: bool):
    assert Account(account_settings(**more)).kind_allowed(kind, group) is allowed


def kubeconfig(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
        **more,
    }


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "kubeconfig"
    with path.open("w") as file:
        YAML().dump(content, file)
    return path


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (kubeconfig() | {"current-context": ""}, "no 'current-context'"),
        (kubeconfig() | {"current-context": "x"}, "no context 'x' (it has: 'c')"),
        (kubeconfig(clusters=[]), "no cluster 'k' (it has: none)"),
        (kubeconfig(users=None), "no user 'u'"),
        (kubeconfig({"server": "127.0.0.1"}), "no address of an API server"),
        (kubeconfig({"certificate-authority": "absent.pem"}), "names the file"),
        (kubeconfig({"certificate-authority-data": "!!"}), "not base64"),
        (kubeconfig({"certificate-authority-data": "aGVsbG8="}), "certificate authority"),
        (kubeconfig(user={"client-certificate-data": "aGVsbG8="}), "without its key"),
        (kubeconfig(user={"client-certificate-data": "YQ==", "client-key-data": "YQ=="}), "can't be used"),
        (kubeconfig(user={"auth-provider": {"name": "gcp"}}), "auth-provider"),
        (["a"], "no map of clusters"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_where_and_what(tmp_path: Path, content: Any, says: str):
    path = written(tmp_path, content)
    with pytest.raises(BadConfiguration) as raised:
        connect(account_settings(kubeconfigFile=str(path)))
    assert says in raised.value.message
    assert str(path) in raised.value.message + raised.value.fix


def test_a_connection_knows_when_a_file_that_it_was_made_from_changes(tmp_path: Path):
    path = written(tmp_path, kubeconfig())
    account = Account(account_settings(kubeconfigFile=str(path)))
    first = account.client
    assert account.client is first
    assert first.connection.namespace == "n"
    written(tmp_path, kubeconfig({"server": "https://127.0.0.1:7443"}))
    assert first.connection.changed()
    assert account.client.connection.server == "https://127.0.0.1:7443"
    account.close()


def test_without_a_pod_its_service_account_is_refused_with_the_way_out():
    with pytest.raises(BadConfiguration) as raised:
        connect(account_settings(serviceAccount=True))
    assert "kubeconfigFile" in raised.value.fix


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["x"]}}


def test_a_plugin_signs_in_and_is_asked_anew_when_its_token_is_refused(
    cluster: ClusterAccess, namespace: str, tmp_path: Path
):
    reader: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    signed_in = YAML(typ="safe").load(cluster.service_account_kubeconfig(namespace, "plugin", reader).read_text())
    good = signed_in["users"][0]["user"]["token"]
    script = (
        "import json, os, pathlib\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        f"runs = pathlib.Path({str(tmp_path / 'runs')!r})\n"
        "runs.write_text((runs.read_text() if runs.exists() else '') + 'x')\n"
        f"token = 'stale' if len(runs.read_text()) == 1 else {good!r}\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    signed_in["users"][0]["user"] = plugin(tmp_path, script)
    client = Account(account_settings(kubeconfigFile=str(written(tmp_path, signed_in)))).client
    assert client.list("ConfigMap", namespace)
    client.list("ConfigMap", namespace)
    assert (tmp_path / "runs").read_text() == "xx"
    client.close()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import sys; sys.exit('please log in')", "please log in"),
        ("print('hello')", "didn't answer with JSON"),
        ("print('{}')", "no 'status'"),
    ],
)
def test_a_plugin_that_fails_is_named_with_what_it_said(tmp_path: Path, script: str, says: str):
    path = written(tmp_path, kubeconfig(user=plugin(tmp_path, script)))
    client = Account(account_settings(kubeconfigFile=str(path))).client
    with pytest.raises(BadConfiguration, match=says):
        client.version()
    client.close()


def test_a_token_in_a_file_is_read_anew(cluster: ClusterAccess, namespace: str, tmp_path: Path):
    reader: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    signed_in = YAML(typ="safe").load(cluster.service_account_kubeconfig(namespace, "file", reader).read_text())
    token = tmp_path / "token"
    token.write_text("stale")
    content = kubeconfig(signed_in["clusters"][0]["cluster"], {"tokenFile": "token"})
    client = Account(account_settings(kubeconfigFile=str(written(tmp_path, content)))).client
    with pytest.raises(KubernetesError) as raised:
        client.list("ConfigMap", namespace)
    assert raised.value.status in (401, 404)
    token.write_text(signed_in["users"][0]["user"]["token"])
    assert client.list("ConfigMap", namespace)
    client.close()


def test_changes_are_made_as_the_field_manager_gennaker(cluster: ClusterAccess, namespace: str):
    client = Account(account_settings(kubeconfigFile=str(cluster.kubeconfig))).client
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": namespace}}
    ref = ResourceRef.of(manifest)
    applied = client.apply({**manifest, "data": {"a": "1"}})
    assert {entry["manager"] for entry in applied["metadata"]["managedFields"]} == {"gennaker"}
    cluster.kubectl("patch", "configmap", "m", "-n", namespace, "-p", '{"data":{"a":"2"}}', "--field-manager=other")
    with pytest.raises(KubernetesError, match="other") as raised:
        client.apply({**manifest, "data": {"a": "3"}})
    assert (raised.value.status, raised.value.reason) == (409, "Conflict")
    assert client.apply({**manifest, "data": {"a": "3"}}, dry_run=True, force=True)["data"] == {"a": "3"}
    assert (client.get(ref) or {})["data"] == {"a": "2"}
    assert client.patch(ref, {"data": {"b": "1"}}, "merge")["data"] == {"a": "2", "b": "1"}
    with pytest.raises(KubernetesError) as raised:
        client.create(manifest)
    assert raised.value.reason == "AlreadyExists"
    assert client.replace({**manifest, "data": {"c": "1"}})["data"] == {"c": "1"}
    assert client.delete(ref) is not None
    assert client.delete(ref) is None
    assert client.get(ref) is None
    client.close()


def test_a_kind_that_is_new_in_the_cluster_is_found(
    cluster: ClusterAccess, namespace: str, wait_until: Callable[..., None]
):
    client = Account(account_settings(kubeconfigFile=str(cluster.kubeconfig))).client
    group = f"{namespace}.example.com"
    with pytest.raises(KubernetesError, match="has no kind 'Gizmo"):
        client.served("Gizmo", group)
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"gizmos.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Gizmo", "plural": "gizmos", "singular": "gizmo"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    )

    def found() -> bool:
        try:
            return client.served("Gizmo", group).plural == "gizmos"
        except KubernetesError:
            return False

    try:
        wait_until(found)
    finally:
        cluster.kubectl("delete", "crd", f"gizmos.{group}", "--wait=false")
        client.close()


def test_discovery_prefers_kubernetes_own_kinds_and_reads_both_forms():
    aggregated = {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": "autoscaling"},
                "versions": [
                    {
                        "version": version,
                        "resources": [
                            {
                                "resource": "horizontalpodautoscalers",
                                "responseKind": {"kind": "HorizontalPodAutoscaler"},
                                "scope": "Namespaced",
                                "verbs": ["list"],
                            }
                        ],
                    }
                    for version in ("v2", "v1")
                ],
            }
        ],
    }
    (autoscaler,) = parse_aggregated(aggregated) or []
    assert (autoscaler.api_version, autoscaler.namespaced) == ("autoscaling/v2", True)
    assert parse_aggregated({"kind": "APIVersions"}) is None
    listed = parse_resources(
        {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}, {"name": "pods/log", "kind": "Pod"}]},
        "",
        "v1",
    )
    assert [kind.plural for kind in listed] == ["pods"]
    kinds = Kinds([*listed, served("NetworkPolicy", "crd.example.com"), served("NetworkPolicy", "networking.k8s.io")])
    assert (kinds.find("netpol") or listed[0]).group == "networking.k8s.io"
    assert (kinds.find("networkpolicy", "crd.example.com") or listed[0]).group == "crd.example.com"
    assert kinds.find("nothing") is None
    assert listed[0].path("a b", "x", "log") == "/api/v1/namespaces/a%20b/pods/x/log"


def test_what_is_watched_are_the_built_in_kinds_that_the_account_allows_and_those_it_names():
    kinds = Kinds(
        [
            served("Pod"),
            served("Secret"),
            served("Namespace", namespaced=False),
            served("Gizmo", "example.com"),
            served("Event"),
        ]
    )

    def names(**more: Any) -> set[str]:
        return {kind.kind for kind in watched_kinds(Account(account_settings(**more)), kinds)}

    assert names() == {"Pod", "Secret", "Namespace"}
    assert names(omitKinds=["secret"]) == {"Pod", "Namespace"}
    assert names(kinds=["pod", "Gizmo.example.com"]) == {"Pod", "Namespace", "Gizmo"}
    assert names(customResources=[{"kubernetesKind": "Gizmo.example.com"}]) == {"Pod", "Secret", "Namespace", "Gizmo"}


@pytest.mark.parametrize(
    ("more", "metadata", "kept"),
    [
        ({}, {"namespace": "a"}, True),
        ({"namespaces": ["b"]}, {"namespace": "a"}, False),
        ({}, {"namespace": "a", "annotations": {"caching.spinnaker.io/ignore": "true"}}, False),
        ({"onlySpinnakerManaged": True}, {"namespace": "a"}, False),
        ({"onlySpinnakerManaged": True}, {"annotations": {"moniker.spinnaker.io/application": "x"}}, True),
    ],
)
def test_what_is_stored(more: dict[str, Any], metadata: dict[str, Any], kept: bool):
    assert is_kept(Account(account_settings(**more)), {"kind": "Pod", "metadata": metadata}) is kept


PODS, SECRETS = Scope(served("Pod")), Scope(served("Secret"), "ns")
SAID = 'secrets is forbidden: User "bob" cannot list resource "secrets"'


def standing(scope: Scope, state: ScopeState, reason: str = "") -> ScopeStanding:
    return ScopeStanding(scope, state, reason)


@pytest.mark.parametrize(
    ("standings", "status", "reason", "fix"),
    [
        ([standing(PODS, ScopeState.WATCHING)], "UP", "", ""),
        (
            [standing(PODS, ScopeState.WATCHING), standing(SECRETS, ScopeState.FORBIDDEN, SAID)],
            "DEGRADED",
            "may not list secrets in namespace 'ns'",
            "kubectl -n ns create role gennaker-view --verb=get,list,watch --resource=secrets",
        ),
        ([standing(SECRETS, ScopeState.FORBIDDEN, SAID)], "DOWN", "may not list anything", "--user=bob"),
        ([standing(PODS, ScopeState.POLLING)], "DEGRADED", "may not watch pods", "kubectl create clusterrole"),
        ([standing(PODS, ScopeState.FAILING, "boom")], "DEGRADED", "boom", "tried again"),
    ],
)
def test_an_account_is_judged_by_its_watches(standings: list[ScopeStanding], status: str, reason: str, fix: str):
    health = judge(standings, namespaces_declared=False)
    assert health.status == status
    assert reason in health.reason
    assert fix in health.fix


def test_an_account_that_names_its_namespaces_needs_no_list_of_them():
    namespaces = standing(Scope(served("Namespace", namespaced=False)), ScopeState.FORBIDDEN, "no")
    watching = standing(PODS, ScopeState.WATCHING)
    assert judge([namespaces, watching], namespaces_declared=True) == AccountHealth("UP")
    assert judge([namespaces, watching], namespaces_declared=False).status == "DEGRADED"


@pytest.mark.parametrize(
    ("error", "reason", "fix"),
    [
        (BadConfiguration("no file", "put it there"), "no file", "put it there"),
        (KubernetesError(401, "Unauthorized", "Unauthorized"), "doesn't know who account 'main' is", "Renew"),
        (KubernetesError(403, "Forbidden", 'User "bob" cannot get path "/api"'), "refuses", "bob"),
        (Unreachable("no route"), "no route", "API server runs"),
        (KubernetesError(500, "InternalError", "etcd is away"), "etcd is away", "readyz"),
    ],
)
def test_trouble_is_told_with_its_fix(error: KubernetesError, reason: str, fix: str):
    health = diagnose(error, "main", "/etc/kube")
    assert health.status == "DOWN"
    assert reason in health.reason
    assert fix in health.fix


def test_pauses_grow_with_failures_and_stay_bounded():
    assert all(0 < backoff(failures) <= 30 for failures in range(1, 50))
    assert backoff(1) <= 0.5


def test_lists_come_slower_while_nothing_changes():
    intervals = [5.0]
    for _ in range(10):
        intervals.append(next_poll(intervals[-1], changed=False, list_seconds=0.1))
    assert intervals == sorted(intervals)
    assert intervals[-1] == 60.0
    assert next_poll(60.0, changed=True, list_seconds=0.1) == 5.0
    assert next_poll(5.0, changed=True, list_seconds=9.0) == 90.0


@pytest.mark.parametrize(
    ("limit", "received", "following"),
    [(100, 100_000, 400), (400, 400_000, 500), (100, 20_000_000, 10), (100, 0, 400)],
)
def test_pages_are_neither_big_nor_very_many(limit: int, received: int, following: int):
    assert next_page_size(limit, received) == following
