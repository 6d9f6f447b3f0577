"""Jobs: how they are, the properties in their logs, ending them."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from clouddriver.app import create_app
from clouddriver.jobs.rules import BadProperties, by_promise, job_status, properties_in, state_of
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.identity import Identity, Signer, identity_headers
from kork.testing.databases import migrated
from testcluster import ClusterAccess

Wait = Callable[..., Any]

FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too many tries"}


def job(*, completions: int | None = None, **status: Any) -> dict[str, Any]:
    metadata = {"name": "once", "namespace": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": "Job", "metadata": metadata, "spec": {"completions": completions}, "status": status}


def pod(name: str, *containers: dict[str, Any], start: str | None = None, phase: str = "Running") -> dict[str, Any]:
    status: dict[str, Any] = {"phase": phase, "containerStatuses": list(containers)}
    return {"metadata": {"name": name}, "status": status | ({"startTime": start} if start else {})}


def ended(code: int, name: str = "main", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": "Error", **more}}}


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"kind": "Job"}, "Running"),
        (job(active=1), "Running"),
        (job(succeeded=1), "Succeeded"),
        (job(completions=3, succeeded=2), "Running"),
        (job(completions=3, succeeded=3), "Succeeded"),
        (job(failed=2, conditions=[FAILED]), "Failed"),
        (job(conditions=[FAILED | {"status": "False"}]), "Running"),
        (job(succeeded=1, conditions=[FAILED]), "Succeeded"),
    ],
)
def test_a_job_runs_until_it_has_its_completions_or_gives_up(job: dict[str, Any], state: str):
    assert state_of(job) == state


def test_a_failed_job_says_which_container_was_at_fault():
    waiting = {"name": "side", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    pods = [
        pod("b", ended(3, message="disk full"), start="2026-01-02"),
        pod("a", waiting, ended(0), start="2026-01-01"),
    ]
    status = job_status("k8s", job(conditions=[FAILED]), pods)
    assert (status["jobState"], status["reason"], status["message"]) == (
        "Failed",
        "BackoffLimitExceeded",
        "too many tries",
    )
    assert status["failureDetails"] == (
        "Pod: 'a' had errors.\n Container: 'side' exited with code: .\n Status: ImagePullBackOff.\n Logs: no such image"
    )
    assert job_status("k8s", job(conditions=[FAILED]), pods[:1])["failureDetails"] == (
        "Pod: 'b' had errors.\n Container: 'main' exited with code: 3.\n Status: Error.\n Logs: disk full"
    )


def test_a_job_without_fault_has_its_pods_by_start():
    pods = [pod("late", start="2026-01-02"), pod("pending"), pod("early", start="2026-01-01")]
    status = job_status("k8s", job(succeeded=1, completionTime="2026-01-01T00:00:05Z"), pods)
    assert [each["name"] for each in status["pods"]] == ["early", "late", "pending"]
    assert status["mostRecentPodName"] == "pending"
    assert status["failureDetails"] is None
    assert (status["name"], status["location"], status["account"], status["provider"]) == (
        "once",
        "web",
        "k8s",
        "kubernetes",
    )
    assert status["completedTime"] - status["createdTime"] == 5_000
    assert status["completionDetails"] == {"exitCode": "", "signal": "", "message": "", "reason": ""}
    assert job_status("k8s", job(), pods, detailed=False)["pods"] == []
    assert job_status("k8s", job(), [])["mostRecentPodName"] is None


def test_properties_are_looked_for_where_the_job_succeeded_first():
    pods = [pod("a", start="1"), pod("b", start="2", phase="Succeeded"), pod("c", start="3", phase="Failed")]
    assert [each["metadata"]["name"] for each in by_promise(pods)] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("", {}),
        ("nothing\nto see", {}),
        ("SPINNAKER_PROPERTY_A=b", {"a": "b"}),
        ("SPINNAKER_PROPERTY_My_Key= dGV4dA== \r\n", {"my_key": "dGV4dA=="}),
        ("SPINNAKER_PROPERTY_A=", {}),
        ("Spinnaker_Property_a=b", {}),
        ('  SPINNAKER_CONFIG_JSON={"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ('said SPINNAKER_CONFIG_JSON={"a": 1}', {}),
        ('SPINNAKER_PROPERTY_A=b\nSPINNAKER_CONFIG_JSON={"c": 1}\nSPINNAKER_PROPERTY_A=d', {"a": "d", "c": 1}),
    ],
)
def test_properties_are_found_in_a_log(log: str, found: dict[str, Any]):
    assert properties_in(log) == found


@pytest.mark.parametrize("text", ['{"a": ', "[1]", "", "3"])
def test_json_that_is_no_object_is_named_by_its_line(text: str):
    with pytest.raises(BadProperties, match="line 2: what follows SPINNAKER_CONFIG_JSON="):
        properties_in(f"first\nSPINNAKER_CONFIG_JSON={text}")


class Clouddriver:
    """The API with a real cluster behind it."""

    def __init__(self, api: TestClient, settings: ClouddriverSettings, cluster: ClusterAccess, namespace: str) -> None:
        self.api = api
        self.cluster = cluster
        self.namespace = namespace
        self._signer = Signer(settings.identity.secret)

    def apply(self, name: str, container: str = "main", **annotations: str) -> None:
        spec = {"restartPolicy": "Never", "containers": [{"name": container, "image": "busybox"}]}
        manifest = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": annotations}, "spec": spec}},
        }
        self.cluster.kubectl("apply", "-n", self.namespace, "-f", "-", given=json.dumps(manifest))

    def path(self, *parts: str, account: str = "k8s") -> str:
        return "/".join(["/applications/shop/jobs", account, self.namespace, *(quote(part) for part in parts)])

    def get(self, *parts: str, expect: int = 200) -> Any:
        answer = self.api.get(self.path(*parts))
        assert answer.status_code == expect, answer.text
        return answer.json()

    def delete(self, name: str, *roles: str) -> Any:
        return self.api.delete(self.path(name), headers=identity_headers(Identity("bob", roles=roles), self._signer))

    def ended(self, name: str, wait_until: Wait) -> dict[str, Any]:
        return wait_until(
            lambda: (status := self.get(name))["jobState"] != "Running" and status["pods"] and status, timeout=60
        )


@pytest.fixture
def clouddriver(cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str) -> Iterator[Clouddriver]:
    accounts = [
        {
            "name": "k8s",
            "kubeconfigFile": str(cluster.kubeconfig),
            "namespaces": [namespace],
            "permissions": {"WRITE": ["ops"]},
        }
    ]
    settings = ClouddriverSettings.model_validate(
        {
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "identity": {"secret": "a secret for this test"},
            "kubernetes": {"accounts": accounts},
        }
    )
    headers = identity_headers(Identity("alice"), Signer(settings.identity.secret))
    with migrated(settings.database, "clouddriver"), TestClient(create_app(settings), headers=headers) as api:
        yield Clouddriver(api, settings, cluster, namespace)


@pytest.mark.cluster
def test_a_job_that_succeeded_gives_its_properties(clouddriver: Clouddriver, wait_until: Wait):
    clouddriver.apply("report", "properties")
    status = clouddriver.ended("job report", wait_until)
    assert (status["jobState"], status["name"], status["location"]) == ("Succeeded", "report", clouddriver.namespace)
    image = {"type": "docker/image", "name": "shop", "reference": "shop:1.2.3"}
    wanted = {"version": "1.2.3", "artifacts": [image]}
    assert clouddriver.get("job report", "properties") == wanted
    answer = clouddriver.api.get(
        f"/applications/shop/kubernetes/pods/k8s/{clouddriver.namespace}/{status['mostRecentPodName']}/properties"
    )
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert clouddriver.api.post(clouddriver.path("job report")).json()["jobState"] == "Succeeded"


@pytest.mark.cluster
def test_a_job_that_failed_says_so(clouddriver: Clouddriver, wait_until: Wait):
    clouddriver.apply("broken", **{"testcluster/exit-code": "7"})
    status = clouddriver.ended("job broken", wait_until)
    assert (status["jobState"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    assert "Container: 'main' exited with code: 7" in status["failureDetails"]


@pytest.mark.cluster
def test_logs_without_properties_with_bad_ones_and_of_no_container(clouddriver: Clouddriver, wait_until: Wait):
    clouddriver.apply("plain")
    clouddriver.apply("bad", "bad-properties")
    clouddriver.ended("job plain", wait_until)
    clouddriver.ended("job bad", wait_until)
    assert clouddriver.get("job plain", "main") == {}
    assert (
        "line 1: what follows SPINNAKER_CONFIG_JSON= is not JSON"
        in clouddriver.get("job bad", "bad-properties", expect=422)["message"]
    )
    assert "container nothing is not valid" in clouddriver.get("job plain", "nothing", expect=502)["message"]


@pytest.mark.cluster
def test_a_running_job_is_deleted_by_who_may(clouddriver: Clouddriver, wait_until: Wait):
    clouddriver.apply("slow", **{"testcluster/run-for": "600s"})
    wait_until(lambda: clouddriver.get("job slow")["pods"], timeout=60)
    denied = clouddriver.delete("job slow", "dev")
    assert (denied.status_code, "WRITE roles" in denied.json()["message"]) == (403, True)
    assert clouddriver.delete("job slow", "ops").status_code == 200
    wait_until(lambda: clouddriver.api.get(clouddriver.path("job slow")).status_code == 404, timeout=60)
    assert clouddriver.delete("job slow", "ops").status_code == 404


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/applications/shop/jobs/k8s/{namespace}/job%20none", "There is no job 'none'"),
        ("/applications/shop/jobs/nowhere/{namespace}/job%20none", "There is no account 'nowhere'"),
        ("/applications/shop/kubernetes/pods/k8s/{namespace}/none/main", 'pods "none" not found'),
    ],
)
def test_what_is_not_there_is_not_found(clouddriver: Clouddriver, path: str, told: str):
    answer = clouddriver.api.get(path.format(namespace=clouddriver.namespace))
    assert (answer.status_code, told in answer.json()["message"]) == (404, True)
    refused = clouddriver.api.get("/applications/shop/jobs/k8s/elsewhere/job%20none")
    assert (refused.status_code, "not for jobs in namespace 'elsewhere'" in refused.json()["message"]) == (403, True)
