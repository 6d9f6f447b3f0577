"""Whether objects have settled, by tables."""

from typing import Any

import pytest
from clouddriver.kubernetes.rollout_status import rollout_status
from hypothesis import given
from hypothesis import strategies as st

API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Widget": "example.com/v1",
}
RULED = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Pod", "Job", "CronJob", "HorizontalPodAutoscaler"]


def an_object(kind: str, spec: Any = None, status: Any = None, generation: int = 2) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "apiVersion": API_VERSIONS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": "shop", "namespace": "prod", "generation": generation},
    }
    return manifest | ({"spec": spec} if spec is not None else {}) | ({"status": status} if status is not None else {})


def counts(updated: int, total: int, available: int, ready: int, **more: Any) -> dict[str, Any]:
    return {
        "observedGeneration": 2,
        "updatedReplicas": updated,
        "replicas": total,
        "availableReplicas": available,
        "readyReplicas": ready,
        **more,
    }


def waiting_for(manifest: dict[str, Any]) -> str | None:
    status = rollout_status(manifest)
    assert status.stable.state is (status.stable.message is None)
    return status.stable.message


@pytest.mark.parametrize("kind", RULED)
def test_without_a_status_nothing_is_known(kind: str):
    assert rollout_status(an_object(kind)).to_json() == {
        "stable": {"state": False, "message": "No status reported yet"},
        "available": {"state": False, "message": "No availability reported"},
        "paused": {"state": False, "message": None},
        "failed": {"state": False, "message": None},
    }


@pytest.mark.parametrize(
    "kind",
    ["Service", "Ingress", "ConfigMap", "Secret", "PersistentVolumeClaim", "NetworkPolicy", "Namespace", "Widget"],
)
def test_a_kind_without_a_rule_is_stable_at_once(kind: str):
    assert rollout_status(an_object(kind)).to_json() == {
        "stable": {"state": True, "message": None},
        "available": {"state": True, "message": None},
        "paused": {"state": False, "message": None},
        "failed": {"state": False, "message": None},
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (counts(3, 3, 3, 3), None),
        (counts(3, 3, 3, 3, observedGeneration=2.0), None),
        (counts(3, 3, 3, 3, observedGeneration=1), "Waiting for status generation to match updated object generation"),
        ({}, "Waiting for status generation to match updated object generation"),
        (counts(2, 3, 3, 3), "Waiting for all replicas to be updated"),
        (counts(3, 4, 3, 3), "Waiting for old replicas to finish termination"),
        (counts(3, 3, 2, 3), "Waiting for all replicas to be available"),
        (counts(3, 3, 3, 2), "Waiting for all replicas to be ready"),
    ],
)
def test_a_deployment_waits_for_its_replicas(status: dict[str, Any], expected: str | None):
    assert waiting_for(an_object("Deployment", {"replicas": 3}, status)) == expected


def test_a_deployment_says_when_it_is_paused_unavailable_and_failed():
    conditions = [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "too few"},
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"},
        {"type": "Progressing", "status": "Unknown", "reason": "deploymentPaused", "message": "Deployment is paused"},
    ]
    status = rollout_status(an_object("Deployment", {"replicas": 3}, counts(3, 3, 1, 1, conditions=conditions)))
    assert status.to_json() == {
        "stable": {"state": False, "message": "Waiting for all replicas to be available"},
        "available": {"state": False, "message": "too few"},
        "paused": {"state": True, "message": "Deployment is paused"},
        "failed": {"state": True, "message": "Deployment exceeded its progress deadline"},
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, None),
        ({}, "Waiting for all replicas to be fully-labeled"),
        ({"fullyLabeledReplicas": 2, "readyReplicas": 1}, "Waiting for all replicas to be ready"),
        (
            {"fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 1},
            "Waiting for all replicas to be available",
        ),
        (
            {"fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1},
            "Waiting for replicaset spec update to be observed",
        ),
    ],
)
def test_a_replica_set_waits_for_its_replicas(status: dict[str, Any], expected: str | None):
    assert waiting_for(an_object("ReplicaSet", {"replicas": 2}, status)) == expected


ROLLING = {"type": "RollingUpdate"}


def partitioned(partition: int | None) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {} if partition is None else {"partition": partition}}


@pytest.mark.parametrize(
    ("strategy", "status", "expected"),
    [
        ({"type": "OnDelete"}, {}, None),
        (ROLLING, {"observedGeneration": 1}, "Waiting for status generation to match updated object generation"),
        (
            ROLLING,
            {"observedGeneration": 2, "replicas": 2},
            "Waiting for at least the desired replica count to be met",
        ),
        (
            ROLLING,
            {"observedGeneration": 2, "replicas": 3, "readyReplicas": 2},
            "Waiting for all updated replicas to be ready",
        ),
        (
            ROLLING,
            {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentReplicas": 1},
            "Waiting for all updated replicas to be scheduled",
        ),
        (
            ROLLING,
            {
                "observedGeneration": 2,
                "replicas": 3,
                "readyReplicas": 3,
                "currentReplicas": 3,
                "currentRevision": "a",
                "updateRevision": "b",
            },
            "Waiting for the updated revision to match the current revision",
        ),
        (
            partitioned(1),
            {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1},
            "Waiting for partitioned roll out to finish",
        ),
        (
            partitioned(0),
            {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 2},
            "Waiting for partitioned roll out to finish",
        ),
    ],
)
def test_a_stateful_set_waits_for_its_replicas_and_revisions(
    strategy: dict[str, Any], status: dict[str, Any], expected: str | None
):
    assert waiting_for(an_object("StatefulSet", {"replicas": 3, "updateStrategy": strategy}, status)) == expected


@pytest.mark.parametrize(("partition", "updated"), [(1, 2), (0, 3), (None, 0)])
def test_a_partitioned_roll_out_that_is_complete_is_stable_and_says_so(partition: int | None, updated: int):
    status = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": updated}
    spec = {"replicas": 3, "updateStrategy": partitioned(partition)}
    stable = rollout_status(an_object("StatefulSet", spec, status)).stable
    assert (stable.state, stable.message) == (True, "Partitioned roll out complete")


@pytest.mark.parametrize(
    ("strategy", "status", "expected"),
    [
        ("RollingUpdate", (2, 2, 2, 2, 2), None),
        ("RollingUpdate", (1, 2, 2, 2, 2), "Waiting for status generation to match updated object generation"),
        ("OnDelete", (2, 0, 0, 0, 0), None),
        ("RollingUpdate", (2, 1, 2, 2, 2), "Waiting for all replicas to be scheduled"),
        ("RollingUpdate", (2, 2, 1, 2, 2), "Waiting for all updated replicas to be scheduled"),
        ("RollingUpdate", (2, 2, 2, 1, 2), "Waiting for all replicas to be available"),
        ("RollingUpdate", (2, 2, 2, 2, 1), "Waiting for all replicas to be ready"),
    ],
)
def test_a_daemon_set_waits_for_its_nodes(strategy: str, status: tuple[int, ...], expected: str | None):
    names = (
        "observedGeneration",
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    )
    reported = dict(zip(names, status, strict=True)) | {"desiredNumberScheduled": 2}
    assert waiting_for(an_object("DaemonSet", {"updateStrategy": {"type": strategy}}, reported)) == expected


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("Running", None),
        ("Succeeded", None),
        ("Pending", "Pod is pending"),
        ("Failed", "Pod has failed"),
        ("Unknown", "Pod phase is unknown"),
        (None, "Pod phase is unknown"),
    ],
)
def test_a_pod_is_as_its_phase(phase: str | None, expected: str | None):
    status = rollout_status(an_object("Pod", {}, {"phase": phase}))
    assert (status.stable.message, status.available.message, status.failed.state) == (expected, expected, False)


def failed_because(message: str) -> dict[str, Any]:
    return {"failed": 4, "conditions": [{"type": "Failed", "status": "True", "message": message}]}


@pytest.mark.parametrize(
    ("spec", "status", "waits", "failure"),
    [
        ({}, {"succeeded": 1}, None, None),
        ({"completions": 3}, {"succeeded": 2}, "Waiting for jobs to finish", None),
        ({"completions": 0}, {}, None, None),
        ({}, {}, "Waiting for jobs to finish", None),
        (
            {},
            failed_because("Job has reached the specified backoff limit"),
            None,
            "Job has reached the specified backoff limit",
        ),
    ],
)
def test_a_job_is_done_when_its_completions_are(spec: Any, status: Any, waits: str | None, failure: str | None):
    result = rollout_status(an_object("Job", spec, status))
    assert (result.stable.message, result.failed.message) == (waits, failure)


def test_a_cron_job_is_stable_once_the_controller_has_seen_it():
    assert rollout_status(an_object("CronJob", {}, {})).stable.state


@pytest.mark.parametrize(
    ("desired", "current", "expected"),
    [
        (3, 3, None),
        (5, 3, "Waiting for HPA to complete a scale up, current: 3 desired: 5"),
        (1, 3, "Waiting for HPA to complete a scale down, current: 3 desired: 1"),
    ],
)
def test_an_autoscaler_waits_for_its_scale(desired: int, current: int, expected: str | None):
    status = {"desiredReplicas": desired, "currentReplicas": current}
    assert waiting_for(an_object("HorizontalPodAutoscaler", {}, status)) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
loose_status = st.dictionaries(
    st.sampled_from(["observedGeneration", "replicas", "readyReplicas", "conditions", "phase", "updatedReplicas"]),
    json_values,
)


@given(
    st.sampled_from(RULED), json_values | st.dictionaries(st.just("replicas"), json_values), json_values | loose_status
)
def test_any_document_has_a_status(kind: str, spec: Any, status: Any):
    answer = rollout_status(an_object(kind, spec, status)).to_json()
    assert set(answer) == {"stable", "paused", "available", "failed"}


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_deployment_is_stable_only_when_every_count_is_met(
    desired: int, updated: int, total: int, available: int, ready: int
):
    settled = rollout_status(an_object("Deployment", {"replicas": desired}, counts(updated, total, available, ready)))
    met = updated >= desired and total <= updated and available >= desired and ready >= desired
    assert settled.stable.state is met
