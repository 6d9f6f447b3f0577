"""What retention archived can be read by anybody, and brought back as it was."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kork.clock import now_ms
from kork.database import Database
from kork.testing.waiting import wait_until
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.retention.rules import DAY_MS
from orca.retention.sweep import Retention
from orca.settings import OrcaSettings
from orca.testing.builders import pipeline, stage
from orca.testing.running import Orca, running_orca
from sqlalchemy import text

Wait = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Orca]:
    with running_orca(new_orca_settings(executions={"import": {"enabled": True}})) as running:
        yield running


@pytest.fixture
def database(orca: Orca) -> Iterator[Database]:
    database = Database(orca.settings.database, schema="orca")
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, Any]]:
    """The address of a store that speaks S3, and a client of it; it has a bucket `history`."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    client: Any = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="key"
    )
    client.create_bucket(Bucket="history")
    yield url, client
    server.stop()


def sweep(orca: Orca, database: Database, archive: dict[str, Any], *, days_later: int = 100) -> int:
    """Let retention look at orca's history, so many days from now."""
    cleanups = {
        "oldPipelineCleanup": {"enabled": True, "minimumPipelineExecutions": 0},
        "topApplicationExecutionCleanup": {"enabled": True, "threshold": 0},
    }
    settings = OrcaSettings.model_validate({"pollers": cleanups, "executions": {"archive": archive}})
    return Retention(database, settings, now=lambda: now_ms() + days_later * DAY_MS).sweep()


def archived(folder: Path) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for file in sorted(folder.rglob("*.jsonl.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def run(orca: Orca, wait: Wait, application: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Run a pipeline, one that it starts (both as served), and an orchestration (its path)."""
    first = orca.start(wait("1"), wait("2", after=["1"]), application=application, id="config", description="the first")
    orca.wait_end(first)
    parent = {"type": "pipeline", "parentPipelineId": first, "parameters": {"version": "1.2"}}
    second = orca.start(wait("1"), application=application, trigger=parent)
    orca.wait_end(second)
    ops = {"application": application, "description": "a task", "job": [{"type": "wait", "waitTime": 0}]}
    ref = orca.post("/ops", ops)["ref"]
    orca.wait_task(ref)
    return orca.execution(first), orca.execution(second), ref


def test_an_execution_comes_back_from_its_archive_as_it_was(orca: Orca, database: Database, wait: Wait, tmp_path: Path):
    first, second, ref = run(orca, wait, "there-and-back")
    task = orca.get(ref)
    assert sweep(orca, database, {"folder": tmp_path}) >= 3
    for each in (first, second):
        orca.get(f"/pipelines/{each['id']}", 404)
    orca.get(ref, 404)

    lines = [each for each in archived(tmp_path) if each["application"] == "there-and-back"]
    by_id = {each["id"]: each for each in lines}
    assert by_id[first["id"]] == first
    assert by_id[second["id"]] == second
    assert second["trigger"]["parentExecution"]["id"] == first["id"]
    for line in lines:
        answer = orca.post("/admin/executions", line, 201)
        assert (answer["executionId"], answer["totalStages"]) == (line["id"], len(line["stages"]))
    assert orca.execution(first["id"]) == first
    assert orca.execution(second["id"]) == second
    assert orca.get(ref) == task
    listed = orca.get("/applications/there-and-back/pipelines/search", expand="true")
    assert {each["id"] for each in listed} == {first["id"], second["id"]}


def test_a_child_comes_back_without_its_parent(orca: Orca, database: Database, wait: Wait, tmp_path: Path):
    _, second, _ = run(orca, wait, "orphan")
    sweep(orca, database, {"folder": tmp_path})
    line = next(each for each in archived(tmp_path) if each["id"] == second["id"])
    orca.post("/admin/executions", line, 201)
    assert orca.execution(second["id"]) == second


def test_what_came_back_stays_as_long_as_a_new_one(orca: Orca, database: Database, wait: Wait, tmp_path: Path):
    first, _, ref = run(orca, wait, "stays")
    sweep(orca, database, {"folder": tmp_path})
    for line in archived(tmp_path):
        if line["application"] == "stays":
            orca.post("/admin/executions", line | {"buildTime": now_ms() - 1000 * DAY_MS}, 201)
    sweep(orca, database, {}, days_later=0)
    assert orca.execution(first["id"])["stages"] == first["stages"]
    assert orca.get(ref)["status"] == "SUCCEEDED"
    sweep(orca, database, {}, days_later=32)
    orca.get(f"/pipelines/{first['id']}", 404)


def test_what_came_back_can_be_restarted(orca: Orca, database: Database, wait: Wait, tmp_path: Path):
    first, _, _ = run(orca, wait, "again")
    sweep(orca, database, {"folder": tmp_path})
    orca.post("/admin/executions", next(each for each in archived(tmp_path) if each["id"] == first["id"]), 201)
    answer = orca.client.put(f"/pipelines/{first['id']}/stages/{first['stages'][0]['id']}/restart", json={})
    assert answer.status_code == 200, answer.text
    ended = orca.wait(first["id"], lambda seen: seen["status"] == "SUCCEEDED" and seen["endTime"] > first["endTime"])
    assert [each["status"] for each in ended["stages"]] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_bucket_has_what_a_folder_has(
    orca: Orca,
    database: Database,
    wait: Wait,
    bucket: tuple[str, Any],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    first, second, _ = run(orca, wait, "in-a-bucket")
    url, client = bucket
    sweep(orca, database, {"s3": {"bucket": "history", "prefix": "orca/", "region": "us-east-1", "endpoint": url}})
    listed = client.list_objects_v2(Bucket="history", Prefix="orca/pipelines/in-a-bucket/")["Contents"]
    content = client.get_object(Bucket="history", Key=listed[0]["Key"])["Body"].read()
    found = [orjson.loads(line) for line in gzip.decompress(content).splitlines()]
    assert {each["id"]: each for each in found} == {first["id"]: first, second["id"]: second}


def test_a_bucket_that_is_not_there_keeps_everything_here(
    orca: Orca, database: Database, wait: Wait, bucket: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    first, _, _ = run(orca, wait, "no-bucket")
    s3 = {"bucket": "nowhere", "region": "us-east-1", "endpoint": bucket[0]}
    with pytest.raises(Exception, match="NoSuchBucket"):
        sweep(orca, database, {"s3": s3})
    assert orca.execution(first["id"]) == first


# --- what is refused


def ended(**changes: Any) -> dict[str, Any]:
    """A small ended execution, with changes."""
    stage = {"id": "s1", "refId": "1", "type": "wait", "name": "w", "status": "SUCCEEDED"}
    made = {"type": "PIPELINE", "id": "imported-1", "application": "shop", "status": "TERMINAL", "stages": [stage]}
    return made | changes


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": "RUNNING"}, "Status: RUNNING"),
        ({"status": "BUFFERED"}, "Status: BUFFERED"),
        ({"status": "GONE"}, "status"),
        ({"type": "FLOW"}, "type"),
        ({"id": "a b"}, "id"),
        ({"id": "../x"}, "id"),
        ({"application": ""}, "application"),
        ({"application": "a" * 256}, "application"),
        ({"pipelineConfigId": "a" * 256}, "pipelineConfigId"),
        ({"stages": {}}, "stages"),
        ({"stages": [{"id": "s1", "refId": "1"}]}, "stages.0.type"),
        ({"stages": [{"id": "s1", "refId": "1", "type": "wait", "context": []}]}, "stages.0.context"),
        ({"stages": [{"id": "s1", "refId": "1", "type": "wait"}] * 2}, "same id"),
        ({"startTime": -1}, "startTime"),
        ({"buildTime": 10**30}, "buildTime"),
        ({"trigger": []}, "trigger"),
        ({"paused": "yes"}, "paused"),
    ],
)
def test_what_is_no_ended_execution_is_refused_by_name(orca: Orca, changes: dict[str, Any], named: str):
    answer = orca.client.post("/admin/executions", json=ended(**changes))
    assert answer.status_code == 400
    assert named in answer.json()["message"]
    orca.get("/pipelines/imported-1", 404)


def test_an_execution_that_is_there_is_not_replaced(orca: Orca):
    orca.post("/admin/executions", ended(id="twice"), 201)
    refused = orca.client.post("/admin/executions", json=ended(id="twice", status="SUCCEEDED"))
    assert (refused.status_code, refused.json()["message"]) == (400, "Execution already exists with id: twice")
    assert orca.execution("twice")["status"] == "TERMINAL"


def test_nothing_is_told_of_what_comes_in(orca: Orca, database: Database):
    orca.post("/admin/executions", ended(id="silent"), 201)
    with database.connect() as connection:
        told = connection.execute(text("SELECT count(*) FROM outbox WHERE key = 'silent'")).scalar()
        due = connection.execute(text("SELECT count(*) FROM due WHERE execution_id = 'silent'")).scalar()
        assert (told, due) == (0, 0)
        assert ExecutionStore(connection).load("silent") is not None


def test_nothing_comes_in_unless_it_is_switched_on(new_orca_settings: Callable[..., OrcaSettings]):
    with running_orca(new_orca_settings(), worker=False) as closed:
        answer = closed.client.post("/admin/executions", json=ended())
    assert answer.status_code == 404
    assert "executions.import.enabled" in answer.json()["message"]


def test_an_orca_removes_what_is_old_by_itself(new_orca_settings: Callable[..., OrcaSettings], tmp_path: Path):
    cleanup = {"enabled": True, "intervalMs": 1000, "minimumPipelineExecutions": 1}
    settings = new_orca_settings(
        pollers={"oldPipelineCleanup": cleanup}, executions={"archive": {"folder": str(tmp_path)}}
    )
    database = Database(settings.database, schema="orca")
    ids: list[str] = []
    with database.begin() as connection:
        for days in (100, 50, 1):
            made = pipeline(stage("1"), status=Status.SUCCEEDED, pipeline_config_id="config")
            made.build_time = now_ms() - days * DAY_MS
            ExecutionStore(connection).insert(made)
            ids.append(made.id)
    database.dispose()
    with running_orca(settings, worker=False) as orca:
        wait_until(lambda: orca.client.get(f"/pipelines/{ids[1]}").status_code == 404)
        assert orca.execution(ids[2])["id"] == ids[2]
        told = orca.client.get("/metrics").text
    assert {each["id"] for each in archived(tmp_path)} == set(ids[:2])
    assert 'orca_executions_removed_total{type="PIPELINE"}' in told
