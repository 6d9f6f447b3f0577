"""Kubernetes stages on the real platform and a real control plane: patches, traffic, Jobs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gennaker.gate import Gate
from gennaker.platform import Platform
from gennaker.watching.follow import follow_execution
from gennaker.watching.lines import failure_of
from testcluster import ClusterAccess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
Json = dict[str, Any]


class Kubernetes:
    """A namespace and an application of this test's own."""

    def __init__(self, gate: Gate, cluster: ClusterAccess, namespace: str, application: str) -> None:
        self.gate = gate
        self.cluster = cluster
        self.namespace = namespace
        self.application = application

    def stage(self, type: str, ref: str = "1", *after: str, **more: Any) -> Json:
        """Write a stage in the account, the namespace and the application."""
        place = {"account": "sandbox", "cloudProvider": "kubernetes", "location": self.namespace}
        place |= {"moniker": {"app": self.application}, "app": self.application}
        named = {"refId": ref, "requisiteStageRefIds": list(after), "type": type, "name": f"{type} {ref}"}
        return named | place | more

    def start(self, *stages: Json, **more: Any) -> str:
        body = {"application": self.application, "name": "kubernetes", "stages": list(stages)} | more
        return self.gate.post("pipelines", "start", body=body)["ref"].rsplit("/", 1)[-1]

    def run(self, *stages: Json, **more: Any) -> list[Json]:
        """Run stages to a good end; give them in their order, those made on the way included."""
        execution = self.follow(self.start(*stages, **more))
        assert execution["status"] == "SUCCEEDED", [failure_of(stage) for stage in execution["stages"]]
        return execution["stages"]

    def follow(self, execution_id: str, until: Callable[[Json], bool] | None = None) -> Json:
        options: Json = {"until": until} if until else {"fresh": True}
        return follow_execution(self.gate, execution_id, lambda *_: None, timeout=120, **options)

    def live(self, kind: str, *name: str) -> Any:
        """Read an object, or all of a kind."""
        found = json.loads(self.cluster.kubectl("get", kind, *name, "-n", self.namespace, "-o", "json").stdout)
        return found if name else found["items"]

    def apply(self, manifest: Json) -> None:
        self.cluster.kubectl("apply", "-n", self.namespace, "-f", "-", given=json.dumps(manifest))


@pytest.fixture
def kubernetes(
    platform_with_cluster: Platform, cluster: ClusterAccess, namespace: str, application: str
) -> Iterator[Kubernetes]:
    with Gate(platform_with_cluster.gate_url) as gate:
        yield Kubernetes(gate, cluster, namespace, application)


def replica_set(version: str) -> Json:
    container = {"name": "web", "image": f"registry.example/web:{version}"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"traffic": "web"}, "ports": [{"port": 80}]},
}


def behind_the_service(kubernetes: Kubernetes) -> set[str]:
    return {
        each["metadata"]["name"]
        for each in kubernetes.live("replicaset")
        if each["spec"]["template"]["metadata"]["labels"].get("traffic") == "web"
    }


def pods_behind_the_service(kubernetes: Kubernetes) -> set[str]:
    listed = kubernetes.cluster.kubectl("get", "pods", "-n", kubernetes.namespace, "-l", "traffic=web", "-o", "json")
    return {each["metadata"]["ownerReferences"][0]["name"] for each in json.loads(listed.stdout)["items"]}


def traffic(strategy: str) -> Json:
    return {"enabled": True, "options": {"enableTraffic": True, "services": ["service web"], "strategy": strategy}}


def test_traffic_moves_from_replica_set_to_replica_set(kubernetes: Kubernetes, wait_until: Callable[..., Any]):
    kubernetes.apply(SERVICE)

    def deploy(version: str, strategy: str) -> list[Json]:
        more: Json = {"manifests": [replica_set(version)], "namespaceOverride": kubernetes.namespace}
        return kubernetes.run(kubernetes.stage("deployManifest", trafficManagement=traffic(strategy), **more))

    assert [each["type"] for each in deploy("1", "redblack")] == ["deployManifest"]
    assert behind_the_service(kubernetes) == {"web-v000"}
    second = deploy("2", "bluegreen")
    assert [(each["type"], each["context"].get("manifestName")) for each in second[1:]] == [
        ("disableManifest", "replicaSet web-v000")
    ]
    assert behind_the_service(kubernetes) == {"web-v001"}
    wait_until(lambda: pods_behind_the_service(kubernetes) == {"web-v001"}, timeout=60)

    target = {"criteria": "oldest", "kind": "replicaSet", "cluster": "replicaSet web"}
    [enabled] = kubernetes.run(kubernetes.stage("enableManifest", **target))
    assert enabled["outputs"]["manifestName"] == "replicaSet web-v000"
    wait_until(lambda: pods_behind_the_service(kubernetes) == {"web-v000", "web-v001"}, timeout=60)

    again = deploy("2", "redblack")
    assert behind_the_service(kubernetes) == {"web-v001"}
    assert [each["context"]["manifestName"] for each in again[1:]] == ["replicaSet web-v000"]
    back = deploy("1", "redblack")
    assert behind_the_service(kubernetes) == {"web-v002"}
    wait_until(lambda: pods_behind_the_service(kubernetes) == {"web-v002"}, timeout=60)
    assert sorted(each["context"]["manifestName"] for each in back[1:]) == [
        "replicaSet web-v000",
        "replicaSet web-v001",
    ]

    third = deploy("3", "highlander")
    assert sorted(each["type"] for each in third[1:]) == ["deleteManifest"] * 3 + ["disableManifest"] * 3
    assert [each["metadata"]["name"] for each in kubernetes.live("replicaset")] == ["web-v003"]
    assert behind_the_service(kubernetes) == {"web-v003"}


def test_an_object_is_patched_and_its_artifacts_are_found(kubernetes: Kubernetes):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"color": "red"}}
    kubernetes.apply(config)
    kubernetes.apply(replica_set("1"))
    config_map, pods = {"manifestName": "configMap web"}, {"manifestName": "replicaSet web"}
    add = {"op": "add", "path": "/data/size", "value": "${ parameters.size }"}
    stages = kubernetes.run(
        kubernetes.stage("patchManifest", patchBody={"data": {"color": "blue"}}, **config_map),
        kubernetes.stage("patchManifest", "2", "1", patchBody=[add], options={"mergeStrategy": "json"}, **config_map),
        kubernetes.stage("findArtifactsFromResource", "3", "2", **pods),
        trigger={"type": "manual", "parameters": {"size": "large"}},
    )
    assert kubernetes.live("configmap", "web")["data"] == {"color": "blue", "size": "large"}
    image = {"type": "docker/image", "name": "registry.example/web", "reference": "registry.example/web:1"}
    assert image in stages[2]["outputs"]["artifacts"]
    assert stages[2]["outputs"]["manifest"]["metadata"]["name"] == "web"


def job(name: str, container: str = "main", **annotations: str) -> Json:
    spec = {"restartPolicy": "Never", "containers": [{"name": container, "image": "busybox"}]}
    template = {"metadata": {"annotations": annotations}, "spec": spec}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
    return manifest | {"spec": {"backoffLimit": 0, "template": template}}


def test_what_a_job_prints_is_used_by_later_stages(kubernetes: Kubernetes):
    manifest = job("report", "properties")
    manifest["metadata"] |= {
        "namespace": kubernetes.namespace,
        "annotations": {"job.spinnaker.io/logs": "https://logs.example/{{ manifest.metadata.name }}"},
    }
    ran, waited = kubernetes.run(
        kubernetes.stage("runJobManifest", alias="runJob", source="text", manifest=manifest, propertyFile="properties"),
        {"refId": "2", "requisiteStageRefIds": ["1"], "type": "wait", "waitTime": 0, "comments": "${ version }"},
    )
    assert waited["context"]["comments"] == "1.2.3"
    outputs = ran["outputs"]
    assert outputs["propertyFileContents"]["version"] == "1.2.3"
    assert (outputs["jobStatus"]["jobState"], outputs["jobStatus"]["location"]) == ("Succeeded", kubernetes.namespace)
    assert ran["context"]["execution"]["logs"] == "https://logs.example/{{ manifest.metadata.name }}"
    pod = outputs["jobStatus"]["mostRecentPodName"]
    console = kubernetes.gate.get("instances", "sandbox", kubernetes.namespace, f"pod {pod}", "console")
    assert "what a Job found out" in console["output"][0]["output"]
    status = kubernetes.gate.get(
        "applications", kubernetes.application, "jobs", "sandbox", kubernetes.namespace, "job report"
    )
    assert status["jobState"] == "Succeeded"


@pytest.mark.parametrize(
    ("manifest", "more", "told"),
    [
        (job("broken", **{"testcluster/exit-code": "7"}), {}, "Job: 'broken' failed. Reason: BackoffLimitExceeded."),
        (job("silent"), {"propertyFile": "main"}, "Expected properties file: main in job: silent"),
        (job("garbled", "bad-properties"), {"propertyFile": "bad-properties"}, "is not JSON"),
        (replica_set("1"), {}, "Only kind of Job is accepted for the Run Job operation."),
    ],
)
def test_a_job_that_fails_says_why(kubernetes: Kubernetes, manifest: Json, more: Json, told: str):
    placed = manifest | {"metadata": manifest["metadata"] | {"namespace": kubernetes.namespace}}
    ended = kubernetes.follow(kubernetes.start(kubernetes.stage("runJobManifest", manifest=placed, **more)))
    assert ended["status"] == "TERMINAL"
    assert told in json.dumps(ended["stages"][0]["context"]["exception"])


def test_a_canceled_pipeline_deletes_the_job_that_runs(kubernetes: Kubernetes, wait_until: Callable[..., Any]):
    manifest = job("slow", **{"testcluster/run-for": "600s"})
    manifest["metadata"]["namespace"] = kubernetes.namespace
    id = kubernetes.start(kubernetes.stage("runJobManifest", manifest=manifest))
    kubernetes.follow(id, until=lambda seen: "jobStatus" in seen["stages"][0]["context"])
    kubernetes.gate.put("pipelines", id, "cancel")
    assert kubernetes.follow(id)["status"] == "CANCELED"
    wait_until(lambda: kubernetes.live("job") == [], timeout=60)


def test_a_canceled_rollout_goes_on_without_the_pipeline(kubernetes: Kubernetes):
    slow = replica_set("1")
    slow["spec"]["template"]["metadata"]["annotations"] = {"testcluster/ready-after": "600s"}
    more: Json = {"manifests": [slow], "namespaceOverride": kubernetes.namespace}
    id = kubernetes.start(kubernetes.stage("deployManifest", **more))
    kubernetes.follow(id, until=lambda seen: bool(seen["stages"][0]["context"].get("messages")))
    kubernetes.gate.put("pipelines", id, "cancel")
    ended = kubernetes.follow(id)
    assert (ended["status"], ended["stages"][0]["status"]) == ("CANCELED", "CANCELED")
    assert [each["metadata"]["name"] for each in kubernetes.live("replicaset")] == ["web-v000"]
