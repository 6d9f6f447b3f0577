"""Whatever is killed while executions run: all end right, and each cloud operation happens once.

Everything is real and in processes of its own: Postgres, Redis, the APIs, the worker, a Kubernetes control plane.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from gennaker.platform import Configuration, Platform, Ports
from kork.ids import new_ulid
from redis import Redis
from redis.exceptions import RedisError
from testcluster.access import ClusterAccess

EXECUTIONS = 50
KILLS = 3
ACCOUNT = "faults"


@pytest.fixture(scope="module")
def platform(cluster: ClusterAccess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    account = {"name": ACCOUNT, "kubeconfigFile": str(cluster.kubeconfig)}
    configuration = Configuration(overrides={"kubernetes": {"accounts": [account]}})
    home = tmp_path_factory.mktemp("faults") / "home"
    with Platform(home, configuration=configuration, ports=Ports.free()) as running:
        yield running


def config_map(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"owner": name},
    }


def pipeline(number: int, namespace: str, execution_id: str) -> dict[str, Any]:
    """Wait, name a value, deploy a versioned ConfigMap (a doubled deploy would give a second version), wait."""
    deploy = {
        "type": "deployManifest",
        "account": ACCOUNT,
        "cloudProvider": "kubernetes",
        "source": "text",
        "moniker": {"app": "faults"},
        "manifests": [config_map(f"config-{number}", namespace)],
    }
    stages: list[dict[str, Any]] = [
        {"type": "wait", "waitTime": round(random.uniform(0, 2), 2)},
        {"type": "evaluateVariables", "variables": [{"key": "twice", "value": f"${{ {number} * 2 }}"}]},
        deploy,
        {"type": "wait", "waitTime": 1},
    ]
    for at, stage in enumerate(stages):
        stage |= {"refId": str(at), "name": stage["type"], "requisiteStageRefIds": [str(at - 1)] if at else []}
    return {"application": "faults", "name": f"p{number}", "executionId": execution_id, "stages": stages, "trigger": {}}


def kill(platform: Platform, part: str) -> None:
    victim = platform.parts()[part]
    victim.kill()
    victim.start()


def flush(platform: Platform, _: str) -> None:
    with Redis.from_url(platform.redis_url) as redis:
        redis.flushall()


def insist(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Repeat a call that is safe to repeat until somebody answers it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            response = call()
            if response.status_code < 500:
                return response
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "nobody answers any more"
        threading.Event().wait(0.1)


def statuses(client: httpx.Client, ids: list[str]) -> dict[str, str]:
    params = {"executionIds": ",".join(ids), "limit": len(ids), "expand": "false"}
    answer = insist(lambda: client.get("/pipelines", params=params))
    assert answer.status_code == 200, answer.text
    return {each["id"]: each["status"] for each in answer.json()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("disturb", "part"), [(kill, "worker"), (kill, "apis"), (kill, "postgres"), (kill, "redis"), (flush, "redis")]
)
def test_what_is_killed_loses_no_execution_and_doubles_no_operation(
    platform: Platform,
    cluster: ClusterAccess,
    namespace: str,
    disturb: Callable[[Platform, str], None],
    part: str,
    wait_until: Callable[..., None],
):
    ids = [new_ulid() for _ in range(EXECUTIONS)]
    with httpx.Client(base_url=platform.url("orca"), timeout=10) as client:
        for number, execution_id in enumerate(ids):
            body = pipeline(number, namespace, execution_id)
            answer = insist(lambda body=body: client.post("/orchestrate", json=body))
            assert answer.json() == {"ref": f"/pipelines/{execution_id}"}
        for _ in range(KILLS):
            threading.Event().wait(random.uniform(0.1, 1.5))
            disturb(platform, part)
        wait_until(lambda: set(statuses(client, ids).values()) == {"SUCCEEDED"}, timeout=150)
    names = cluster.kubectl("get", "configmaps", "-n", namespace, "-o", "name").stdout.split()
    deployed = sorted(name for name in names if "/config-" in name)
    assert deployed == sorted(f"configmap/config-{number}-v000" for number in range(EXECUTIONS))


@pytest.mark.timeout(120)
def test_without_redis_executions_wait_and_none_is_lost(platform: Platform, wait_until: Callable[..., None]):
    assert platform.redis is not None
    platform.redis.kill()
    with pytest.raises(RedisError), Redis.from_url(platform.redis_url) as redis:
        redis.ping()
    execution_id = new_ulid()
    body = {
        "application": "faults",
        "name": "later",
        "executionId": execution_id,
        "stages": [{"type": "wait", "waitTime": 0, "refId": "1", "name": "w", "requisiteStageRefIds": []}],
    }
    with httpx.Client(base_url=platform.url("orca"), timeout=10) as client:
        assert client.post("/orchestrate", json=body).status_code == 200
        assert client.get("/health").status_code == 200
        platform.redis.start()
        wait_until(lambda: statuses(client, [execution_id]) == {execution_id: "SUCCEEDED"})
