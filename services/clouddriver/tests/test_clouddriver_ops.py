"""Operations against a real control plane."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.identity import Identity, Signer, identity_headers
from kork.ids import new_ulid
from testcluster import ClusterAccess, PolicyRule

ACCOUNT = "staging"


class Clouddriver:
    """The API and a worker, on a real cluster."""

    def __init__(self, settings: ClouddriverSettings, api: TestClient, cluster: ClusterAccess) -> None:
        self.settings = settings
        self.api = api
        self.cluster = cluster
        self.database = Database(settings.database, schema="clouddriver")
        self.runner = OperationRunner(self.database, Accounts(settings.kubernetes), settings.kubernetes)

    def headers(self, user: str = "alice", *roles: str) -> dict[str, str]:
        signer = Signer(self.settings.identity.secret)
        return identity_headers(Identity(user, roles=roles), signer)

    def submit(self, operation: str, key: str | None = None, account: str = ACCOUNT, **description: Any) -> str:
        body = [{operation: {"account": account, **description}}]
        answer = self.api.post(
            "/kubernetes/ops", params={"clientRequestId": key or new_ulid()}, json=body, headers=self.headers()
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["resourceUri"] == f"/task/{answer.json()['id']}"
        return answer.json()["id"]

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/task/{task_id}", headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, operation: str, **description: Any) -> dict[str, Any]:
        task_id = self.submit(operation, **description)
        self.runner.run(task_id)
        task = self.task(task_id)
        assert task["status"]["completed"]
        return task

    def result(self, operation: str, **description: Any) -> dict[str, Any]:
        task = self.run(operation, **description)
        assert not task["status"]["failed"], task
        return task["resultObjects"][0] if task["resultObjects"] else {}

    def failure(self, operation: str, **description: Any) -> str:
        task = self.run(operation, **description)
        assert task["status"]["failed"], task
        [fault] = [item for item in task["resultObjects"] if item.get("type") == "EXCEPTION"]
        assert fault["operation"] == operation
        return fault["message"]

    def deploy(self, namespace: str, *manifests: Any, **more: Any) -> dict[str, Any]:
        return self.result("deployManifest", **deployment_of(namespace, *manifests, **more))

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        return json.loads(
            self.cluster.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--show-managed-fields").stdout
        )

    def names(self, kind: str, namespace: str) -> list[str]:
        listed = self.cluster.kubectl("get", kind, "-n", namespace, "-o", "name").stdout
        return sorted(line.partition("/")[2] for line in listed.split())


def deployment_of(namespace: str, *manifests: Any, **more: Any) -> dict[str, Any]:
    return {
        "moniker": {"app": "shop"},
        "namespaceOverride": namespace,
        "manifests": list(manifests),
        "source": "text",
        "cloudProvider": "kubernetes",
    } | more


def config(color: str = "blue", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", **metadata},
        "data": {"color": color},
    }


def service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
    }


def deployment(image: str = "nginx", replicas: int | None = 2, **metadata: Any) -> dict[str, Any]:
    container = {
        "name": "shop",
        "image": image,
        "envFrom": [{"configMapRef": {"name": "settings"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", **metadata},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}},
        },
    }


def bound_config(manifest: dict[str, Any]) -> str:
    return manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]


def image_of(manifest: dict[str, Any]) -> str:
    return manifest["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.fixture
def make_clouddriver(cluster: ClusterAccess, postgres_url: str, redis_url: str) -> Iterator[Callable[..., Clouddriver]]:
    """Make a clouddriver: `make_clouddriver(**account)` with settings for its account."""
    opened: list[tuple[TestClient, Clouddriver]] = []

    def make(**account: Any) -> Clouddriver:
        accounts = [{"name": ACCOUNT, "kubeconfigFile": str(cluster.kubeconfig), **account}]
        settings = ClouddriverSettings.model_validate(
            {
                "database": {"url": postgres_url},
                "redis": {"url": redis_url},
                "kubernetes": {"accounts": accounts},
            }
        )
        Database(settings.database, schema="clouddriver").migrate()
        client = TestClient(create_app(settings))
        client.__enter__()
        made = Clouddriver(settings, client, cluster)
        opened.append((client, made))
        return made

    yield make
    for client, made in opened:
        client.__exit__(None, None, None)
        made.database.dispose()


@pytest.fixture
def clouddriver(make_clouddriver: Callable[..., Clouddriver]) -> Clouddriver:
    return make_clouddriver()


def test_a_deploy_applies_in_order_and_binds_the_versioned_config(clouddriver: Clouddriver, namespace: str):
    result = clouddriver.deploy(namespace, deployment(), service(), config())
    assert result["manifestNamesByNamespace"] == {
        namespace: ["configMap settings-v000", "service shop", "deployment shop"]
    }
    assert [artifact["reference"] for artifact in result["createdArtifacts"]] == ["settings-v000", "shop", "shop"]
    assert result["boundArtifacts"] == [result["createdArtifacts"][0]]
    assert result["createdArtifacts"][0] == {
        "type": "kubernetes/configMap",
        "name": "settings",
        "location": namespace,
        "version": "v000",
        "reference": "settings-v000",
        "metadata": {"account": ACCOUNT},
    }
    live = clouddriver.get("deployment", "shop", namespace)
    assert bound_config(live) == "settings-v000"
    for metadata in (live["metadata"], live["spec"]["template"]["metadata"]):
        assert metadata["annotations"]["moniker.spinnaker.io/application"] == "shop"
        assert metadata["annotations"]["moniker.spinnaker.io/cluster"] == "deployment shop"
        assert metadata["annotations"]["artifact.spinnaker.io/name"] == "shop"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "spinnaker"
        assert metadata["labels"]["app.kubernetes.io/name"] == "shop"
    settings = clouddriver.get("configmap", "settings-v000", namespace)["metadata"]
    assert settings["annotations"]["moniker.spinnaker.io/sequence"] == "0"
    assert settings["labels"]["moniker.spinnaker.io/sequence"] == "0"
    assert {entry["manager"] for entry in settings["managedFields"]} == {"gennaker"}


def test_a_changed_config_gets_a_new_version_and_an_unchanged_one_is_used_again(
    clouddriver: Clouddriver, namespace: str
):
    versions = [
        bound_config(clouddriver.deploy(namespace, deployment(), config(color))["manifests"][1])
        for color in ("blue", "green", "green", "blue", "red")
    ]
    assert versions == ["settings-v000", "settings-v001", "settings-v001", "settings-v000", "settings-v002"]


def test_a_config_that_kubectl_applied_for_spinnaker_is_recognized(clouddriver: Clouddriver, namespace: str):
    annotations = {
        "artifact.spinnaker.io/name": "settings",
        "artifact.spinnaker.io/version": "v004",
        "artifact.spinnaker.io/type": "kubernetes/configMap",
    }
    manifest = config("blue", name="settings-v004", namespace=namespace, annotations=annotations)
    clouddriver.cluster.kubectl("apply", "-f", "-", given=json.dumps(manifest))
    result = clouddriver.deploy(namespace, config("blue"), config("green"))
    assert result["manifestNamesByNamespace"] == {namespace: ["configMap settings-v004", "configMap settings-v005"]}


def test_two_deploys_at_once_never_share_a_version(clouddriver: Clouddriver, namespace: str):
    tasks = [
        clouddriver.submit("deployManifest", **deployment_of(namespace, config(color)))
        for color in ("blue", "green", "red", "white")
    ]
    threads = [threading.Thread(target=clouddriver.runner.run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = [clouddriver.task(task)["resultObjects"][0] for task in tasks]
    names = [result["manifestNamesByNamespace"][namespace][0] for result in results]
    assert sorted(names) == [f"configMap settings-v00{n}" for n in range(4)]


def test_a_rollout_is_undone(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment("nginx:1"), config("blue"))
    clouddriver.cluster.kubectl("rollout", "status", "deployment/shop", "-n", namespace, "--timeout=30s")
    clouddriver.deploy(namespace, deployment("nginx:2"), config("green"))
    clouddriver.cluster.kubectl("rollout", "status", "deployment/shop", "-n", namespace, "--timeout=30s")
    clouddriver.run("undoRolloutManifest", manifestName="deployment shop", location=namespace, numRevisionsBack=1)
    live = clouddriver.get("deployment", "shop", namespace)
    assert (image_of(live), bound_config(live)) == ("nginx:1", "settings-v000")
    clouddriver.cluster.kubectl("rollout", "status", "deployment/shop", "-n", namespace, "--timeout=30s")
    clouddriver.deploy(namespace, deployment("nginx:3"), config("green"))
    live = clouddriver.get("deployment", "shop", namespace)
    assert (image_of(live), bound_config(live)) == ("nginx:3", "settings-v001")


def test_what_an_undo_brought_back_goes_with_the_next_deploy_that_has_it_not(clouddriver: Clouddriver, namespace: str):
    with_command = deployment()
    with_command["spec"]["template"]["spec"]["containers"][0]["command"] = ["sleep", "1"]
    for manifest in (with_command, deployment("nginx:2")):
        clouddriver.deploy(namespace, manifest)
        clouddriver.cluster.kubectl("rollout", "status", "deployment/shop", "-n", namespace, "--timeout=30s")
    clouddriver.run("undoRolloutManifest", manifestName="deployment shop", location=namespace, revision=1)
    container = clouddriver.get("deployment", "shop", namespace)["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["sleep", "1"]
    clouddriver.deploy(namespace, deployment("nginx:3"))
    container = clouddriver.get("deployment", "shop", namespace)["spec"]["template"]["spec"]["containers"][0]
    assert "command" not in container


def test_an_undo_beyond_the_history_says_how_long_that_is(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment())
    clouddriver.cluster.kubectl("rollout", "status", "deployment/shop", "-n", namespace, "--timeout=30s")
    about = {"manifestName": "deployment shop", "location": namespace}
    message = clouddriver.failure("undoRolloutManifest", **about, numRevisionsBack=3)
    assert "There are 1 revision(s) in total, cannot rollback 3" in message
    assert "There is no revision 9; the history has 1." in clouddriver.failure(
        "undoRolloutManifest", **about, revision=9
    )


def test_a_stateful_set_is_rolled_back_by_its_revisions(clouddriver: Clouddriver, namespace: str):
    def stateful(image: str) -> dict[str, Any]:
        manifest = deployment(image, replicas=1)
        spec = manifest["spec"] | {"serviceName": "shop"}
        return manifest | {"kind": "StatefulSet", "spec": spec}

    for image in ("nginx:1", "nginx:2"):
        clouddriver.deploy(namespace, stateful(image))
        clouddriver.cluster.kubectl("rollout", "status", "statefulset/shop", "-n", namespace, "--timeout=60s")
    clouddriver.run("undoRolloutManifest", manifestName="statefulSet shop", location=namespace)
    assert image_of(clouddriver.get("statefulset", "shop", namespace)) == "nginx:1"


def test_scaling_and_deploying_again_don_t_conflict(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment(replicas=2))
    task = clouddriver.run("scaleManifest", manifestName="deployment shop", location=namespace, replicas=4)
    assert not task["status"]["failed"]
    assert clouddriver.get("deployment", "shop", namespace)["spec"]["replicas"] == 4
    clouddriver.deploy(namespace, deployment(replicas=3))
    assert clouddriver.get("deployment", "shop", namespace)["spec"]["replicas"] == 3


def test_the_source_s_capacity_is_kept_when_asked_for(clouddriver: Clouddriver, namespace: str):
    asks = {"strategy.spinnaker.io/use-source-capacity": "true"}
    clouddriver.deploy(namespace, deployment(replicas=2))
    clouddriver.run("scaleManifest", manifestName="deployment shop", location=namespace, replicas=5)
    clouddriver.deploy(namespace, deployment(replicas=2, annotations=asks))
    assert clouddriver.get("deployment", "shop", namespace)["spec"]["replicas"] == 5


def test_a_rollout_is_paused_resumed_and_restarted(clouddriver: Clouddriver, namespace: str):
    about = {"manifestName": "deployment shop", "location": namespace}
    clouddriver.deploy(namespace, deployment())
    clouddriver.run("pauseRolloutManifest", **about)
    assert clouddriver.get("deployment", "shop", namespace)["spec"]["paused"] is True
    assert "is paused; resume it" in clouddriver.failure("undoRolloutManifest", **about)
    clouddriver.run("resumeRolloutManifest", **about)
    assert "paused" not in clouddriver.get("deployment", "shop", namespace)["spec"]
    clouddriver.run("rollingRestartManifest", **about)
    template = clouddriver.get("deployment", "shop", namespace)["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in template
    clouddriver.deploy(namespace, deployment())
    again = clouddriver.get("deployment", "shop", namespace)["spec"]["template"]["metadata"]["annotations"]
    assert again == template


def test_an_object_is_deleted_by_its_name_and_a_missing_one_is_no_fault(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment(), service())
    about = {"manifestName": "deployment shop", "location": namespace, "options": {"cascading": "true"}}
    assert clouddriver.result("deleteManifest", **about)["manifestNamesByNamespace"] == {namespace: ["deployment shop"]}
    assert clouddriver.names("deployments", namespace) == []
    assert clouddriver.names("services", namespace) == ["shop"]
    assert clouddriver.result("deleteManifest", **about)["manifestNamesByNamespace"] == {}


def test_objects_are_deleted_by_their_labels(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(
        namespace,
        config("a", name="one", labels={"tier": "a"}),
        config("b", name="two", labels={"tier": "b"}),
        config("c", name="three"),
    )
    selectors = {"selectors": [{"kind": "CONTAINS", "key": "tier", "values": ["a", "c"]}]}
    result = clouddriver.result(
        "deleteManifest", kinds=["configMap", "secret"], location=namespace, labelSelectors=selectors
    )
    assert result["manifestNamesByNamespace"] == {namespace: ["configMap one-v000"]}
    assert {"two-v000", "three-v000"} <= set(clouddriver.names("configmaps", namespace))


def test_a_deletion_that_would_empty_a_namespace_is_refused(clouddriver: Clouddriver, namespace: str):
    answer = clouddriver.api.post(
        "/kubernetes/ops",
        json=[{"deleteManifest": {"account": ACCOUNT, "kinds": ["configMap"], "location": namespace}}],
        headers=clouddriver.headers(),
    )
    assert answer.status_code == 400
    assert "needs 'labelSelectors'" in answer.json()["message"]


def test_a_recreated_job_and_a_replaced_service_are_new(clouddriver: Clouddriver, namespace: str):
    def job(command: str) -> dict[str, Any]:
        container = {"name": "job", "image": "busybox", "command": [command]}
        template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
        annotations = {"strategy.spinnaker.io/recreate": "true"}
        metadata = {"name": "job", "annotations": annotations}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}

    clouddriver.deploy(namespace, job("a"))
    first = clouddriver.get("job", "job", namespace)["metadata"]["uid"]
    clouddriver.deploy(namespace, job("b"))
    second = clouddriver.get("job", "job", namespace)
    assert second["metadata"]["uid"] != first
    assert second["spec"]["template"]["spec"]["containers"][0]["command"] == ["b"]
    replaced = config(
        "x",
        name="plain",
        annotations={
            "strategy.spinnaker.io/replace": "true",
            "strategy.spinnaker.io/versioned": "false",
        },
    )
    clouddriver.deploy(namespace, replaced)
    clouddriver.deploy(namespace, replaced | {"data": {"other": "y"}})
    assert clouddriver.get("configmap", "plain", namespace)["data"] == {"other": "y"}


def test_an_object_with_a_generated_name_is_made_once_per_operation(clouddriver: Clouddriver, namespace: str):
    manifest = config()
    manifest["metadata"] = {"generateName": "made-"}
    first, second = (clouddriver.deploy(namespace, manifest)["manifestNamesByNamespace"][namespace] for _ in range(2))
    assert first != second
    made = [name for name in clouddriver.names("configmaps", namespace) if name.startswith("made-")]
    assert sorted(f"configMap {name}" for name in made) == sorted(first + second)


def test_old_versions_are_cleaned_up(clouddriver: Clouddriver, namespace: str):
    keep = {"strategy.spinnaker.io/max-version-history": "2"}
    results = [clouddriver.deploy(namespace, config(color, annotations=keep)) for color in ("a", "b", "c", "d")]
    cleaned = clouddriver.result("cleanupArtifacts", manifests=results[-1]["manifests"])
    assert cleaned["manifestNamesByNamespace"] == {namespace: ["configMap settings-v000", "configMap settings-v001"]}
    left = [name for name in clouddriver.names("configmaps", namespace) if name.startswith("settings")]
    assert left == ["settings-v002", "settings-v003"]


def test_an_image_is_bound_and_a_required_one_must_be(clouddriver: Clouddriver, namespace: str):
    image = {
        "type": "docker/image",
        "name": "registry.example.com:5000/nginx",
        "reference": "registry.example.com:5000/nginx:7",
    }
    result = clouddriver.deploy(namespace, deployment("registry.example.com:5000/nginx"), requiredArtifacts=[image])
    assert image_of(result["manifests"][0]) == image["reference"]
    assert result["boundArtifacts"] == [image]
    message = clouddriver.failure(
        "deployManifest", **deployment_of(namespace, deployment("other"), requiredArtifacts=[image])
    )
    assert "The following required artifacts could not be bound" in message
    assert image_of(clouddriver.get("deployment", "shop", namespace)) == image["reference"]


def test_a_field_of_another_manager_is_a_conflict_that_names_it(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment(replicas=2))
    clouddriver.cluster.kubectl(
        "patch", "deployment/shop", "-n", namespace, "--field-manager=the-other-team", "-p", '{"spec":{"replicas":7}}'
    )
    message = clouddriver.failure("deployManifest", **deployment_of(namespace, deployment(replicas=2)))
    assert message.startswith("Deploy failed for manifest: deployment shop. Error: ")
    assert "'the-other-team' has set .spec.replicas" in message
    assert f"in namespace '{namespace}' of account 'staging'" in message
    force = {"strategy.spinnaker.io/server-side-apply": "force-conflicts"}
    clouddriver.deploy(namespace, deployment(replicas=2, annotations=force))
    assert clouddriver.get("deployment", "shop", namespace)["spec"]["replicas"] == 2


def test_what_spinnaker_had_applied_client_side_is_taken_over(clouddriver: Clouddriver, namespace: str):
    manifest = deployment(
        "nginx:1", namespace=namespace, annotations={"artifact.spinnaker.io/type": "kubernetes/deployment"}
    )
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = ["old"]
    clouddriver.cluster.kubectl("apply", "-f", "-", given=json.dumps(manifest))
    clouddriver.deploy(namespace, deployment("nginx:2"))
    live = clouddriver.get("deployment", "shop", namespace)
    assert image_of(live) == "nginx:2"
    assert "command" not in live["spec"]["template"]["spec"]["containers"][0]


def test_a_refused_manifest_fails_in_the_server_s_words_and_says_what_was_applied(
    clouddriver: Clouddriver, namespace: str
):
    wrong = deployment()
    wrong["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    task = clouddriver.run("deployManifest", **deployment_of(namespace, wrong, config()))
    [fault] = task["resultObjects"]
    assert fault["type"] == "EXCEPTION"
    assert fault["message"].startswith("Deploy failed for manifest: deployment shop. Error: ")
    assert "`selector` does not match template `labels`" in fault["message"]
    assert f"Applied before it: configMap settings-v000 in namespace '{namespace}'." in fault["message"]
    assert fault["details"]["applied"] == [f"configMap settings-v000 in namespace '{namespace}'"]
    assert task["status"]["phase"] == "ORCHESTRATION"
    assert task["status"]["status"].startswith("Orchestration failed: deployManifest |")


def test_a_kind_that_the_cluster_has_not_fails_before_anything_is_applied(clouddriver: Clouddriver, namespace: str):
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    message = clouddriver.failure("deployManifest", **deployment_of(namespace, config(), widget))
    assert "has no kind 'Widget.example.com'" in message
    assert "Nothing was applied" in message
    assert "settings-v000" not in clouddriver.names("configmaps", namespace)


def test_a_manifest_that_is_too_large_is_refused_by_the_server(clouddriver: Clouddriver, namespace: str):
    message = clouddriver.failure("deployManifest", **deployment_of(namespace, config("x" * 1_200_000)))
    assert "Deploy failed for manifest: configMap settings-v000. Error: " in message
    assert "Nothing was applied before it." in message


def test_lists_texts_and_many_documents_are_deployed(clouddriver: Clouddriver, namespace: str):
    listed = {"apiVersion": "v1", "kind": "List", "items": [config(name="one"), None, config(name="two")]}
    text = "---\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n" for name in ("three", "four")
    )
    result = clouddriver.deploy(namespace, listed, text, [config(name="five")], None)
    names = result["manifestNamesByNamespace"][namespace]
    assert names == [f"configMap {word}-v000" for word in ("one", "two", "three", "four", "five")]


def test_only_what_the_selectors_choose_is_deployed(clouddriver: Clouddriver, namespace: str):
    selectors = {"selectors": [{"kind": "EQUALS", "key": "tier", "values": ["a"]}]}
    chosen = config(name="one", labels={"tier": "a"})
    result = clouddriver.deploy(namespace, chosen, config(name="two"), labelSelectors=selectors)
    assert result["manifestNamesByNamespace"] == {namespace: ["configMap one-v000"]}
    message = clouddriver.failure(
        "deployManifest", **deployment_of(namespace, config(name="two"), labelSelectors=selectors)
    )
    assert "nothing deployed to account staging with label selector(s) tier = a" in message


def test_a_workload_is_put_behind_a_service(clouddriver: Clouddriver, namespace: str):
    balancer = service()
    balancer["spec"]["selector"] = {"lb": "shop"}
    replica_set = deployment() | {"kind": "ReplicaSet"}
    result = clouddriver.deploy(namespace, replica_set, balancer, services=["service shop"])
    deployed = result["manifests"][1]
    assert deployed["metadata"]["name"] == "shop-v000"
    assert deployed["spec"]["template"]["metadata"]["labels"]["lb"] == "shop"
    assert deployed["metadata"]["annotations"]["traffic.spinnaker.io/load-balancers"] == '["service shop"]'


def test_traffic_is_taken_from_a_replica_set_and_its_pods_and_given_back(
    clouddriver: Clouddriver, namespace: str, wait_until: Callable[..., None]
):
    def pods_behind() -> list[str]:
        listed = clouddriver.cluster.kubectl("get", "pods", "-n", namespace, "-l", "lb=shop", "-o", "name").stdout
        return listed.split()

    balancer = service()
    balancer["spec"]["selector"] = {"lb": "shop"}
    clouddriver.deploy(namespace, deployment() | {"kind": "ReplicaSet"}, balancer, services=["service shop"])
    wait_until(lambda: len(pods_behind()) == 2)
    about = {"manifestName": "replicaSet shop-v000", "location": namespace}
    assert not clouddriver.run("disableManifest", **about)["status"]["failed"]
    assert pods_behind() == []
    assert "lb" not in clouddriver.get("rs", "shop-v000", namespace)["spec"]["template"]["metadata"]["labels"]
    assert not clouddriver.run("enableManifest", **about)["status"]["failed"]
    assert len(pods_behind()) == 2
    message = clouddriver.failure("disableManifest", **about, loadBalancers=["service nowhere"])
    assert "There is no service nowhere" in message


def test_a_job_is_run_anew_each_time(clouddriver: Clouddriver, namespace: str):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "busybox"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": template}}
    about = {"application": "shop", "namespace": namespace, "manifest": job}
    uids: set[str] = set()
    for _ in range(2):
        result = clouddriver.result("runJob", **about)
        assert result["deployedNamesByLocation"] == {namespace: ["job once"]}
        uids.add(clouddriver.get("job", "once", namespace)["metadata"]["uid"])
    assert len(uids) == 2


def test_a_definition_and_an_object_of_its_kind_are_deployed_together(clouddriver: Clouddriver, namespace: str):
    group = f"{namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    try:
        result = clouddriver.deploy(namespace, widget, definition)
        assert result["manifestNamesByNamespace"] == {
            "": [f"customResourceDefinition widgets.{group}"],
            namespace: [f"Widget.{group} w"],
        }
        about = {"manifestName": f"Widget.{group} w", "location": namespace}
        assert clouddriver.result("deleteManifest", **about)["manifestNamesByNamespace"] == {
            namespace: [f"Widget.{group} w"]
        }
    finally:
        clouddriver.cluster.kubectl("delete", "crd", f"widgets.{group}", "--wait=false", "--ignore-not-found")


def test_a_patch_changes_a_part_and_its_images_are_bound(clouddriver: Clouddriver, namespace: str):
    clouddriver.deploy(namespace, deployment())
    about = {"manifestName": "deployment shop", "location": namespace}
    image = {"type": "docker/image", "name": "nginx", "reference": "nginx:9"}
    body = {"spec": {"template": {"spec": {"containers": [{"name": "shop", "image": "nginx"}]}}}}
    result = clouddriver.result("patchManifest", **about, patchBody=body, allArtifacts=[image])
    assert result["manifestNamesByNamespace"] == {namespace: ["deployment shop"]}
    assert result["boundArtifacts"] == [image]
    assert image_of(clouddriver.get("deployment", "shop", namespace)) == "nginx:9"
    operations = [{"op": "add", "path": "/spec/template/spec/containers/0/args", "value": ["x"]}]
    clouddriver.result("patchManifest", **about, patchBody=operations, options={"mergeStrategy": "json"})
    live = clouddriver.get("deployment", "shop", namespace)
    assert live["spec"]["template"]["spec"]["containers"][0]["args"] == ["x"]


def test_secrets_are_in_no_result(clouddriver: Clouddriver, namespace: str):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"password": "open-sesame"},
    }
    task = clouddriver.run("deployManifest", **deployment_of(namespace, secret))
    assert not task["status"]["failed"]
    assert "open-sesame" not in json.dumps(task)
    assert "b3Blbi1zZXNhbWU" not in json.dumps(task)
    with clouddriver.database.connect() as connection:
        kept = connection.exec_driver_sql("SELECT body FROM operation UNION ALL SELECT decision FROM operation_step")
        assert [row[0] for row in kept if row[0] is not None] == []


def test_the_same_key_is_one_operation(clouddriver: Clouddriver, namespace: str):
    body = deployment_of(namespace, config())
    body["manifests"][0]["metadata"] = {"generateName": "once-"}
    first = clouddriver.submit("deployManifest", key="stage-1", **body)
    again = clouddriver.submit("deployManifest", key="stage-1", **body)
    assert first == again
    clouddriver.runner.run(first)
    clouddriver.runner.run(first)
    assert clouddriver.submit("deployManifest", key="stage-1", **body) == first
    made = [name for name in clouddriver.names("configmaps", namespace) if name.startswith("once-")]
    assert len(made) == 1


def test_a_narrow_account_deploys_where_it_may_and_is_told_where_not(
    make_clouddriver: Callable[..., Clouddriver], cluster: ClusterAccess, namespace: str
):
    rules = [
        PolicyRule(
            apiGroups=[""], resources=["configmaps"], verbs=["get", "list", "create", "patch", "update", "delete"]
        )
    ]
    narrow = cluster.service_account_kubeconfig(namespace, "narrow", rules)
    clouddriver = make_clouddriver(kubeconfigFile=str(narrow))
    clouddriver.deploy(namespace, config())
    message = clouddriver.failure("deployManifest", **deployment_of(namespace, deployment(), config("green")))
    assert "is forbidden" in message
    assert f"system:serviceaccount:{namespace}:narrow" in message


def test_an_account_s_namespaces_are_its_limits(make_clouddriver: Callable[..., Clouddriver], namespace: str):
    clouddriver = make_clouddriver(namespaces=["elsewhere"])
    message = clouddriver.failure("deployManifest", **deployment_of(namespace, config()))
    assert f"may not touch the namespace '{namespace}' (configMap settings)" in message
    assert "Nothing was applied" in message
