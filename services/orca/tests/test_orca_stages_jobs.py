"""Stages that run Jobs, against a server that speaks clouddriver's protocol; prepared Jobs."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from kork.testing.peers import Peer
from orca.execution.model import Execution, StageExecution
from orca.execution.operations import restart
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.installed import catalogue_for
from orca.stages.preconfigured_job import listed_jobs
from orca.testing import Driver, pipeline, stage
from orca.testing.clouddriver import RUNNING, SUCCEEDED, Clouddriver
from orca.testing.running import running_orca
from pydantic import ValidationError
from ruamel.yaml import YAML

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "once", "namespace": "staging"},
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}},
}
RESULT = {
    "manifestNamesByNamespace": {"staging": ["job once"]},
    "deployedNamesByLocation": {"staging": ["job once"]},
    "manifests": [JOB],
    "createdArtifacts": [{"type": "kubernetes/job", "name": "once", "reference": "once"}],
}
FAILED = SUCCEEDED | {
    "jobState": "Failed",
    "reason": "BackoffLimitExceeded",
    "message": "Job has reached the specified backoff limit",
    "failureDetails": "Pod: 'once-1' had errors.",
}


@pytest.fixture
def clouddriver() -> Clouddriver:
    peer = Clouddriver()
    peer.results["runJob"] = [RESULT]
    return peer


def job(**more: Any) -> StageExecution:
    given = {"account": "k8s", "cloudProvider": "kubernetes", "alias": "runJob", "source": "text", "manifest": JOB}
    return stage("1", "runJobManifest", **(given | more))


def run(driver: Driver, job: StageExecution, status: str = "SUCCEEDED") -> Execution:
    execution = driver.run(pipeline(job))
    assert job.status.value == status, job.context.get("exception")
    return execution


def tasks_of(stage: StageExecution) -> list[tuple[str, str, str]]:
    return [(each.name, each.implementing_class.rsplit(".", 1)[-1], each.status.value) for each in stage.tasks]


def test_a_job_runs_and_its_end_is_awaited(driver: Driver, clouddriver: Clouddriver, peer: Peer):
    clouddriver.jobs = [RUNNING, RUNNING, SUCCEEDED]
    ran = job()
    run(driver, ran)
    assert tasks_of(ran) == [
        ("runJob", "RunJobTask", "SUCCEEDED"),
        ("monitorDeploy", "MonitorJobTask", "SUCCEEDED"),
        ("promoteOutputs", "PromoteManifestKatoOutputsTask", "SUCCEEDED"),
        ("waitOnJobCompletion", "WaitOnJobCompletion", "SUCCEEDED"),
    ]
    [sent] = clouddriver.sent("runJob")
    assert (sent["manifest"], sent["source"], sent["application"], sent["account"]) == (JOB, "text", "app", "k8s")
    assert (sent["requiredArtifacts"], sent["optionalArtifacts"]) == ([], [])
    context = ran.context
    assert (context["deploy.jobs"], context["kato.result.expected"]) == ({"staging": ["job once"]}, False)
    assert (context["deploy.account.name"], context["notification.type"]) == ("k8s", "runjob")
    assert ran.outputs["jobStatus"] == SUCCEEDED
    assert ran.outputs["completionDetails"] == SUCCEEDED["completionDetails"]
    assert ran.outputs["outputs.manifests"] == [JOB]
    asked = peer.asked("GET", "/jobs/")
    assert [each.path for each in asked] == ["/applications/app/jobs/k8s/staging/job once"] * 3
    assert clouddriver.deleted == []


def test_a_job_comes_from_an_artifact_and_belongs_to_the_monikers_application(
    driver: Driver, clouddriver: Clouddriver, peer: Peer
):
    text = "{apiVersion: batch/v1, kind: Job, metadata: {name: '${ parameters.name }'}}"
    artifact = {"type": "embedded/base64", "name": "m", "reference": base64.b64encode(text.encode()).decode()}
    ran = job(source="artifact", manifest=None, manifestArtifact=artifact, moniker={"app": "store"}, credentials="k8s")
    ran.context["account"] = None
    execution = pipeline(ran)
    execution.trigger["parameters"] = {"name": "twice"}
    assert driver.run(execution).status.value == "SUCCEEDED", ran.context.get("exception")
    [sent] = clouddriver.sent("runJob")
    assert (sent["manifest"]["metadata"]["name"], sent["application"]) == ("twice", "store")
    assert peer.asked("GET", "/jobs/")[0].path == "/applications/store/jobs/k8s/staging/job once"


def test_the_address_of_logs_is_noted_as_it_is_written(driver: Driver):
    logs = "https://logs.example/{{ manifest.metadata.name }}"
    metadata = {"name": "once", "annotations": {"job.spinnaker.io/logs": logs}}
    ran = job(manifest=JOB | {"metadata": metadata})
    run(driver, ran)
    assert ran.context["execution"] == {"logs": logs}


def test_properties_of_the_log_become_outputs(driver: Driver, clouddriver: Clouddriver, peer: Peer):
    image = {"type": "docker/image", "name": "shop", "reference": "shop:2"}
    properties = {"version": "2", "artifacts": [image], "told": "${ execution.id }"}
    clouddriver.properties = [(200, properties)]
    expected = [{"id": "e", "matchArtifact": {"type": "docker/image"}}]
    ran = job(propertyFile="main", expectedArtifacts=expected)
    run(driver, ran)
    assert (ran.outputs["version"], ran.outputs["propertyFileContents"]) == ("2", properties)
    assert ran.context["told"] == "${ execution.id }"
    assert ran.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"] == image
    assert peer.asked("GET", "/jobs/")[-1].path == "/applications/app/jobs/k8s/staging/job once/main"
    assert [name for name, *_ in tasks_of(ran)][-1] == "bindProducedArtifacts"


def test_the_pod_that_succeeded_is_asked_when_the_jobs_log_has_no_properties(
    driver: Driver, clouddriver: Clouddriver, peer: Peer
):
    clouddriver.pod_properties = (200, {"version": "3"})
    ran = job(propertyFile="main")
    run(driver, ran)
    assert ran.outputs["version"] == "3"
    [asked] = peer.asked("GET", "/pods/")
    assert asked.path == "/applications/app/kubernetes/pods/k8s/staging/once-2/main"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, {}), "either missing, empty or contained invalid syntax"),
        ((422, {"message": "In the log of container 'main', line 3 is no JSON."}), "line 3 is no JSON"),
        ((404, {"message": "There is no job 'once'"}), "Error: There is no job 'once'"),
    ],
)
def test_missing_properties_fail_a_job_that_succeeded(
    driver: Driver, clouddriver: Clouddriver, answer: tuple[int, Any], told: str
):
    clouddriver.properties = [answer]
    ran = job(propertyFile="main")
    run(driver, ran, "TERMINAL")
    exception = ran.context["exception"]
    assert exception["exceptionType"] == "ConfigurationException"
    assert "Expected properties file: main in job: once, application: app, location: staging, account: k8s" in str(
        exception["details"]["errors"]
    )
    assert told in str(exception["details"]["errors"])
    assert ran.context["jobStatus"] == SUCCEEDED
    assert clouddriver.deleted == []


def test_a_log_that_can_not_be_read_just_now_is_read_later_but_not_for_ever(driver: Driver, clouddriver: Clouddriver):
    away = (502, {"message": "the kubelet is away"})
    clouddriver.properties = [away, away, (200, {"version": "4"})]
    ran = job(propertyFile="main")
    run(driver, ran)
    assert ran.outputs["version"] == "4"
    clouddriver.properties = [away]
    late = job(propertyFile="main")
    run(driver, late, "TERMINAL")
    assert "the kubelet is away" in str(late.context["exception"]["details"]["errors"])


def test_a_failed_job_fails_the_stage_and_says_why(driver: Driver, clouddriver: Clouddriver):
    clouddriver.jobs = [RUNNING, FAILED]
    clouddriver.properties = [(200, {"version": "5"})]
    ran = job(propertyFile="main")
    run(driver, ran, "TERMINAL")
    exception = ran.context["exception"]
    assert exception["exceptionType"] == "JobFailedException"
    assert exception["details"]["errors"] == [
        "Job: 'once' failed. Reason: BackoffLimitExceeded. Details: Job has reached the specified backoff limit. "
        "Additional Details: Pod: 'once-1' had errors."
    ]
    assert (ran.context["jobStatus"], ran.context["version"]) == (FAILED, "5")
    assert clouddriver.deleted == []


def test_a_failed_job_without_readable_properties_fails_for_its_own_reason(driver: Driver, clouddriver: Clouddriver):
    clouddriver.jobs = [FAILED]
    clouddriver.properties = [(422, {"message": "no JSON"})]
    ran = job(propertyFile="main")
    run(driver, ran, "TERMINAL")
    assert ran.context["exception"]["exceptionType"] == "JobFailedException"


def test_a_job_that_somebody_deleted_fails_the_stage(driver: Driver, clouddriver: Clouddriver):
    clouddriver.jobs = [RUNNING, 404]
    ran = job()
    run(driver, ran, "TERMINAL")
    assert "Job: 'job once' in 'staging' for account k8s is gone" in str(ran.context["exception"]["details"])


def test_a_job_that_is_not_awaited(driver: Driver, clouddriver: Clouddriver, peer: Peer):
    ran = job(waitForCompletion="false")
    run(driver, ran)
    assert [name for name, *_ in tasks_of(ran)] == ["runJob", "monitorDeploy", "promoteOutputs"]
    assert peer.asked("GET", "/jobs/") == []


def test_no_outputs_are_published_when_the_stage_says_so(driver: Driver, clouddriver: Clouddriver):
    clouddriver.properties = [(200, {"version": "2"})]
    ran = job(noOutput=True, propertyFile="main")
    run(driver, ran)
    assert (ran.outputs, ran.context["version"]) == ({}, "2")


def test_a_cancel_deletes_the_running_job(driver: Driver, clouddriver: Clouddriver):
    clouddriver.jobs = [RUNNING]
    ran = job()
    execution = pipeline(ran)
    driver.run(execution, until=lambda _: "jobStatus" in ran.context)
    execution.canceled = True
    driver.run(execution)
    assert (execution.status.value, ran.status.value) == ("CANCELED", "CANCELED")
    assert clouddriver.deleted == ["job once"]


def test_a_cancel_deletes_a_job_of_which_orca_has_not_heard_yet(driver: Driver, clouddriver: Clouddriver):
    clouddriver.polls_until_done = 1
    ran = job()
    execution = pipeline(ran)
    driver.run(execution, until=lambda _: "kato.tasks" in ran.context)
    assert "deploy.jobs" not in ran.context
    execution.canceled = True
    driver.run(execution)
    assert clouddriver.deleted == ["job once"]


def test_a_cancel_waits_for_an_operation_that_is_still_making_the_job(
    clouddriver: Clouddriver,
    peer: Peer,
    new_orca_settings: Callable[..., OrcaSettings],
    wait_until: Callable[..., Any],
):
    clouddriver.polls_until_done = 10_000
    made = new_orca_settings(executions={"ringAgainSeconds": 0.2})
    services = {"clouddriver": {"baseUrl": peer.url}, "orca": made.services.orca.model_dump()}
    with running_orca(made.model_validate(made.model_dump() | {"services": services})) as orca:
        more = {"account": "k8s", "manifest": JOB, "name": "job"}
        id = orca.start({"refId": "1", "type": "runJobManifest", "alias": "runJob", **more})
        orca.wait(id, lambda seen: "kato.tasks" in seen["stages"][0]["context"])
        orca.client.put(f"/pipelines/{id}/cancel").raise_for_status()
        assert orca.wait_end(id)["status"] == "CANCELED"
        polled = len(peer.asked("GET", "/task/"))
        wait_until(lambda: len(peer.asked("GET", "/task/")) > polled, timeout=60)
        assert clouddriver.deleted == []
        clouddriver.polls_until_done = 0
        wait_until(lambda: clouddriver.deleted == ["job once"], timeout=60)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "TERMINAL"),
        ({"failPipeline": False, "continuePipeline": True}, "FAILED_CONTINUE"),
        ({"markSuccessfulOnTimeout": True}, "SUCCEEDED"),
    ],
)
def test_a_job_that_takes_too_long_is_deleted(
    driver: Driver, clouddriver: Clouddriver, more: dict[str, Any], status: str
):
    clouddriver.jobs = [RUNNING]
    ran = job(backoffPeriodMs=600_000, **more)
    started = driver.now
    run(driver, ran, status)
    assert driver.now - started >= 2 * 3_600_000
    assert set(clouddriver.deleted) == {"job once"}


@pytest.mark.parametrize(
    ("more", "minutes"),
    [
        ({"jobRuntimeLimit": "PT50M"}, 55),
        ({"jobRuntimeLimit": "P1DT1H"}, 25 * 60 + 5),
        ({"jobRuntimeLimit": "soon"}, 120),
        ({"stageTimeoutMs": 600_000}, 10),
    ],
)
def test_how_long_a_job_may_take(driver: Driver, clouddriver: Clouddriver, more: dict[str, Any], minutes: int):
    clouddriver.jobs = [RUNNING]
    started = driver.now
    run(driver, job(backoffPeriodMs=minutes * 10_000, **more), "TERMINAL")
    assert round((driver.now - started) / 60_000) == minutes


def test_a_restart_keeps_how_it_went_last_time_and_runs_the_job_anew(driver: Driver, clouddriver: Clouddriver):
    clouddriver.jobs = [FAILED]
    clouddriver.properties = [(200, {"version": "1"})]
    ran = job(propertyFile="main")
    execution = run(driver, ran, "TERMINAL")
    restart(execution, ran.id, "alice", driver.now + 1, driver.catalogue)
    driver.now += 2
    details = ran.context["restartDetails"]
    assert (details["restartedBy"], details["jobStatus"]) == ("alice", FAILED)
    assert (details["propertyFileContents"], details["deploy.jobs"]) == ({"version": "1"}, {"staging": ["job once"]})
    assert details["previousException"]["exceptionType"] == "JobFailedException"
    assert not {"jobStatus", "deploy.jobs", "kato.tasks", "completionDetails"} & ran.context.keys()
    clouddriver.jobs = [SUCCEEDED]
    assert driver.run(execution).status.value == "SUCCEEDED"
    assert len(clouddriver.sent("runJob")) == 2


def test_an_artifact_is_consumed(driver: Driver):
    text = '{"version": "7", "nothing": null}'
    artifact = {"type": "embedded/base64", "name": "out", "reference": base64.b64encode(text.encode()).decode()}
    ran = job(consumeArtifactSource="artifact", consumeArtifactId="a")
    execution = pipeline(ran)
    execution.trigger["resolvedExpectedArtifacts"] = [{"id": "a", "boundArtifact": artifact}]
    assert driver.run(execution).status.value == "SUCCEEDED", ran.context.get("exception")
    assert ran.outputs["version"] == "7"
    assert "nothing" not in ran.outputs


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account": None}, "which account shall the Job run in?"),
        ({"manifest": None}, "Run Job only supports manifests with a single Job (there are 0)"),
        ({"manifest": [JOB, JOB]}, "Run Job only supports manifests with a single Job (there are 2)"),
        ({"manifest": "job"}, "manifest"),
        ({"source": "artifact"}, "neither 'manifestArtifactId' nor 'manifestArtifact'"),
        ({"requiredArtifactIds": ["image"]}, "No artifact with id image could be found"),
        ({"propertyFile": ["main"]}, "propertyFile"),
    ],
)
def test_a_job_that_can_not_be_says_why(driver: Driver, clouddriver: Clouddriver, change: dict[str, Any], told: str):
    ran = job(**change)
    run(driver, ran, "TERMINAL")
    assert told in str(ran.context["exception"]["details"])
    assert clouddriver.operations == {}


PREPARED = {
    "type": "migrate",
    "label": "Migrate",
    "description": "Migrates the database",
    "account": "k8s",
    "application": "store",
    "propertyFile": "main",
    "manifest": JOB,
    "parameters": [
        {
            "name": "image",
            "label": "Image",
            "mapping": "manifest.spec.template.spec.containers[0].image",
            "defaultValue": "migrate:${ trigger.parameters.tag }",
        },
        {"name": "namespace", "label": "Namespace", "mapping": "manifest.metadata.namespace"},
    ],
}


def prepared(**more: Any) -> StageExecution:
    return stage("1", "migrate", alias="preconfiguredJob", **more)


def settings(*jobs: dict[str, Any]) -> OrcaSettings:
    return OrcaSettings.model_validate({"job": {"preconfigured": {"kubernetes": list(jobs)}}})


@pytest.fixture
def catalogue() -> StageCatalogue:
    return catalogue_for(settings(PREPARED, PREPARED | {"type": "off", "enabled": False}))


def test_a_prepared_job_runs_with_its_defaults(driver: Driver, clouddriver: Clouddriver, catalogue: StageCatalogue):
    driver.catalogue = catalogue
    clouddriver.properties = [(200, {"version": "8"})]
    ran = prepared(account="elsewhere")
    execution = pipeline(ran)
    execution.trigger["parameters"] = {"tag": "9"}
    assert driver.run(execution).status.value == "SUCCEEDED", ran.context.get("exception")
    [sent] = clouddriver.sent("runJob")
    assert (sent["account"], sent["application"]) == ("k8s", "store")
    assert sent["manifest"]["spec"]["template"]["spec"]["containers"][0]["image"] == "migrate:9"
    assert ran.outputs["version"] == "8"
    assert ran.context["manifest"] == sent["manifest"]
    assert [each["name"] for each in ran.context["preconfiguredJobParameters"]] == ["image", "namespace"]


def test_a_stage_gives_a_prepared_job_its_parameters(
    driver: Driver, clouddriver: Clouddriver, catalogue: StageCatalogue
):
    driver.catalogue = catalogue
    clouddriver.properties = [(200, {"version": "8"})]
    parameters = {"image": "migrate:1", "namespace": "${ 'prod' }", "unknown": "x"}
    ran = prepared(parameters=parameters, dynamicParameters={"manifest.metadata.name": "by-hand"})
    run(driver, ran)
    [sent] = clouddriver.sent("runJob")
    manifest = sent["manifest"]
    assert manifest["metadata"] == {"name": "by-hand", "namespace": "prod"}
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "migrate:1"
    assert PREPARED["manifest"] == JOB


def test_a_canceled_prepared_job_is_deleted(driver: Driver, clouddriver: Clouddriver, catalogue: StageCatalogue):
    driver.catalogue = catalogue
    clouddriver.jobs = [RUNNING]
    ran = prepared(parameters={"image": "migrate:1"})
    execution = pipeline(ran)
    driver.run(execution, until=lambda _: "jobStatus" in ran.context)
    execution.canceled = True
    driver.run(execution)
    assert clouddriver.deleted == ["job once"]


@pytest.mark.parametrize(
    "place",
    [
        "manifest.spec.containers[0].image",
        "manifest.spec.template.spec.containers[4].image",
        "manifest.metadata.name.x",
        "a[b].c",
    ],
)
def test_a_parameter_without_a_place_is_named(
    driver: Driver, clouddriver: Clouddriver, catalogue: StageCatalogue, place: str
):
    driver.catalogue = catalogue
    ran = prepared(dynamicParameters={place: "x"})
    run(driver, ran, "TERMINAL")
    assert f"The mapping '{place}' of a parameter leads nowhere" in str(ran.context["exception"]["details"])
    assert clouddriver.operations == {}


@pytest.mark.parametrize("type", ["off", "never"])
def test_a_job_that_is_not_prepared_is_refused(driver: Driver, catalogue: StageCatalogue, type: str):
    driver.catalogue = catalogue
    ran = stage("1", type, alias="preconfiguredJob")
    run(driver, ran, "TERMINAL")
    told = f"There is no preconfigured job of type '{type}' (there are: migrate)."
    assert told in str(ran.context["exception"]["details"])


def test_the_guide_to_prepared_jobs_is_right(driver: Driver, clouddriver: Clouddriver):
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "offer-jobs-as-stages.md").read_text()
    written = cast(Any, YAML(typ="safe")).load(guide.partition("```yaml")[2].partition("```")[0])
    driver.catalogue = catalogue_for(OrcaSettings.model_validate(written))
    clouddriver.properties = [(200, {"schema": "42"})]
    described = json.loads(guide.partition("```json")[2].partition("```")[0])
    ran = stage("1", described["type"], alias=described["alias"], parameters=described["parameters"])
    run(driver, ran)
    [sent] = clouddriver.sent("runJob")
    container = sent["manifest"]["spec"]["template"]["spec"]["containers"][0]
    assert (sent["account"], container["image"]) == ("production", "registry.example.com/migrate:1.4.0")
    assert ran.outputs["schema"] == "42"


def test_a_worker_runs_prepared_jobs(
    clouddriver: Clouddriver, peer: Peer, new_orca_settings: Callable[..., OrcaSettings]
):
    made = new_orca_settings(job={"preconfigured": {"kubernetes": [PREPARED]}})
    services = {"clouddriver": {"baseUrl": peer.url}, "orca": made.services.orca.model_dump()}
    clouddriver.properties = [(200, {"version": "8"})]
    with running_orca(made.model_validate(made.model_dump() | {"services": services})) as orca:
        assert [each["type"] for each in orca.get("/jobs/preconfigured")] == ["migrate"]
        stage = {"refId": "1", "type": "migrate", "alias": "preconfiguredJob", "parameters": {"image": "migrate:1"}}
        execution = orca.wait_end(orca.start(stage))
    assert execution["status"] == "SUCCEEDED", execution
    assert execution["stages"][0]["outputs"]["version"] == "8"
    assert len(clouddriver.sent("runJob")) == 1


def test_prepared_jobs_are_listed():
    [shown] = listed_jobs(settings(PREPARED, PREPARED | {"enabled": False}).job)
    parameters = shown.pop("parameters")
    assert shown == {
        "label": "Migrate",
        "description": "Migrates the database",
        "type": "migrate",
        "waitForCompletion": True,
        "noUserConfigurableFields": True,
        "producesArtifacts": True,
        "uiType": "BASIC",
    }
    assert (parameters[1]["name"], parameters[1]["mapping"]) == ("namespace", "manifest.metadata.namespace")


@pytest.mark.parametrize(
    "change", [{"manifest": {"kind": "Pod"}}, {"label": ""}, {"cloudProvider": "titus"}, {"parameter": []}]
)
def test_a_wrongly_prepared_job_is_an_error_in_the_settings(change: dict[str, Any]):
    with pytest.raises(ValidationError, match=next(iter(change))):
        settings(PREPARED | change)
