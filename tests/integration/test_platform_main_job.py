"""The tutorial on a real control plane: webhook, staging, approval, production, and a rollout that is undone."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gennaker.gate import Gate
from gennaker.platform import Platform
from gennaker.watching.follow import follow_execution
from gennaker.watching.lines import failure_of
from testcluster import ClusterAccess

pytestmark = pytest.mark.timeout(300)
Json = dict[str, Any]


@pytest.fixture
def gate(platform_with_cluster: Platform) -> Iterator[Gate]:
    with Gate(platform_with_cluster.gate_url) as client:
        yield client


@pytest.fixture
def production(cluster: ClusterAccess, namespace: str) -> Iterator[str]:
    name = f"{namespace}-production"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def moved(pipeline: Json, application: str, staging: str, production: str) -> Json:
    """Give the tutorial's pipeline an application, a source and namespaces of its own."""
    text = json.dumps(pipeline).replace('"production"', f'"{production}"').replace('"staging"', f'"{staging}"')
    own = json.loads(text) | {"application": application}
    for stage in own["stages"]:
        if "moniker" in stage:
            stage["moniker"] = {"app": application}
    for trigger in own["triggers"]:
        trigger["source"] = application
    return own


def until_end(gate: Gate, execution_id: str) -> Json:
    return follow_execution(gate, execution_id, lambda *_: None, timeout=120, fresh=True)


def waits_for_judgment(execution: Json) -> bool:
    return stage_of(execution, "Approve production")["status"] == "RUNNING"


def stage_of(execution: Json, name: str) -> Json:
    return next(stage for stage in execution["stages"] if stage["name"] == name)


def deployment(cluster: ClusterAccess, namespace: str) -> Json:
    return json.loads(cluster.kubectl("get", "deployment", "web", f"--namespace={namespace}", "--output=json").stdout)


def container(of: Json) -> Json:
    return of["spec"]["template"]["spec"]["containers"][0]


def test_a_webhook_goes_through_staging_and_an_approval_to_production_and_a_bad_rollout_is_undone(
    gate: Gate,
    cluster: ClusterAccess,
    namespace: str,
    production: str,
    application: str,
    tutorial: Callable[[str], Json],
    wait_until: Callable[..., None],
) -> None:
    gate.post("pipelines", body=moved(tutorial("pipeline.json"), application, namespace, production))
    payload = tutorial("webhook.json")

    unmatched = gate.post("webhooks", "webhook", application, body=payload | {"branch": "feature/main"})
    event = gate.post("webhooks", "webhook", application, body=payload)
    assert event["eventProcessed"] is True
    assert event["eventId"] != unmatched["eventId"]

    def started() -> list[Json]:
        return gate.get("applications", application, "pipelines", limit=5)

    wait_until(started)
    [execution] = started()
    assert execution["trigger"]["eventId"] == event["eventId"]
    assert execution["trigger"]["parameters"] == {"tag": "1.4.0"}

    waiting = follow_execution(gate, execution["id"], lambda *_: None, timeout=120, until=waits_for_judgment)
    assert stage_of(waiting, "Deploy to production")["status"] == "NOT_STARTED"
    assert container(deployment(cluster, namespace))["image"] == "registry.example.com/web:1.4.0"
    assert "deployments" not in cluster.kubectl("get", "deployments", f"--namespace={production}").stdout

    judgment = stage_of(waiting, "Approve production")
    gate.patch("pipelines", execution["id"], "stages", judgment["id"], body={"judgmentStatus": "continue"})
    ended = until_end(gate, execution["id"])

    assert ended["status"] == "SUCCEEDED"
    assert {stage["status"] for stage in ended["stages"]} == {"SUCCEEDED"}
    deployed = deployment(cluster, production)
    assert container(deployed)["envFrom"] == [{"configMapRef": {"name": "web-config-v000"}}]
    assert deployed["status"]["readyReplicas"] == 3
    assert len(started()) == 1

    faulty = moved(tutorial("pipeline-with-a-fault.json"), application, namespace, production)
    gate.post("pipelines", body=faulty)
    ref = gate.post("pipelines", application, faulty["name"], body={"parameters": {"tag": "1.5.0"}})["ref"]
    undone = until_end(gate, ref.rsplit("/", 1)[-1])

    assert stage_of(undone, "Deploy to production")["status"] == "FAILED_CONTINUE"
    assert "progress deadline" in json.dumps(stage_of(undone, "Deploy to production")["context"])
    assert stage_of(undone, "Undo the rollout")["status"] == "SUCCEEDED"
    restored = container(deployment(cluster, production))
    assert restored["image"] == "registry.example.com/web:1.4.0"
    assert restored["envFrom"] == [{"configMapRef": {"name": "web-config-v000"}}]


def test_a_manifest_that_the_api_server_refuses_fails_its_stage_with_the_server_s_words(
    gate: Gate, namespace: str, application: str
) -> None:
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "c"}}}},
    }
    stage = {
        "refId": "1",
        "requisiteStageRefIds": [],
        "type": "deployManifest",
        "name": "Deploy",
        "account": "sandbox",
        "cloudProvider": "kubernetes",
        "source": "text",
        "moniker": {"app": application},
        "manifests": [manifest],
    }
    body = {"application": application, "name": "refused", "stages": [stage]}
    ended = until_end(gate, gate.post("pipelines", "start", body=body)["ref"].rsplit("/", 1)[-1])

    assert ended["status"] == "TERMINAL"
    assert "`selector` does not match template `labels`" in failure_of(stage_of(ended, "Deploy"))
