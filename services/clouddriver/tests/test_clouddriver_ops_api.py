"""What is refused at the door, who may ask, how tasks are shown; without any cluster."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.operations.bells import BellSweep
from clouddriver.operations.store import LeaseLost, OperationStore
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.identity import Identity, Signer, identity_headers
from kork.settings import RedisSettings
from kork.testing.databases import migrated
from sqlalchemy import text

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


@pytest.fixture
def ops_settings(postgres_url: str, redis_url: str) -> ClouddriverSettings:
    contents = json.dumps(KUBECONFIG)
    return ClouddriverSettings.model_validate(
        {
            "database": {"url": postgres_url},
            "redis": {"url": redis_url},
            "kubernetes": {
                "accounts": [
                    {"name": "open", "kubeconfigContents": contents},
                    {"name": "fenced", "kubeconfigContents": contents, "namespaces": ["prod"]},
                    {
                        "name": "closed",
                        "kubeconfigContents": contents,
                        "permissions": {"READ": ["everyone"], "WRITE": ["Operators"]},
                    },
                ]
            },
        }
    )


@pytest.fixture
def ops_database(ops_settings: ClouddriverSettings) -> Iterator[Database]:
    with migrated(ops_settings.database, "clouddriver") as database:
        yield database


@pytest.fixture
def store(ops_database: Database) -> OperationStore:
    return OperationStore(ops_database)


@pytest.fixture
def api(ops_settings: ClouddriverSettings, ops_database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(ops_settings), headers=as_user(ops_settings)) as client:
        yield client


def as_user(settings: ClouddriverSettings, *roles: str, admin: bool = False) -> dict[str, str]:
    return identity_headers(Identity("alice", roles=roles, admin=admin), Signer(settings.identity.secret))


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
APP = {"moniker": {"app": "shop"}, "account": "open"}


def deploy(**description: Any) -> list[dict[str, Any]]:
    return [{"deployManifest": APP | description}]


def operation(name: str, **description: Any) -> list[dict[str, Any]]:
    return [{name: {"account": "open", **description}}]


REFUSED: list[tuple[Any, str]] = [
    ({}, "must be a list of operations"),
    ([], "not an empty list"),
    ([{"deployManifest": {}, "deleteManifest": {}}], "must be an object with one key"),
    ([{"deployManifest": []}], "The description of 'deployManifest' must be an object, not an array"),
    (operation("deployManifst"), "has no operation 'deployManifst'. Did you mean 'deployManifest'?"),
    ([{"deployManifest": {}}], "deployManifest: the field 'account' is missing."),
    (
        operation("deployManifest", account="nowhere"),
        "there is no account 'nowhere' (accounts: 'closed', 'fenced', 'open')",
    ),
    (deploy(), "There is no"),
    (deploy(manifests=[]), "There is no manifest to deploy"),
    (deploy(manifests="x"), "the field 'manifests' is wrong"),
    (deploy(manifests=[7]), "Manifest 1 is not an object but a number."),
    (deploy(manifests=[CONFIG, {"metadata": {}}]), "Manifest 2 has no 'kind'."),
    (deploy(manifests=[{"kind": "Pod"}]), "Manifest 1 (Pod) has no 'apiVersion'."),
    (deploy(manifests=[CONFIG | {"metadata": "x"}]), "Manifest 1 (ConfigMap) has no 'metadata'."),
    (deploy(manifests=[CONFIG | {"metadata": {}}]), "Manifest 1 (ConfigMap) has no 'metadata.name'."),
    (deploy(manifests=[CONFIG | {"metadata": {"name": "c", "labels": []}}]), "'metadata.labels' that is an array"),
    (deploy(manifests=["a: [b"]), "is a text that is not YAML"),
    (deploy(manifests=[CONFIG | {"kind": "Event"}]), "Events cannot be deployed."),
    (deploy(manifests=[CONFIG], moniker=None), "must be assigned a moniker"),
    (
        deploy(manifests=[CONFIG], labelSelectors={"selectors": [{"kind": "LIKE", "key": "a"}]}),
        "labelSelectors.selectors.0.kind",
    ),
    (
        deploy(manifests=[CONFIG], labelSelectors={"selectors": [{"kind": "EQUALS", "key": "a"}]}),
        "needs exactly one value for 'a'",
    ),
    (operation("scaleManifest", manifestName="deployment shop"), "scaleManifest: the field 'replicas' is missing."),
    (operation("scaleManifest", manifestName="deployment shop", replicas=-1), "the field 'replicas' is wrong"),
    (operation("scaleManifest", manifestName="shop", replicas=1), "'shop' is not the name of a resource"),
    (
        operation("scaleManifest", manifestName="daemonSet shop", replicas=1),
        "Resource with name 'daemonSet shop' does not support scale.",
    ),
    (operation("undoRolloutManifest", manifestName="service shop"), "does not support undo rollout."),
    (operation("deleteManifest"), "Say what to delete"),
    (
        operation("deleteManifest", account="fenced", manifestName="pod x", location="dev"),
        "may not touch the namespace 'dev' (pod x)",
    ),
    (operation("patchManifest", manifestName="pod x", patchBody=[]), "'json' takes a list, the others an object."),
    (
        operation("patchManifest", manifestName="pod x", patchBody={}, options={"mergeStrategy": "deep"}),
        "options.mergeStrategy",
    ),
]


def test_what_can_t_be_done_is_refused_and_named(api: TestClient):
    for body, says in REFUSED:
        answer = api.post("/kubernetes/ops", json=body)
        assert (answer.status_code, says in answer.json()["message"]) == (400, True), (body, answer.text)
    assert api.get("/task").json() == []


def test_every_fault_is_listed(api: TestClient):
    body = deploy(manifests=[1, 2]) + operation("scaleManifest", manifestName="deployment shop")
    answer = api.post("/kubernetes/ops", json=body)
    assert answer.json()["errors"] == [
        "deployManifest: Manifest 1 is not an object but a number.",
        "deployManifest: Manifest 2 is not an object but a number.",
        "scaleManifest: the field 'replicas' is missing.",
    ]


def test_a_body_that_can_t_be_read_is_a_400(api: TestClient):
    for content in (b"", b"{", b"nonsense", b'[{"deployManifest": {"account": "\\u0000"}}]'):
        assert api.post("/kubernetes/ops", content=content).status_code == 400


def test_a_provider_that_is_not_there_is_a_400(api: TestClient):
    answer = api.post("/aws/ops", json=deploy(manifests=[CONFIG]))
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "There is no cloud provider 'aws' (providers: 'kubernetes').",
    )


def test_the_provider_may_be_in_the_operation_and_the_operation_in_the_path(api: TestClient):
    body = deploy(manifests=[CONFIG], cloudProvider="kubernetes")
    ids = [
        api.post("/ops", json=body).json()["id"],
        api.post("/ops/deployManifest", json=body[0]["deployManifest"]).json()["id"],
        api.post("/kubernetes/ops/deployManifest", json=body[0]["deployManifest"]).json()["id"],
    ]
    assert len(set(ids)) == 3
    assert sorted(task["id"] for task in api.get("/task").json()) == sorted(ids)
    answer = api.post("/ops", json=deploy(manifests=[CONFIG]))
    assert (answer.status_code, "cloudProvider" in answer.json()["message"]) == (400, True)


def test_an_account_with_roles_takes_operations_from_those_who_have_one(
    api: TestClient, ops_settings: ClouddriverSettings
):
    body = deploy(manifests=[CONFIG], account="closed")
    refused = api.post("/kubernetes/ops", json=body, headers=as_user(ops_settings, "everyone"))
    assert refused.status_code == 403
    assert refused.json()["errors"] == ["Access denied to account closed"]
    for headers in (as_user(ops_settings, "operators"), as_user(ops_settings, admin=True)):
        assert api.post("/kubernetes/ops", json=body, headers=headers).status_code == 200


def test_an_unsigned_request_is_a_401(ops_settings: ClouddriverSettings, ops_database: Database):
    with TestClient(create_app(ops_settings)) as client:
        assert client.post("/kubernetes/ops", json=deploy(manifests=[CONFIG])).status_code == 401


def test_a_task_that_is_not_there_is_a_404(api: TestClient):
    answer = api.get("/task/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (answer.status_code, "Task not found" in answer.json()["message"]) == (404, True)


def test_a_task_is_shown_as_spinnaker_does(api: TestClient):
    task_id = api.post("/kubernetes/ops?clientRequestId=key", json=deploy(manifests=[CONFIG])).json()["id"]
    task = api.get(f"/task/{task_id}").json()
    assert task.pop("startTimeMs") > 0
    assert task == {
        "id": task_id,
        "ownerId": None,
        "requestId": "key",
        "status": {
            "phase": "ORCHESTRATION",
            "status": "Initializing Orchestration Task",
            "complete": False,
            "completed": False,
            "failed": False,
            "retryable": False,
        },
        "history": [{"phase": "ORCHESTRATION", "status": "Initializing Orchestration Task"}],
        "resultObjects": [],
        "outputs": [],
        "retryable": False,
        "sagaIds": [],
    }


def test_operations_are_named(api: TestClient):
    names = {stage["name"] for stage in api.get("/features/stages").json()}
    assert {"deployManifest", "deleteManifest", "scaleManifest", "undoRolloutManifest"} <= names


def submitted(store: OperationStore) -> str:
    return store.submit("key", "kubernetes", [{"deployManifest": {}}], "alice")[0]


def lease_ends(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE operation SET leased_until = clock_timestamp(), due_at = clock_timestamp()"))


def test_an_operation_has_one_worker_at_a_time(store: OperationStore):
    task = submitted(store)
    assert store.claim(task, "one") is not None
    assert store.claim(task, "two") is None


def test_a_worker_that_lost_its_lease_can_write_nothing_more(store: OperationStore, ops_database: Database):
    task = submitted(store)
    first = store.claim(task, "one")
    assert first is not None
    lease_ends(ops_database)
    second = store.claim(task, "two")
    assert second is not None
    for write in (
        lambda: store.renew(first),
        lambda: store.progress(first, "A", "b"),
        lambda: store.decide(first, 0, {}),
        lambda: store.finish_step(first, 0, None),
        lambda: store.end(first, failed=False, results=[], status=""),
    ):
        with pytest.raises(LeaseLost):
            write()
    store.renew(second)
    store.end(second, failed=False, results=[{"a": 1}], status="Orchestration completed.")
    ended = store.find(task)
    assert ended is not None
    assert (ended.state, ended.results, ended.owner) == ("COMPLETED", [{"a": 1}], "two")


def test_an_operation_that_ended_is_not_claimed_again_and_keeps_no_body(store: OperationStore, ops_database: Database):
    task = submitted(store)
    claim = store.claim(task, "one")
    assert claim is not None
    store.decide(claim, 0, {"secret": "s"})
    store.end(claim, failed=True, results=[], status="failed")
    assert store.claim(task, "two") is None
    with ops_database.connect() as connection:
        assert connection.execute(text("SELECT body FROM operation")).scalar() is None
        assert connection.execute(text("SELECT count(*) FROM operation_step")).scalar() == 0


def test_the_bell_is_rung_again_for_what_nobody_took_and_for_what_was_left(
    store: OperationStore, ops_database: Database
):
    rung: list[str] = []
    sweep = BellSweep(ops_database, rung.append)
    assert sweep.sweep() is None
    task = submitted(store)
    again = sweep.sweep()
    assert (rung, again is not None and 0 < again <= 2.0) == ([], True)
    lease_ends(ops_database)
    sweep.sweep()
    assert rung == [task]
    claim = store.claim(task, "one")
    assert claim is not None
    sweep.sweep()
    assert rung == [task]
    lease_ends(ops_database)
    sweep.sweep()
    assert rung == [task, task]
    claim = store.claim(task, "two")
    assert claim is not None
    store.end(claim, failed=False, results=[], status="done")
    assert sweep.sweep() is None


def test_old_operations_are_forgotten(store: OperationStore, ops_database: Database):
    task = submitted(store)
    claim = store.claim(task, "one")
    assert claim is not None
    store.end(claim, failed=False, results=[], status="done")
    store.prune()
    assert store.find(task) is not None
    with ops_database.begin() as connection:
        connection.execute(text("UPDATE operation SET ended_at = ended_at - 5 * 86400000"))
    store.prune()
    assert store.find(task) is None


def test_an_operation_is_taken_while_redis_is_away_without_waiting_for_it(
    ops_settings: ClouddriverSettings, ops_database: Database
):
    """The bell is silent; the sweep rings it later."""
    away = ops_settings.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1:9/0")})
    with TestClient(create_app(away), headers=as_user(away)) as client:
        started = time.monotonic()
        answer = client.post("/kubernetes/ops", json=deploy(manifests=[CONFIG]))
        assert time.monotonic() - started < 4.0
    assert answer.status_code == 200
