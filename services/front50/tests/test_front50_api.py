"""Front50's API on a real Postgres."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from front50.app import create_app
from front50.settings import Front50Settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kork.database import Database
from kork.testing.databases import migrated
from sqlalchemy import text


@pytest.fixture
def front50_settings(postgres_url: str, redis_url: str) -> Front50Settings:
    return Front50Settings.model_validate(
        {"embedded": True, "database": {"url": postgres_url}, "redis": {"url": redis_url}}
    )


@pytest.fixture
def database(front50_settings: Front50Settings) -> Iterator[Database]:
    with migrated(front50_settings.database, "front50") as database:
        yield database


@pytest.fixture
def api(front50_settings: Front50Settings, database: Database) -> Iterator[TestClient]:
    with TestClient(create_app(front50_settings), headers={"X-SPINNAKER-USER": "alice"}) as client:
        yield client


def application(name: Any = "shop", **more: Any) -> dict[str, Any]:
    return {"name": name, "email": "shop@example.com", **more}


def pipeline(name: Any = "deploy", **more: Any) -> dict[str, Any]:
    return {"name": name, "application": "shop", "stages": [], **more}


def saved(api: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/pipelines", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_migrating_twice_changes_nothing(database: Database):
    database.migrate()
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_an_application_is_created_read_changed_and_deleted(api: TestClient):
    created = api.post("/v2/applications", json=application(cloudProviders=["kubernetes", "aws"], owner="team")).json()
    assert (created["name"], created["cloudProviders"], created["trafficGuards"]) == ("SHOP", "kubernetes,aws", [])
    assert created["lastModifiedBy"] == "alice"
    changed = api.patch("/v2/applications/shop", json={"name": "shop", "description": "sells", "email": None}).json()
    assert (changed["email"], changed["description"], changed["owner"]) == ("shop@example.com", "sells", "team")
    assert [version.get("description") for version in api.get("/v2/applications/SHOP/history").json()] == [
        "sells",
        None,
    ]
    assert api.delete("/v2/applications/shop").status_code == 204
    assert api.delete("/v2/applications/shop").status_code == 204
    gone = api.get("/v2/applications/shop")
    assert (gone.status_code, gone.json()["message"]) == (404, "Application not found (id: shop)")


def test_a_taken_application_name_is_refused_whatever_its_case(api: TestClient):
    api.post("/v2/applications", json=application())
    answer = api.post("/v2/applications", json=application("SHOP"))
    assert answer.status_code == 400
    assert "already exists" in answer.json()["message"]


@pytest.mark.parametrize("name", ["", " ", "a b", "ä", "a/b", "-a", "x" * 251, None, 7, ["a"]])
def test_an_odd_application_name_is_a_400_that_says_so(api: TestClient, name: Any):
    answer = api.post("/v2/applications", json=application(name))
    assert answer.status_code == 400
    assert "name" in answer.json()["message"]


def test_a_search_finds_the_best_match_first(api: TestClient):
    for name in ("shop", "workshop", "bank"):
        api.post("/v2/applications", json=application(name))
    assert [found["name"] for found in api.get("/v2/applications", params={"name": "shop"}).json()] == [
        "SHOP",
        "WORKSHOP",
    ]


def test_deleting_an_application_deletes_its_pipelines(api: TestClient):
    api.post("/v2/applications", json=application())
    saved(api, pipeline())
    api.delete("/v2/applications/shop")
    assert api.get("/pipelines/shop").json() == []


def test_a_pipeline_gets_an_id_and_keeps_it(api: TestClient):
    first = saved(api, pipeline(" deploy "))
    assert (first["name"], first["triggers"], first["schema"]) == ("deploy", [], "1")
    again = saved(api, first | {"description": "newer"})
    assert again["id"] == first["id"]
    assert api.get(f"/pipelines/{first['id']}/get").json()["description"] == "newer"
    assert api.get("/pipelines/SHOP/name/Deploy").json()["id"] == first["id"]
    assert [version.get("description") for version in api.get(f"/pipelines/{first['id']}/history").json()] == [
        "newer",
        None,
    ]


def test_a_name_is_taken_within_its_application_only(api: TestClient):
    saved(api, pipeline())
    answer = api.post("/pipelines", json=pipeline("DEPLOY"))
    assert answer.status_code == 400
    assert answer.json()["message"] == "A pipeline with name DEPLOY already exists in application shop"
    saved(api, pipeline() | {"application": "bank"})


def test_a_stale_save_is_refused_and_loses_nothing(api: TestClient):
    first = saved(api, pipeline())
    saved(api, first | {"description": "theirs"})
    answer = api.post("/pipelines", params={"staleCheck": "true"}, json=first | {"description": "mine"})
    assert answer.status_code in (400, 409)
    assert "stale" in answer.json()["message"]
    assert api.get(f"/pipelines/{first['id']}/get").json()["description"] == "theirs"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"application": "shop"}, 422),
        ({"name": "deploy"}, 422),
        (pipeline(7), 400),
        (pipeline(triggers="none"), 400),
        (pipeline(triggers=["cron"]), 400),
        (pipeline(stages={"type": "wait"}), 400),
        ([], 400),
        ("text", 400),
    ],
)
def test_a_malformed_pipeline_is_refused(api: TestClient, body: Any, status: int):
    answer = api.post("/pipelines", json=body)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert api.get("/pipelines").json() == []


@pytest.mark.parametrize("body", [b"{", b'{"name": NaN}', b"\xff", b'{"a": 1e999}', b"[" * 5000])
def test_what_is_not_json_is_a_400(api: TestClient, body: bytes):
    assert api.post("/pipelines", content=body).status_code == 400


def test_cron_triggers_get_ids(api: TestClient):
    body = saved(api, pipeline(triggers=[{"type": "cron", "cronExpression": "0 0 * * * ?"}]))
    assert body["triggers"][0]["id"]


def test_a_batch_saves_what_it_can_and_names_the_rest(api: TestClient):
    answer = api.post("/pipelines/batchUpdate", json=[pipeline("one"), pipeline("one"), pipeline("two"), {"name": "x"}])
    said = answer.json()
    assert (said["successful_pipelines"], said["failed_pipelines_count"]) == (["one", "two"], 2)
    assert all(failed["errorMsg"] for failed in said["failed_pipelines"])


def test_pipelines_are_listed_in_their_order(api: TestClient):
    ids = {name: saved(api, pipeline(name))["id"] for name in ("a", "b", "c")}
    answer = api.post(
        "/actions/pipelines/reorder", json={"application": "shop", "idsToIndices": {ids["c"]: 0, ids["b"]: 1}}
    )
    assert answer.status_code == 200
    assert [(p["name"], p["index"]) for p in api.get("/pipelines/shop").json()] == [("c", 0), ("b", 1), ("a", 2)]


def test_what_was_saved_since_a_moment_is_listed(api: TestClient):
    first, second = saved(api, pipeline("a")), saved(api, pipeline("b"))
    moment = int(second["updateTs"]) if second["updateTs"] > first["updateTs"] else int(first["updateTs"])
    found = [each["name"] for each in api.get("/pipelines", params={"updatedSince": moment}).json()]
    assert found == [each["name"] for each in (first, second) if int(each["updateTs"]) >= moment]
    assert api.get("/pipelines", params={"updatedSince": moment + 1}).json() == []
    assert api.get("/pipelines", params={"updatedSince": "soon"}).status_code == 400


def test_pipelines_triggered_by_another_are_found(api: TestClient):
    first = saved(api, pipeline("first"))
    trigger = {"type": "pipeline", "pipeline": first["id"], "status": ["successful"], "enabled": True}
    saved(api, pipeline("second", triggers=[trigger]))
    saved(api, pipeline("disabled", triggers=[trigger], disabled=True))
    assert [p["name"] for p in api.get(f"/pipelines/triggeredBy/{first['id']}/successful").json()] == ["second"]
    assert api.get(f"/pipelines/triggeredBy/{first['id']}/failed").json() == []


def test_a_pipeline_is_deleted_by_name_once(api: TestClient):
    saved(api, pipeline("to go"))
    assert api.delete("/pipelines/shop/to go").status_code == 200
    assert api.delete("/pipelines/shop/to go").status_code == 404
    saved(api, pipeline("to go"))


def test_a_save_leaves_an_event_in_the_same_transaction(api: TestClient, database: Database):
    body = saved(api, pipeline())
    with database.connect() as connection:
        rows = connection.execute(text("SELECT stream, type, key FROM outbox")).all()
    assert [tuple(row) for row in rows] == [("front50.changes", "pipeline.saved", body["id"])]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(extra=st.dictionaries(st.text(storable, min_size=1).map(lambda key: f"x-{key}"), json_values, max_size=4))
def test_unknown_fields_survive_a_round_trip(api: TestClient, extra: dict[str, Any]):
    answer = api.post("/pipelines", json=pipeline(id="fixed", **extra))
    if answer.status_code == 400:
        assert "can't be" in answer.json()["message"]
        return
    read = api.get("/pipelines/fixed/get").json()
    assert {key: read[key] for key in extra} == extra
