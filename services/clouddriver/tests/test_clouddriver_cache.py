"""What is watched, against a real control plane: changes become visible, trouble is said and heals."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from gennaker.embedded import EmbeddedPostgres
from kork.database import Database
from kork.testing.databases import migrated
from sqlalchemy import text
from testcluster import ClusterAccess, PolicyRule, TestCluster

Wait = Callable[..., None]
HEALS = 60.0


class Platform:
    """Clouddriver with its watches, and its store to look into."""

    def __init__(self, api: TestClient, store: ResourceStore, database: Database, accounts: Accounts) -> None:
        self.api = api
        self.store = store
        self.database = database
        self.accounts = accounts

    def health(self, account: str) -> dict[str, Any]:
        return next(h for h in self.api.get("/accounts/health").json() if h["name"] == account)

    def states(self, account: str) -> dict[str, str]:
        return {kind["kind"]: kind["state"] for kind in self.health(account)["kinds"]}

    def stored(self, account: str, kind: str, namespace: str) -> dict[str, dict[str, Any]]:
        found = self.store.list(accounts=[account], kinds=[kind], namespaces=[namespace])
        return {resource.manifest["metadata"]["name"]: resource.manifest for resource in found}


@pytest.fixture
def start(postgres_url: str, redis_url: str) -> Callable[..., Any]:
    @contextmanager
    def started(*accounts: dict[str, Any], url: str = postgres_url) -> Iterator[Platform]:
        settings = ClouddriverSettings.model_validate(
            {
                "embedded": True,
                "database": {"url": url},
                "redis": {"url": redis_url},
                "kubernetes": {"accounts": list(accounts)},
            }
        )
        with migrated(settings.database, "clouddriver") as database, TestClient(create_app(settings)) as api:
            yield Platform(api, ResourceStore(database), database, Accounts(settings.kubernetes))

    return started


def account(name: str, kubeconfig: Path, **more: Any) -> dict[str, Any]:
    return {"name": name, "kubeconfigFile": str(kubeconfig), **more}


def config_map(name: str, namespace: str, value: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


READER: list[PolicyRule] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]


def test_changes_and_deletions_in_the_cluster_become_visible(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    with start(account("main", cluster.kubeconfig)) as platform:
        wait_until(lambda: platform.health("main")["status"] == "UP")
        cluster.apply(config_map("shop", namespace, "one"))
        wait_until(lambda: platform.stored("main", "ConfigMap", namespace).get("shop"))
        cluster.apply(config_map("shop", namespace, "two"))
        wait_until(lambda: platform.stored("main", "ConfigMap", namespace)["shop"]["data"] == {"key": "two"})
        cluster.kubectl("delete", "configmap", "shop", "-n", namespace)
        wait_until(lambda: "shop" not in platform.stored("main", "ConfigMap", namespace))


def test_stored_objects_have_no_managed_fields_and_secrets_no_data(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    with start(account("main", cluster.kubeconfig)) as platform:
        cluster.kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=password=hunter2xyz")
        cluster.kubectl(
            "annotate", "secret", "s", "-n", namespace, "kubectl.kubernetes.io/last-applied-configuration=hunter2xyz"
        )
        wait_until(lambda: "s" in platform.stored("main", "Secret", namespace))
        wait_until(lambda: platform.store.known("main", ref("Secret", namespace, "s")).fresh)
        with platform.database.connect() as connection:
            bodies = connection.execute(text("SELECT body::text FROM resource WHERE NOT deleted")).scalars().all()
        assert bodies
        assert not [body for body in bodies if "managedFields" in body]
        assert not [body for body in bodies if "hunter2xyz" in body or "aHVudGVyMnh5eg" in body]
        shown = platform.api.get(f"/manifests/main/{namespace}/secret s").text
        assert "aHVudGVyMnh5eg" not in shown
        assert "hunter2xyz" not in shown


def ref(kind: str, namespace: str, name: str) -> ResourceRef:
    return ResourceRef(kind=kind, group=None, namespace=namespace, name=name)


def test_what_vanished_while_nobody_watched_is_removed_and_what_came_is_added(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    main = account("main", cluster.kubeconfig, namespaces=[namespace])
    cluster.apply(config_map("old", namespace, "x"), config_map("stays", namespace, "x"))
    with start(main) as platform:
        wait_until(lambda: {"old", "stays"} <= platform.stored("main", "ConfigMap", namespace).keys())
    cluster.kubectl("delete", "configmap", "old", "-n", namespace)
    cluster.apply(config_map("new", namespace, "x"))
    with start(main) as platform:
        wait_until(lambda: "new" in platform.stored("main", "ConfigMap", namespace))
        wait_until(lambda: "old" not in platform.stored("main", "ConfigMap", namespace))
        assert "stays" in platform.stored("main", "ConfigMap", namespace)


def test_an_account_with_rights_in_one_namespace_works_there_and_says_what_it_lacks(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    kubeconfig = cluster.service_account_kubeconfig(namespace, "narrow", READER)
    cluster.apply(config_map("shop", namespace, "x"))
    with start(account("narrow", kubeconfig)) as platform:
        wait_until(lambda: "shop" in platform.stored("narrow", "ConfigMap", namespace))
        wait_until(
            lambda: (
                platform.health("narrow")["status"] == "DEGRADED"
                and "only namespace" in platform.health("narrow")["reason"]
            )
        )
        health = platform.health("narrow")
        assert "namespaces" in health["reason"]
        assert "kubectl create clusterrole" in health["fix"]
        assert f"system:serviceaccount:{namespace}:narrow" in health["fix"]


def test_a_narrow_account_that_names_its_namespace_is_well(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    kubeconfig = cluster.service_account_kubeconfig(namespace, "narrow", READER)
    with start(account("narrow", kubeconfig, namespaces=[namespace])) as platform:
        wait_until(lambda: platform.health("narrow")["status"] == "UP")
        assert platform.api.get("/health").json()["components"]["kubernetes"]["status"] == "UP"


def test_a_kind_that_may_not_be_listed_is_named_the_rest_works_and_a_grant_heals_it(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    only_maps: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    kubeconfig = cluster.service_account_kubeconfig(namespace, "maps", only_maps)
    with start(account("maps", kubeconfig, namespaces=[namespace], kinds=["configMap", "secret"])) as platform:
        wait_until(lambda: platform.states("maps").get("configmap") == "WATCHING")
        wait_until(lambda: platform.health("maps")["status"] == "DEGRADED")
        health = platform.health("maps")
        assert "secrets" in health["reason"]
        assert f"kubectl -n {namespace} create role" in health["fix"]
        assert platform.states("maps")["secret"] == "FORBIDDEN"
        cluster.service_account_kubeconfig(namespace, "maps", READER)
        wait_until(lambda: platform.health("maps")["status"] == "UP", timeout=HEALS)


def test_a_kind_that_may_be_listed_but_not_watched_is_listed_from_time_to_time(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    no_watch: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    kubeconfig = cluster.service_account_kubeconfig(namespace, "polls", no_watch)
    with start(account("polls", kubeconfig, namespaces=[namespace], kinds=["configMap"])) as platform:
        wait_until(lambda: platform.states("polls").get("configmap") == "POLLING")
        wait_until(lambda: platform.health("polls")["status"] == "DEGRADED")
        assert "may not watch configmaps" in platform.health("polls")["reason"]
        cluster.apply(config_map("shop", namespace, "x"))
        wait_until(lambda: "shop" in platform.stored("polls", "ConfigMap", namespace))
        cluster.kubectl("delete", "configmap", "shop", "-n", namespace)
        wait_until(lambda: "shop" not in platform.stored("polls", "ConfigMap", namespace))


def test_accounts_in_trouble_are_reported_leave_the_others_alone_and_heal_when_the_file_is_mended(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait, tmp_path: Path
):
    good = cluster.kubeconfig.read_text()
    broken, absent, unreachable, stranger = (
        tmp_path / name for name in ("broken", "absent", "unreachable", "stranger")
    )
    broken.write_text("clusters: [")
    unreachable.write_text(good.replace(cluster.url, "https://127.0.0.1:1"))
    signed_in = cluster.service_account_kubeconfig(namespace, "stranger", []).read_text()
    stranger.write_text(re.sub(r'("?token"?: "?)', r"\1x", signed_in))
    accounts = [account("main", cluster.kubeconfig)]
    accounts += [account(path.name, path) for path in (broken, absent, unreachable, stranger)]
    with start(*accounts) as platform:
        wait_until(lambda: platform.health("main")["status"] == "UP")
        for path, word in ((broken, "not YAML"), (absent, "can't be read"), (unreachable, "can't be reached")):
            wait_until(lambda path=path: platform.health(path.name)["status"] == "DOWN")
            assert word in platform.health(path.name)["reason"]
            assert str(path) in platform.health(path.name)["fix"]
        wait_until(lambda: platform.health("stranger")["status"] == "DOWN")
        assert "doesn't know who account 'stranger' is" in platform.health("stranger")["reason"]
        health = platform.api.get("/health")
        assert (health.status_code, health.json()["components"]["kubernetes"]["status"]) == (200, "DEGRADED")
        refused = platform.api.get(f"/manifests/broken/{namespace}/configMap shop")
        assert refused.status_code == 503
        assert "not YAML" in refused.json()["message"]
        for path in (broken, absent, unreachable, stranger):
            path.write_text(good)
        for path in (broken, absent, unreachable, stranger):
            wait_until(lambda path=path: platform.health(path.name)["status"] == "UP", timeout=HEALS)


def test_a_server_that_stops_and_comes_back_is_followed_again(own_cluster: TestCluster, start: Any, wait_until: Wait):
    cluster = own_cluster.access
    with start(account("main", cluster.kubeconfig)) as platform:
        wait_until(lambda: platform.health("main")["status"] == "UP")
        own_cluster.kill_apiserver()
        wait_until(lambda: platform.health("main")["status"] == "DOWN")
        assert "can't be reached" in platform.health("main")["reason"]
        own_cluster.restart_apiserver()
        cluster.apply(config_map("shop", "default", "x"))
        wait_until(lambda: platform.health("main")["status"] == "UP", timeout=HEALS)
        wait_until(lambda: "shop" in platform.stored("main", "ConfigMap", "default"))


def test_what_changed_while_postgres_was_killed_becomes_visible(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait, tmp_path: Path
):
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        main = account("main", cluster.kubeconfig, namespaces=[namespace])
        with start(main, url=postgres.url) as platform:
            wait_until(lambda: platform.health("main")["status"] == "UP")
            cluster.apply(config_map("goes", namespace, "x"))
            wait_until(lambda: "goes" in platform.stored("main", "ConfigMap", namespace))
            postgres.kill()
            cluster.apply(config_map("comes", namespace, "x"))
            cluster.kubectl("delete", "configmap", "goes", "-n", namespace)
            assert platform.api.get("/accounts/health").status_code == 503
            postgres.start()
            wait_until(lambda: platform.api.get("/accounts/health").status_code == 200)
            wait_until(lambda: "comes" in platform.stored("main", "ConfigMap", namespace), timeout=HEALS)
            wait_until(lambda: "goes" not in platform.stored("main", "ConfigMap", namespace), timeout=HEALS)
            wait_until(lambda: platform.health("main")["status"] == "UP", timeout=HEALS)


def test_only_what_the_account_wants_is_stored(cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait):
    ours = {"moniker.spinnaker.io/application": "shop"}
    cluster.apply(
        config_map("ours", namespace, "x", **ours),
        config_map("theirs", namespace, "x"),
        config_map("ignored", namespace, "x", **ours, **{"caching.spinnaker.io/ignore": "true"}),
    )
    with start(account("main", cluster.kubeconfig, namespaces=[namespace], onlySpinnakerManaged=True)) as platform:
        wait_until(lambda: "ours" in platform.stored("main", "ConfigMap", namespace))
        wait_until(lambda: platform.health("main")["status"] == "UP")
        assert set(platform.stored("main", "ConfigMap", namespace)) == {"ours"}
        cluster.kubectl("annotate", "configmap", "ours", "-n", namespace, "caching.spinnaker.io/ignore=true")
        wait_until(lambda: "ours" not in platform.stored("main", "ConfigMap", namespace))


def test_our_own_change_is_read_at_once(cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait):
    with start(account("main", cluster.kubeconfig)) as platform:
        wait_until(lambda: platform.health("main")["status"] == "UP")
        client = platform.accounts.get("main").client
        for value in map(str, range(20)):
            platform.store.put("main", client.apply(config_map("shop", namespace, value)))
            read = platform.api.get(f"/manifests/main/{namespace}/configMap shop").json()
            assert read["manifest"]["data"] == {"key": value}
        client.delete(ref("ConfigMap", namespace, "shop"))
        platform.store.remove("main", ref("ConfigMap", namespace, "shop"))
        assert platform.api.get(f"/manifests/main/{namespace}/configMap shop").status_code == 404
