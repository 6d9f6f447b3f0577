"""The control plane is a real one: controllers act, RBAC refuses, objects outlive a restart."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from testcluster import ClusterAccess, ClusterError, TestCluster

DEPLOYMENT = ("create", "deployment", "web", "--image=registry.example/web:1", "--replicas=3")


def test_a_deployment_rolls_out(cluster: ClusterAccess, namespace: str) -> None:
    cluster.kubectl(*DEPLOYMENT, "-n", namespace)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
    pods = json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-o", "json").stdout)["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
    assert all(pod["status"]["podIP"] for pod in pods)


@pytest.mark.parametrize(
    ("image", "annotations", "reason"),
    [
        ("registry.example/web:broken", {}, "ImagePullBackOff"),
        ("registry.example/web:1", {"testcluster/fail": "image"}, "ImagePullBackOff"),
        ("registry.example/web:1", {"testcluster/fail": "crash"}, "CrashLoopBackOff"),
    ],
)
def test_a_pod_can_be_made_to_fail(
    cluster: ClusterAccess, namespace: str, image: str, annotations: dict[str, str], reason: str
) -> None:
    cluster.apply(pod(namespace, image, annotations))
    waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    cluster.kubectl("wait", "pod/one", "-n", namespace, f"--for={waiting}={reason}", "--timeout=30s")


@pytest.mark.parametrize(("code", "condition"), [("0", "complete"), ("1", "failed")])
def test_a_job_ends_as_its_exit_code_says(cluster: ClusterAccess, namespace: str, code: str, condition: str) -> None:
    template = {
        "metadata": {"annotations": {"testcluster/exit-code": code}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/job:1"}]},
    }
    metadata = {"name": "job", "namespace": namespace}
    spec = {"backoffLimit": 0, "template": template}
    cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    cluster.kubectl("wait", "job/job", "-n", namespace, f"--for=condition={condition}", "--timeout=30s")


def test_a_service_account_may_do_what_its_rules_say_and_nothing_else(cluster: ClusterAccess, namespace: str) -> None:
    kubeconfig = cluster.service_account_kubeconfig(
        namespace, "reader", [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}]
    )
    allowed = cluster.kubectl("get", "deployments", "-n", namespace, kubeconfig=kubeconfig)
    assert allowed.returncode == 0
    for forbidden in (["get", "namespaces"], ["get", "pods", "-n", namespace], [*DEPLOYMENT, "-n", namespace]):
        refused = cluster.kubectl(*forbidden, kubeconfig=kubeconfig, check=False)
        assert refused.returncode != 0
        assert f'User "system:serviceaccount:{namespace}:reader" cannot' in refused.stderr


def test_a_failed_kubectl_raises_what_it_said(cluster: ClusterAccess) -> None:
    with pytest.raises(ClusterError, match=r"get pod/none.*not found"):
        cluster.kubectl("get", "pod/none")


def test_a_killed_apiserver_comes_back_with_its_objects(own_cluster: TestCluster) -> None:
    own_cluster.kubectl(*DEPLOYMENT)
    own_cluster.kill_apiserver()
    assert not own_cluster.is_running
    assert "refused" in own_cluster.kubectl("get", "deployments", check=False).stderr
    own_cluster.restart_apiserver()
    assert own_cluster.is_running
    own_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def test_a_restart_keeps_objects_keys_and_address(tmp_path: Path) -> None:
    with TestCluster(tmp_path) as cluster:
        before = cluster.kubeconfig.read_text()
        cluster.kubectl(*DEPLOYMENT)
        pids = cluster.pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    with TestCluster(tmp_path) as cluster:
        assert cluster.kubeconfig.read_text() == before
        cluster.kubectl("scale", "deployment/web", "--replicas=5")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        assert cluster.kubectl("get", "deployment/web", "-o", "jsonpath={.status.readyReplicas}").stdout == "5"


def test_a_cluster_ends_with_the_process_that_started_it(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    starter = (
        "import sys, json, signal, threading; from pathlib import Path; from testcluster import TestCluster\n"
        "cluster = TestCluster(Path(sys.argv[1]))\n"
        "thread = threading.Thread(target=cluster.start); thread.start(); thread.join()\n"
        "print(json.dumps(cluster.pids), flush=True); signal.pause()"
    )
    process = subprocess.Popen([sys.executable, "-c", starter, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = json.loads(process.stdout.readline())
    assert len(pids) == 5
    assert all(Path(f"/proc/{pid}").exists() for pid in pids.values())
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not any(is_alive(pid) for pid in pids.values()))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pod(namespace: str, image: str, annotations: dict[str, str]) -> dict[str, object]:
    metadata = {"name": "one", "namespace": namespace, "annotations": annotations}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
