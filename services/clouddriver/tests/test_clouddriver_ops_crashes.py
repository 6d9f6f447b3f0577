"""Workers that are killed, bells that are lost, clusters that are away: each operation happens once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.operations.runner import OperationRunner
from clouddriver.operations.store import OperationStore
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.settings import load_settings
from kork.testing.databases import migrated
from redis import Redis
from sqlalchemy import text
from testcluster import ClusterAccess

Wait = Callable[..., None]


@pytest.fixture
def gennaker_yml(cluster: ClusterAccess, postgres_url: str, redis_url: str, tmp_path: Path) -> Path:
    file = tmp_path / "gennaker.yml"
    file.write_text(
        json.dumps(
            {
                "embedded": True,
                "database": {"url": postgres_url},
                "redis": {"url": redis_url},
                "kubernetes": {"accounts": [{"name": "staging", "kubeconfigFile": str(cluster.kubeconfig)}]},
            }
        )
    )
    return file


@pytest.fixture
def crash_settings(gennaker_yml: Path) -> ClouddriverSettings:
    settings = load_settings(ClouddriverSettings, file=gennaker_yml, env={})
    return settings.model_copy(update={"embedded": True})


@pytest.fixture
def crash_database(crash_settings: ClouddriverSettings) -> Iterator[Database]:
    with migrated(crash_settings.database, "clouddriver") as database:
        yield database


@pytest.fixture
def api(crash_settings: ClouddriverSettings, crash_database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(crash_settings), headers={"X-SPINNAKER-USER": "alice"}) as client:
        yield client


@pytest.fixture
def start_worker(gennaker_yml: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Start worker processes; those that are left are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        environment = os.environ | {"GENNAKER_CONFIG": str(gennaker_yml)}
        log = (gennaker_yml.parent / f"worker-{len(started)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "clouddriver", "worker"], env=environment, stdout=log, stderr=log
        )
        log.close()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def configs(count: int) -> list[dict[str, Any]]:
    """Half with versions, half with names that are made."""
    versioned = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"v-{n}"}, "data": {"n": str(n)}}
        for n in range(count // 2)
    ]
    generated = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": f"g-{n}-"}} for n in range(count // 2)
    ]
    return versioned + generated


def submit(api: TestClient, namespace: str, manifests: list[dict[str, Any]]) -> str:
    description = {
        "account": "staging",
        "moniker": {"app": "shop"},
        "namespaceOverride": namespace,
        "manifests": manifests,
    }
    return api.post("/kubernetes/ops", json=[{"deployManifest": description}]).json()["id"]


def made_in(cluster: ClusterAccess, namespace: str) -> list[str]:
    listed = cluster.kubectl("get", "configmaps", "-n", namespace, "-o", "name").stdout
    return sorted(name for line in listed.split() if (name := line.partition("/")[2])[:2] in ("v-", "g-"))


def test_a_killed_worker_s_operation_is_finished_by_another_one_once(
    api: TestClient,
    cluster: ClusterAccess,
    namespace: str,
    start_worker: Callable[[], "subprocess.Popen[bytes]"],
    wait_until: Wait,
):
    task = submit(api, namespace, configs(80))
    first = start_worker()
    wait_until(lambda: len(api.get(f"/task/{task}").json()["history"]) > 12)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = api.get(f"/task/{task}").json()
    assert not before["status"]["completed"], "the worker was too fast to be killed"
    second = start_worker()
    wait_until(lambda: api.get(f"/task/{task}").json()["status"]["completed"])
    after = api.get(f"/task/{task}").json()
    assert not after["status"]["failed"], after
    assert after["ownerId"] != before["ownerId"]
    [result] = after["resultObjects"]
    names = [name.partition(" ")[2] for name in result["manifestNamesByNamespace"][namespace]]
    assert made_in(cluster, namespace) == sorted(names)
    assert len(set(names)) == 80
    assert all(name.endswith("-v000") for name in names if name.startswith("v-"))
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=60) == 0


def test_a_bell_that_was_lost_is_rung_again(
    api: TestClient,
    crash_settings: ClouddriverSettings,
    namespace: str,
    start_worker: Callable[[], "subprocess.Popen[bytes]"],
    wait_until: Wait,
):
    task = submit(api, namespace, configs(2))
    with Redis.from_url(crash_settings.redis.url) as redis:
        redis.flushdb()
    start_worker()
    wait_until(lambda: api.get(f"/task/{task}").json()["status"]["completed"])
    assert not api.get(f"/task/{task}").json()["status"]["failed"]


def test_a_step_that_was_interrupted_anywhere_gives_the_same_result(
    crash_settings: ClouddriverSettings,
    crash_database: Database,
    api: TestClient,
    cluster: ClusterAccess,
    namespace: str,
):
    """Stop at each line of the history in turn, as if the worker had died there, and go on with the next worker."""
    task = submit(api, namespace, configs(6))
    deaths = 0
    for stop_after in range(1, 9):
        runner = DyingRunner(crash_database, crash_settings, stop_after)
        try:
            runner.run(task)
        except Died:
            deaths += 1
            lease_ends(crash_database)
    OperationRunner(crash_database, Accounts(crash_settings.kubernetes), crash_settings.kubernetes).run(task)
    after = api.get(f"/task/{task}").json()
    assert deaths > 3
    assert after["status"]["completed"]
    assert not after["status"]["failed"], after
    names = [name.partition(" ")[2] for name in after["resultObjects"][0]["manifestNamesByNamespace"][namespace]]
    assert made_in(cluster, namespace) == sorted(names)
    assert len(names) == 6


def test_a_cluster_that_is_away_is_tried_again_and_then_named(
    crash_settings: ClouddriverSettings, crash_database: Database, tmp_path: Path
):
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    account = {"name": "gone", "kubeconfigContents": json.dumps(kubeconfig)}
    settings = ClouddriverSettings.model_validate({"kubernetes": {"accounts": [account]}})
    store = OperationStore(crash_database)
    step = {"scaleManifest": {"account": "gone", "manifestName": "deployment shop", "location": "x", "replicas": 1}}
    task, _ = store.submit("key", "kubernetes", [step], "alice")
    OperationRunner(crash_database, Accounts(settings.kubernetes), settings.kubernetes).run(task)
    ended = store.find(task)
    assert ended is not None
    assert ended.state == "FAILED"
    assert "The API server http://127.0.0.1:9 can't be reached" in ended.results[0]["message"]
    assert ended.results[0]["cause"] == "Unreachable"
    assert len([line for line in ended.history if "Trying again in" in line["status"]]) == 2


class Died(BaseException):
    """The worker is gone: nothing after this runs, as after a kill."""


class DyingRunner:
    """A worker that dies when it has written some lines of history."""

    def __init__(self, database: Database, settings: ClouddriverSettings, lines: int) -> None:
        self._runner = OperationRunner(database, Accounts(settings.kubernetes), settings.kubernetes)
        self._store = self._runner._store
        self._lines = lines
        self._progress = self._store.progress
        self._store.progress = self._count  # type: ignore[method-assign]

    def run(self, task: str) -> None:
        self._runner.run(task)

    def _count(self, *arguments: Any) -> None:
        self._progress(*arguments)
        self._lines -= 1
        if self._lines == 0:
            raise Died


def lease_ends(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE operation SET leased_until = clock_timestamp()"))
