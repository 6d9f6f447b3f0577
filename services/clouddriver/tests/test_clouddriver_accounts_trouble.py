"""Accounts in trouble: they say why, heal without a restart, and no other account notices."""

import json
import socket
import stat
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.credentials.known import known_accounts
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.testing.databases import migrated
from ruamel.yaml import YAML
from testcluster import ClusterAccess, PolicyRule, TestCluster

Wait = Callable[..., Any]
HEALS = 90.0
GOOD, BROKEN = 40, 10
ALL: list[PolicyRule] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
READER: list[PolicyRule] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]


class Clouddriver:
    """Clouddriver with its watches and a worker."""

    def __init__(self, api: TestClient, settings: ClouddriverSettings, database: Database) -> None:
        self.api = api
        self.store = ResourceStore(database)
        self._runner = OperationRunner(database, known_accounts(settings, database), settings.kubernetes)

    def health(self, account: str) -> dict[str, Any]:
        return next(each for each in self.api.get("/accounts/health").json() if each["name"] == account)

    def sees(self, name: str, namespace: str) -> set[str]:
        found = self.store.list(kinds=["ConfigMap"], namespaces=[namespace], name=name)
        return {resource.account for resource in found}

    def deploy(self, account: str, *manifests: dict[str, Any]) -> dict[str, Any]:
        description = {"account": account, "manifests": list(manifests), "moniker": {"app": "shop"}}
        asked = self.api.post("/kubernetes/ops", json=[{"deployManifest": description}])
        assert asked.status_code == 200, asked.text
        self._runner.run(asked.json()["id"])
        return self.api.get(asked.json()["resourceUri"]).json()


@pytest.fixture
def start(postgres_url: str, redis_url: str) -> Callable[..., Any]:
    @contextmanager
    def started(*accounts: dict[str, Any]) -> Iterator[Clouddriver]:
        settings = ClouddriverSettings.model_validate(
            {
                "embedded": True,
                "database": {"url": postgres_url},
                "redis": {"url": redis_url},
                "kubernetes": {"accounts": list(accounts)},
            }
        )
        headers = {"X-SPINNAKER-USER": "alice"}
        with (
            migrated(settings.database, "clouddriver") as database,
            TestClient(create_app(settings), headers=headers) as api,
        ):
            yield Clouddriver(api, settings, database)

    return started


def service(name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}


def config_map(name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


class Tokens:
    """Tokens of a service account that can be revoked, and a kubeconfig whose user presents what `file` holds."""

    def __init__(self, access: ClusterAccess, namespace: str, folder: Path) -> None:
        self._access = access
        self._namespace = namespace
        self._signed_in = YAML(typ="safe").load(
            access.service_account_kubeconfig(namespace, "renewed", ALL).read_text()
        )
        self._number = 0
        self._folder = folder
        self.file = folder / "token"
        self.runs = folder / "runs"
        self.issue()

    def kubeconfig(self, way: str) -> Path:
        script = (
            "import json, pathlib\n"
            f"with pathlib.Path({str(self.runs)!r}).open('a') as runs:\n    runs.write('x')\n"
            f"token = pathlib.Path({str(self.file)!r}).read_text()\n"
            "print(json.dumps({'kind': 'ExecCredential', 'apiVersion': 'client.authentication.k8s.io/v1',"
            " 'status': {'token': token}}))\n"
        )
        plugin = executable(self._folder / "plugin", script)
        spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
        users: dict[str, Any] = {"tokenFile": {"tokenFile": str(self.file)}, "exec": {"exec": spec}}
        self._signed_in["users"][0]["user"] = users[way]
        return saved(self._folder / "kubeconfig", self._signed_in)

    def issue(self) -> None:
        """Issue another token, bound to a Secret that is there as long as the token is good."""
        self._number += 1
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._bound(), "namespace": self._namespace},
        }
        self._access.apply(secret)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={self._bound()}")
        made = self._access.kubectl("create", "token", "renewed", "-n", self._namespace, *bound)
        self.file.write_text(made.stdout.strip())

    def revoke(self, wait_until: Wait) -> None:
        """Revoke the token that was issued last; returns when the API server refuses it."""
        self._access.kubectl("delete", "secret", self._bound(), "-n", self._namespace)
        signed_in = saved(self._folder / "revoked", self._signed_in | {"users": self._with_token()})
        wait_until(
            lambda: "Unauthorized" in self._access.kubectl("get", "cm", check=False, kubeconfig=signed_in).stderr,
            timeout=HEALS,
        )

    def _with_token(self) -> list[dict[str, Any]]:
        return [{"name": self._signed_in["users"][0]["name"], "user": {"token": self.file.read_text()}}]

    def _bound(self) -> str:
        return f"token-{self._number}"


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def saved(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_credentials_that_run_out_are_renewed_in_the_middle_of_the_work(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait, tmp_path: Path
):
    tokens = Tokens(cluster, namespace, tmp_path)
    renewed = {"name": "renewed", "kubeconfigFile": str(tokens.kubeconfig("tokenFile")), "namespaces": [namespace]}
    with start(renewed) as clouddriver:
        wait_until(lambda: clouddriver.health("renewed")["status"] == "UP")
        assert not clouddriver.deploy("renewed", config_map("before", namespace))["status"]["failed"]
        revoked = tokens.file.read_text()
        tokens.revoke(wait_until)
        tokens.issue()
        assert tokens.file.read_text() != revoked
        after = clouddriver.deploy("renewed", config_map("after", namespace), service("after", namespace))
        assert not after["status"]["failed"], after
        wait_until(lambda: clouddriver.store.list(kinds=["Service"], namespaces=[namespace], name="after"))
        wait_until(lambda: clouddriver.health("renewed")["status"] == "UP", timeout=HEALS)


@pytest.mark.timeout(300)
def test_a_cluster_that_stops_and_comes_back_with_other_credentials_disturbs_no_other_account(
    cluster: ClusterAccess, namespace: str, own_cluster: TestCluster, start: Any, wait_until: Wait, tmp_path: Path
):
    tokens = Tokens(own_cluster.access, "default", tmp_path)
    narrow = cluster.service_account_kubeconfig(namespace, "narrow", READER)
    accounts = [
        {"name": "healthy", "kubeconfigFile": str(cluster.kubeconfig), "namespaces": [namespace]},
        {"name": "narrow", "kubeconfigFile": str(narrow), "namespaces": [namespace]},
        {"name": "unsteady", "kubeconfigFile": str(tokens.kubeconfig("exec")), "namespaces": ["default"]},
    ]

    def others_are_well() -> bool:
        return all(clouddriver.health(name)["status"] == "UP" for name in ("healthy", "narrow"))

    with start(*accounts) as clouddriver:
        wait_until(lambda: all(clouddriver.health(each["name"])["status"] == "UP" for each in accounts))
        own_cluster.kill_apiserver()
        wait_until(lambda: clouddriver.health("unsteady")["status"] == "DOWN")
        assert "can't be reached" in clouddriver.health("unsteady")["reason"]
        assert not clouddriver.deploy("healthy", config_map("meanwhile", namespace))["status"]["failed"]
        wait_until(lambda: {"healthy", "narrow"} <= clouddriver.sees("meanwhile-v000", namespace))
        failed = clouddriver.deploy("unsteady", config_map("early", "default"))
        assert failed["status"]["failed"]
        assert "can't be reached" in json.dumps(failed)
        own_cluster.restart_apiserver()
        tokens.revoke(wait_until)
        tokens.issue()
        assert not clouddriver.deploy("unsteady", config_map("late", "default"))["status"]["failed"]
        wait_until(lambda: clouddriver.health("unsteady")["status"] == "UP", timeout=HEALS)
        own_cluster.access.apply(config_map("seen", "default"))
        wait_until(lambda: "unsteady" in clouddriver.sees("seen", "default"))
        assert others_are_well()


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def broken_accounts(good: dict[str, Any], silent: str, folder: Path) -> list[dict[str, Any]]:
    hanging = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sleep", "args": ["3600"]}
    faults: list[Callable[[dict[str, Any]], Any]] = [
        lambda k: k["clusters"][0]["cluster"].update(server=silent),
        lambda k: k["clusters"][0]["cluster"].update(server="https://127.0.0.1:1"),
        lambda k: k["users"][0].update(user={"exec": hanging}),
        lambda k: k["users"][0].update(user={"token": "wrong"}),
        lambda k: k.update(contexts=[]),
    ]
    found: list[dict[str, Any]] = []
    for number in range(BROKEN):
        document = json.loads(json.dumps(good))
        faults[number % len(faults)](document)
        path = saved(folder / f"broken-{number}", document)
        found.append({"name": f"broken-{number}", "kubeconfigFile": str(path)})
    return found


@pytest.mark.timeout(300)
def test_ten_broken_accounts_of_fifty_slow_no_other_down(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait, tmp_path: Path
):
    common = {"kubeconfigFile": str(cluster.kubeconfig), "namespaces": [namespace], "kinds": ["configMap", "service"]}
    good = [{"name": f"good-{number:02}", **common} for number in range(GOOD)]
    names = {account["name"] for account in good}

    def measured(clouddriver: Clouddriver, what: str) -> tuple[float, float]:
        """Give the medians (s) until a change is visible in all good accounts, and of a read of one of them."""
        wait_until(lambda: all(clouddriver.health(name)["status"] == "UP" for name in names), timeout=HEALS)
        changes: list[float] = []
        reads: list[float] = []
        for number in range(5):
            name = f"{what}-{number}"
            cluster.apply(config_map(name, namespace))
            began = time.monotonic()
            wait_until(lambda name=name: clouddriver.sees(name, namespace) >= names, timeout=HEALS)
            changes.append(time.monotonic() - began)
            for account in sorted(names)[:4]:
                began = time.monotonic()
                assert clouddriver.api.get(f"/manifests/{account}/{namespace}/configMap {name}").status_code == 200
                reads.append(time.monotonic() - began)
        return statistics.median(changes), statistics.median(reads)

    with start(*good) as clouddriver:
        change_alone, read_alone = measured(clouddriver, "alone")
    kubeconfig = YAML(typ="safe").load(cluster.kubeconfig.read_text())
    with ExitStack() as stack:
        broken = broken_accounts(kubeconfig, stack.enter_context(silent_server()), tmp_path)
        clouddriver = stack.enter_context(start(*good, *broken))
        change, read = measured(clouddriver, "among-broken")
        wait_until(
            lambda: sum(clouddriver.health(each["name"])["status"] == "DOWN" for each in broken) >= BROKEN - 2,
            timeout=HEALS,
        )
    assert change <= 3 * change_alone + 0.5, f"{change:.3f} s instead of {change_alone:.3f} s"
    assert read <= 3 * read_alone + 0.1, f"{read:.3f} s instead of {read_alone:.3f} s"
