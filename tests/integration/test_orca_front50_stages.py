"""Orca's orchestrations on applications and pipelines against the real front50, on a real Postgres."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from front50.app import create_app
from front50.settings import Front50Settings
from kork.http import SyncServiceClient
from kork.testing.databases import migrated
from kork.testing.peers import Reply, Request, serve
from kork.testing.serving import serving
from orca.execution.model import Execution, StageExecution
from orca.testing import Driver, stage
from orca.testing.builders import pipeline


@pytest.fixture
def front50(postgres_url: str, redis_url: str) -> Iterator[SyncServiceClient]:
    settings = Front50Settings.model_validate(
        {"embedded": True, "database": {"url": postgres_url}, "redis": {"url": redis_url}}
    )
    with migrated(settings.database, "front50"), serving(create_app(settings)) as server:
        client = SyncServiceClient(server.url, service="front50")
        yield client
        client.close()


class Clouddriver:
    """What clouddriver says of an application's clusters; nothing else is known to it."""

    def __init__(self) -> None:
        self.clusters: dict[str, Any] | None = None

    def reply(self, request: Request) -> Reply:
        return (404, {"message": "not found"}) if self.clusters is None else (200, {"clusters": self.clusters})


@pytest.fixture
def clouddriver() -> Clouddriver:
    return Clouddriver()


@pytest.fixture
def driver(front50: SyncServiceClient, clouddriver: Clouddriver) -> Iterator[Driver]:
    with serve(clouddriver.reply) as peer:
        client = SyncServiceClient(peer.url, service="clouddriver")
        yield Driver(front50=front50, clouddriver=client, orca=client)
        client.close()


def run(driver: Driver, type: str, **context: Any) -> StageExecution:
    """Run one job as `POST /ops` would."""
    job = stage("0", type, **context)
    execution = pipeline(job)
    execution.type = "ORCHESTRATION"
    driver.run(execution)
    return job


def errors_of(job: StageExecution) -> str:
    return str(job.context["exception"]["details"])


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def created(driver: Driver, **more: Any) -> StageExecution:
    job = run(driver, "createApplication", application={"name": "shop", "email": "a@b.example", **more})
    assert job.status.value == "SUCCEEDED", job.context
    return job


def saved(driver: Driver, **more: Any) -> StageExecution:
    body = {"name": "deploy", "application": "shop", "stages": [{"type": "wait", "comments": "${ 1 + 1 }"}], **more}
    job = run(driver, "savePipeline", pipeline=encoded(body))
    assert job.status.value == "SUCCEEDED", job.context
    return job


def test_an_application_is_created_changed_and_deleted(driver: Driver, front50: SyncServiceClient):
    job = created(driver, permissions={"READ": ["devs"], "WRITE": ["devs"]})
    assert [each.name for each in job.tasks] == ["createApplication"]
    assert (job.outputs["previousState"], job.outputs["newState"]["name"]) == ({}, "SHOP")
    assert front50.get("/permissions/applications/shop")["permissions"]["READ"] == ["devs"]
    job = run(driver, "updateApplication", application={"name": "shop", "description": "sells"})
    assert (job.outputs["previousState"].get("description"), job.status.value) == (None, "SUCCEEDED")
    found = front50.get("/v2/applications/shop")
    assert (found["email"], found["description"]) == ("a@b.example", "sells")
    job = run(driver, "deleteApplication", application={"name": "shop"})
    assert [(each.name, each.status.value) for each in job.tasks] == [
        ("verifyNoDependencies", "SUCCEEDED"),
        ("deleteApplication", "SUCCEEDED"),
    ]
    assert job.outputs["previousState"]["name"] == "SHOP"
    assert front50.get("/v2/applications") == []


def test_an_application_with_clusters_stays(driver: Driver, front50: SyncServiceClient, clouddriver: Clouddriver):
    created(driver)
    clouddriver.clusters = {"k8s": [{"name": "deployment shop"}]}
    job = run(driver, "deleteApplication", application={"name": "shop"})
    assert job.status.value == "TERMINAL"
    assert job.context["exception"]["details"]["error"] == "Application has outstanding dependencies"
    assert "deployment shop (k8s)" in errors_of(job)
    assert front50.get("/v2/applications/shop")["name"] == "SHOP"


def test_what_front50_refuses_fails_the_job_with_its_words(driver: Driver):
    job = run(driver, "createApplication", application={"name": "a b", "email": "x"})
    assert job.status.value == "TERMINAL"
    assert "Application name 'a b' is not valid" in errors_of(job)


def test_a_pipeline_is_saved_as_written_and_updated_in_its_place(driver: Driver, front50: SyncServiceClient):
    created(driver)
    job = saved(driver)
    id = job.context["pipeline.id"]
    assert [each.name for each in job.tasks] == ["savePipeline", "waitForPipelineSave"]
    told = {key: job.context[key] for key in ("application", "pipeline.name", "notification.type")}
    assert told == {"application": "shop", "pipeline.name": "deploy", "notification.type": "savepipeline"}
    assert front50.get(f"/pipelines/{id}/get")["stages"][0]["comments"] == "${ 1 + 1 }"
    job = run(driver, "reorderPipelines", application="shop", idsToIndices=encoded({id: 4}))
    assert job.status.value == "SUCCEEDED", job.context
    job = run(
        driver, "updatePipeline", pipeline={"id": id, "name": "deploy", "application": "shop", "description": "new"}
    )
    assert [each.name for each in job.tasks] == ["updatePipeline", "waitForPipelineSave"]
    found = front50.get(f"/pipelines/{id}/get")
    assert (found["description"], found["index"]) == ("new", 4)


def test_a_repeated_save_makes_no_second_pipeline(driver: Driver, front50: SyncServiceClient):
    created(driver)
    body = encoded({"name": "deploy", "application": "shop"})
    first = stage("0", "savePipeline", pipeline=body)
    again = stage("0", "savePipeline", pipeline=body)
    again.id = first.id
    started = driver.now
    driver.run(pipeline(first))
    driver.now = started
    driver.run(pipeline(again))
    assert again.context["pipeline.id"] == first.context["pipeline.id"]
    assert len(front50.get("/pipelines/shop")) == 1


def test_many_pipelines_are_saved_and_what_failed_is_listed(driver: Driver, front50: SyncServiceClient):
    created(driver)
    bodies = [{"name": "one", "application": "shop"}, {"application": "shop"}]
    job = run(driver, "savePipeline", isBulkSavingPipelines=True, pipelines=encoded(bodies))
    assert job.status.value == "TERMINAL"
    assert job.context["bulksave"]["successful_pipelines"] == ["one"]
    job = run(driver, "savePipeline", isBulkSavingPipelines=True, pipelines=[encoded({**bodies[0], "name": "two"})])
    assert job.status.value == "SUCCEEDED"
    assert len(front50.get("/pipelines/shop")) == 2


def test_a_stale_pipeline_is_refused_when_asked_to(driver: Driver):
    created(driver)
    id = saved(driver).context["pipeline.id"]
    body = encoded({"id": id, "name": "deploy", "application": "shop", "updateTs": "1"})
    job = run(driver, "savePipeline", pipeline=body, staleCheck=True)
    assert job.status.value == "TERMINAL"
    assert "stale" in errors_of(job)


def test_a_pipeline_is_deleted_by_its_name(driver: Driver, front50: SyncServiceClient):
    created(driver)
    saved(driver)
    body = {"application": "shop", "name": "deploy"}
    assert run(driver, "deletePipeline", pipeline=encoded(body)).status.value == "SUCCEEDED"
    assert front50.get("/pipelines/shop") == []
    again = run(driver, "deletePipeline", pipeline=body)
    assert again.status.value == "TERMINAL"
    assert "Pipeline not found" in errors_of(again)


@pytest.mark.parametrize(
    ("type", "context", "named"),
    [
        ("createApplication", {}, "application"),
        ("createApplication", {"application": "shop"}, "application"),
        ("createApplication", {"application": {}}, "application.name"),
        ("createApplication", {"application": {"name": 7}}, "application.name"),
        ("createApplication", {"application": {"name": "x", "permissions": []}}, "application.permissions"),
        ("savePipeline", {}, "pipeline"),
        ("savePipeline", {"pipeline": 5}, "pipeline"),
        ("savePipeline", {"pipeline": "%%%"}, "pipeline: is not base64 of JSON"),
        ("savePipeline", {"pipeline": encoded([1])}, "pipeline: must be an object"),
        ("savePipeline", {"isBulkSavingPipelines": True, "pipelines": {}}, "pipelines"),
        ("savePipeline", {"isBulkSavingPipelines": True, "pipelines": [7]}, "pipelines[0]"),
        ("deletePipeline", {}, "pipeline"),
        ("deletePipeline", {"pipeline": {"name": "x"}}, "'application' and 'name', or 'id'"),
        ("reorderPipelines", {"application": "shop"}, "idsToIndices"),
        ("reorderPipelines", {"application": 1, "idsToIndices": {}}, "application"),
        ("reorderPipelines", {"application": "shop", "idsToIndices": {"a": "x"}}, "idsToIndices.a"),
    ],
)
def test_a_wrong_field_is_named(driver: Driver, type: str, context: dict[str, Any], named: str):
    job = run(driver, type, **context)
    assert job.status.value == "TERMINAL"
    assert named in errors_of(job)


def test_a_started_child_is_the_pipeline_that_front50_has(driver: Driver):
    created(driver)
    id = saved(driver, disabled=True).context["pipeline.id"]
    first = stage("1", "pipeline", pipeline=id, application="shop")
    execution: Execution = pipeline(first)
    driver.run(execution)
    assert "Pipeline 'deploy' in application 'shop' is disabled" in errors_of(first)
