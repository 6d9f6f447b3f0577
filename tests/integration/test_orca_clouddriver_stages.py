"""Pipelines on the real platform: orca, front50 and clouddriver with their workers, and a real control plane."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from celery.contrib.testing.worker import start_worker
from clouddriver.app import create_app as clouddriver_app
from clouddriver.settings import ClouddriverSettings
from clouddriver.worker import register as register_clouddriver
from front50.app import create_app as front50_app
from front50.settings import Front50Settings
from gennaker.embedded.process import free_port
from kork.celery import make_celery
from kork.testing.databases import migrated
from kork.testing.serving import serving
from orca.app import create_app as orca_app
from orca.settings import OrcaSettings
from orca.testing.running import Orca
from orca.worker import register as register_orca
from testcluster import ClusterAccess

pytestmark = pytest.mark.cluster


@pytest.fixture
def orca(cluster: ClusterAccess, postgres_url: str, redis_url: str) -> Iterator[Orca]:
    """Orca's API with all that it needs behind it."""
    common: dict[str, Any] = {
        "embedded": True,
        "database": {"url": postgres_url},
        "redis": {"url": redis_url},
        "identity": {"secret": "a secret for this test"},
        "services": {name: {"port": free_port()} for name in ("orca", "front50", "clouddriver")},
    }
    accounts = {"kubernetes": {"accounts": [{"name": "k8s", "kubeconfigFile": str(cluster.kubeconfig)}]}}
    orca_settings = OrcaSettings.model_validate(common)
    clouddriver_settings = ClouddriverSettings.model_validate(common | accounts)
    front50_settings = Front50Settings.model_validate(common)
    services = orca_settings.services
    celery: Any = make_celery(orca_settings)
    register_orca(celery, orca_settings)
    register_clouddriver(celery, clouddriver_settings)
    with ExitStack() as stack:
        for schema in ("orca", "clouddriver", "front50"):
            stack.enter_context(migrated(orca_settings.database, schema))
        stack.enter_context(serving(orca_app(orca_settings), services.orca.port))
        stack.enter_context(serving(front50_app(front50_settings), services.front50.port))
        stack.enter_context(serving(clouddriver_app(clouddriver_settings), services.clouddriver.port))
        worker: Any = start_worker(
            celery,
            perform_ping_check=False,
            pool="threads",
            concurrency=4,
            queues=["orca", "orca.tasks", "clouddriver"],
            loglevel="error",
        )
        stack.enter_context(worker)
        url = services.orca.url()
        client = stack.enter_context(httpx2.Client(base_url=url, headers={"X-SPINNAKER-USER": "alice"}, timeout=30))
        yield Orca(orca_settings, url, client)


def config(color: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": color}}


def deployment(image: str) -> dict[str, Any]:
    container = {"name": "shop", "image": image, "envFrom": [{"configMapRef": {"name": "settings"}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 2,
            "minReadySeconds": 0,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}},
        },
    }


def deploy(namespace: str, *manifests: Any, ref: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "type": "deployManifest",
        "name": f"deploy {ref}",
        "account": "k8s",
        "cloudProvider": "kubernetes",
        "source": "text",
        "moniker": {"app": "shop"},
        "namespaceOverride": namespace,
        "manifests": list(manifests),
        **more,
    }


def on_shop(type: str, ref: str, namespace: str, *after: str, **more: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "type": type,
        "name": f"{type} {ref}",
        "requisiteStageRefIds": list(after),
        "account": "k8s",
        "cloudProvider": "kubernetes",
        "location": namespace,
        "manifestName": "deployment shop",
        **more,
    }


def live(cluster: ClusterAccess, namespace: str, kind: str = "deployment", name: str = "shop") -> dict[str, Any]:
    return json.loads(cluster.kubectl("get", kind, name, "-n", namespace, "-o", "json").stdout)


def image_of(manifest: dict[str, Any]) -> str:
    return manifest["spec"]["template"]["spec"]["containers"][0]["image"]


def stages_of(execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["refId"]: each for each in execution["stages"]}


def test_manifests_roll_out_scale_and_go(orca: Orca, cluster: ClusterAccess, namespace: str):
    execution = orca.wait_end(
        orca.start(
            deploy(namespace, config("blue"), deployment("registry.example/shop:${ parameters.tag }")),
            on_shop("scaleManifest", "2", namespace, "1", replicas=3),
            {"refId": "3", "type": "wait", "waitTime": 0, "requisiteStageRefIds": ["2"]},
            trigger={"type": "manual", "parameters": {"tag": "1"}},
        ),
        timeout=60,
    )
    assert execution["status"] == "SUCCEEDED", execution
    first = stages_of(execution)["1"]
    assert first["outputs"]["outputs.manifestNamesByNamespace"] == {
        namespace: ["configMap settings-v000", "deployment shop"]
    }
    assert {each["name"] for each in first["outputs"]["artifacts"]} == {"settings", "shop"}
    rolled_out = live(cluster, namespace)
    assert (image_of(rolled_out), rolled_out["spec"]["replicas"]) == ("registry.example/shop:1", 3)
    bound = rolled_out["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    assert bound == "settings-v000"
    execution = orca.wait_end(orca.start(on_shop("deleteManifest", "1", namespace)), timeout=60)
    assert execution["status"] == "SUCCEEDED", execution
    assert cluster.kubectl("get", "deployment", "-n", namespace, "-o", "name").stdout == ""


def test_a_rollout_that_fails_is_rolled_back(orca: Orca, cluster: ClusterAccess, namespace: str):
    assert (
        orca.wait_end(orca.start(deploy(namespace, deployment("registry.example/shop:1"))), 60)["status"] == "SUCCEEDED"
    )
    execution = orca.wait_end(
        orca.start(
            deploy(namespace, deployment("registry.example/shop:broken"), failPipeline=False, continuePipeline=True),
            on_shop("undoRolloutManifest", "2", namespace, "1", numRevisionsBack=1),
        ),
        timeout=60,
    )
    assert execution["status"] == "SUCCEEDED", execution
    stages = stages_of(execution)
    assert (stages["1"]["status"], stages["2"]["status"]) == ("FAILED_CONTINUE", "SUCCEEDED")
    told = f"'deployment shop' in '{namespace}' for account k8s: Deployment exceeded its progress deadline"
    assert told in stages["1"]["context"]["exception"]["details"]["errors"]
    assert image_of(live(cluster, namespace)) == "registry.example/shop:1"


def test_a_manifest_comes_from_an_artifact(orca: Orca, cluster: ClusterAccess, namespace: str):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: '${ parameters.color }'}"
    artifact = {"type": "embedded/base64", "name": "m", "reference": base64.b64encode(text.encode()).decode()}
    execution = orca.wait_end(
        orca.start(
            deploy(namespace, source="artifact", manifestArtifactId="m"),
            expectedArtifacts=[{"id": "m", "matchArtifact": {"type": "embedded/base64"}}],
            trigger={
                "type": "manual",
                "parameters": {"color": "red"},
                "artifacts": [artifact],
                "expectedArtifactIds": ["m"],
            },
        )
    )
    assert execution["status"] == "SUCCEEDED", execution
    assert live(cluster, namespace, "configmap", "settings-v000")["data"] == {"color": "red"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account": "nowhere", "manifests": [config("x")]}, "there is no account 'nowhere'"),
        ({"manifests": [{"kind": "ConfigMap"}]}, "apiVersion"),
        (
            {"manifests": [deployment("x") | {"spec": {"replicas": "many"}}]},
            "Deploy failed for manifest: deployment shop",
        ),
    ],
)
def test_what_is_refused_fails_the_stage_saying_why(orca: Orca, namespace: str, change: dict[str, Any], told: str):
    execution = orca.wait_end(orca.start(deploy(namespace) | change))
    assert execution["status"] == "TERMINAL"
    [failed] = execution["stages"]
    assert told in json.dumps([failed["context"].get("exception"), failed["context"].get("kato.tasks")])


def test_a_cancelled_rollout_ends_at_once(orca: Orca, namespace: str):
    late = deployment("registry.example/shop:1")
    late["spec"]["progressDeadlineSeconds"] = 600
    late["spec"]["template"]["metadata"]["annotations"] = {"testcluster/ready-after": "600s"}
    id = orca.start(deploy(namespace, late))
    orca.wait(id, lambda seen: seen["stages"][0]["context"].get("messages"))
    orca.client.put(f"/pipelines/{id}/cancel").raise_for_status()
    execution = orca.wait_end(id)
    assert (execution["status"], execution["stages"][0]["status"]) == ("CANCELED", "CANCELED")


def test_a_saved_pipeline_runs_from_another_one_and_passes_its_outputs_up(orca: Orca):
    body = {
        "name": "child",
        "application": "shop",
        "parameterConfig": [{"name": "n", "default": "1"}],
        "stages": [
            {
                "refId": "1",
                "type": "evaluateVariables",
                "name": "double",
                "variables": [{"key": "twice", "value": "${ #toInt(parameters.n) * 2 }"}],
            }
        ],
    }
    jobs = [
        {"type": "createApplication", "application": {"name": "shop", "email": "a@b.example"}},
        {"type": "savePipeline", "pipeline": base64.b64encode(json.dumps(body).encode()).decode()},
    ]
    request = {"application": "shop", "description": "Set up", "job": jobs}
    task = orca.wait_task(orca.post("/ops", request, headers={"Content-Type": "application/context+json"})["ref"])
    assert task["status"] == "SUCCEEDED", task
    variables = {each["key"]: each["value"] for each in task["variables"]}
    execution = orca.wait_end(
        orca.start(
            {
                "refId": "1",
                "type": "pipeline",
                "name": "run child",
                "application": "shop",
                "pipeline": variables["pipeline.id"],
                "pipelineParameters": {"n": "21"},
            },
            {"refId": "2", "type": "wait", "waitTime": 0, "requisiteStageRefIds": ["1"], "comments": "${ twice }"},
        )
    )
    assert execution["status"] == "SUCCEEDED", execution
    first, second = execution["stages"]
    assert (first["outputs"], second["context"]["comments"]) == ({"twice": 42}, 42)
    child = orca.execution(first["context"]["executionId"])
    assert child["rootId"] == execution["id"]
    trigger = child["trigger"]
    assert (trigger["type"], trigger["user"], trigger["parameters"]) == ("pipeline", "alice", {"n": "21"})
    assert trigger["parentExecution"]["id"] == execution["id"]


def test_a_cancel_reaches_the_child(orca: Orca):
    orca.client.headers["Content-Type"] = "application/context+json"
    body = {"name": "slow", "application": "shop", "stages": [{"refId": "1", "type": "wait", "waitTime": 600}]}
    jobs = [
        {"type": "createApplication", "application": {"name": "shop", "email": "a@b.example"}},
        {"type": "savePipeline", "pipeline": base64.b64encode(json.dumps(body).encode()).decode()},
    ]
    task = orca.wait_task(orca.post("/ops", {"application": "shop", "job": jobs})["ref"])
    id = next(each["value"] for each in task["variables"] if each["key"] == "pipeline.id")
    del orca.client.headers["Content-Type"]
    parent = orca.start({"refId": "1", "type": "pipeline", "name": "run child", "pipeline": id, "application": "shop"})
    seen = orca.wait(parent, lambda seen: seen["stages"][0]["context"].get("status") == "RUNNING")
    orca.client.put(f"/pipelines/{parent}/cancel").raise_for_status()
    assert orca.wait_end(parent)["status"] == "CANCELED"
    child = orca.wait_end(seen["stages"][0]["context"]["executionId"])
    assert child["status"] == "CANCELED"


def test_artifacts_of_another_pipelines_execution_are_found(orca: Orca):
    image = {"type": "docker/image", "name": "shop", "version": "2"}
    earlier = orca.start(
        {"refId": "1", "type": "wait", "waitTime": 0}, id="other", trigger={"type": "manual", "artifacts": [image]}
    )
    assert orca.wait_end(earlier)["status"] == "SUCCEEDED"
    wanted = [{"id": "image", "matchArtifact": {"type": "docker/image"}}]
    found = orca.wait_end(
        orca.start(
            {"refId": "1", "type": "findArtifactFromExecution", "pipeline": "other", "expectedArtifacts": wanted}
        )
    )
    assert found["status"] == "SUCCEEDED", found
    assert found["stages"][0]["outputs"]["artifacts"] == [image]
