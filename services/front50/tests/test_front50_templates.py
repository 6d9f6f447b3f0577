"""Pipeline templates in front50, on a real Postgres: versions, digests, references."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from front50.app import create_app
from front50.settings import Front50Settings
from front50.templates.rules import digest_of, is_in_scope, uses
from kork.testing.databases import migrated

Json = dict[str, Any]
V2 = "/v2/pipelineTemplates"


@pytest.fixture
def api(postgres_url: str, redis_url: str) -> Iterator[TestClient]:
    settings = Front50Settings.model_validate(
        {"embedded": True, "database": {"url": postgres_url}, "redis": {"url": redis_url}}
    )
    with (
        migrated(settings.database, "front50"),
        TestClient(create_app(settings), headers={"X-SPINNAKER-USER": "alice"}) as client,
    ):
        yield client


def template(id: Any = "deploy", scopes: Any = ("global",), **more: Any) -> Json:
    metadata = {"name": "Deploy", "description": "deploys", "owner": "a@b.example", "scopes": list(scopes)}
    return {"schema": "v2", "id": id, "metadata": metadata, "variables": [], "pipeline": {"stages": []}, **more}


def templated(reference: str, name: str = "p", **more: Any) -> Json:
    artifact = {"type": "front50/pipelineTemplate", "reference": reference}
    return {
        "schema": "v2",
        "type": "templatedPipeline",
        "application": "shop",
        "name": name,
        "template": artifact,
        **more,
    }


def created(api: TestClient, body: Json, **params: str) -> Json:
    answer = api.post(V2, json=body, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys(api: TestClient) -> list[tuple[Any, bool]]:
    return [(each.get("tag"), "digest" in each) for each in api.get(V2).json()]


def test_a_save_writes_the_version_the_latest_and_the_digest(api: TestClient):
    saved = created(api, template())
    assert (saved["id"], saved["lastModifiedBy"]) == ("deploy", "alice")
    versions = api.get(f"{V2}/versions").json()["deploy"]
    assert [(each.get("tag"), "digest" in each) for each in versions] == [
        (None, False),
        ("latest", False),
        ("latest", True),
    ]
    digest = versions[2]["digest"]
    assert digest == digest_of(template() | {"tag": "latest"})
    for params in ({}, {"tag": "latest"}, {"digest": digest}):
        found = api.get(f"{V2}/deploy", params=params).json()
        assert {key: found[key] for key in template()} == template()
        assert not {"tag", "digest"} & found.keys()
    assert api.get(f"{V2}/Deploy:LATEST").json()["id"] == "deploy"
    assert api.get(f"{V2}/deploy@sha256:{digest}").status_code == 200


def test_a_tag_is_a_version_of_its_own_and_latest_is_the_one_saved_last(api: TestClient):
    created(api, template(protect=True), tag="stable")
    api.put(f"{V2}/deploy", json=template(protect=False), params={"tag": "canary"}).raise_for_status()
    assert api.get(f"{V2}/deploy", params={"tag": "stable"}).json()["protect"] is True
    assert api.get(f"{V2}/deploy", params={"tag": "latest"}).json()["protect"] is False
    assert api.get(f"{V2}/deploy").status_code == 404
    assert len([each for each in api.get(V2).json() if "digest" in each]) == 2


def test_the_same_content_has_one_digest(api: TestClient):
    created(api, template())
    for _ in range(2):
        api.put(f"{V2}/deploy", json=template() | {"updateTs": "7", "lastModifiedBy": "bob"}).raise_for_status()
    assert [has_digest for _, has_digest in keys(api)] == [False, False, True]


def test_a_digest_knows_no_order_no_space_and_no_bookkeeping():
    a = {"id": "x", "pipeline": {"b": 1, "a": [{"d": 1, "c": "x y"}]}}
    b = {"pipeline": {"a": [{"c": "xy", "d": 1}], "b": 1}, "id": "x", "digest": "z", "updateTs": "1"}
    assert digest_of(a) == digest_of(b)
    assert digest_of(a) != digest_of(a | {"tag": "latest"})


def test_a_number_of_any_length_is_kept(api: TestClient):
    created(api, template(pipeline={"stages": [], "n": 10**30}))
    assert api.get(f"{V2}/deploy").json()["pipeline"]["n"] == 10**30


def test_a_taken_key_is_refused(api: TestClient):
    created(api, template())
    answer = api.post(V2, json=template("DEPLOY"))
    assert (answer.status_code, answer.json()["exception"].rpartition(".")[2]) == (400, "DuplicateEntityException")
    assert "already exists" in answer.json()["message"]
    created(api, template(), tag="test")


@pytest.mark.parametrize(
    ("body", "params", "told"),
    [
        (template(), {"tag": "mine"}, "The provided tag mine is not supported"),
        (template(tag="mine"), {}, "The provided tag mine is not supported"),
        (template(""), {}, "The 'id' of a pipeline template"),
        (template(None), {}, "The 'id' of a pipeline template"),
        (template("a.b"), {}, "The 'id' of a pipeline template"),
        (template("a:b"), {}, "The 'id' of a pipeline template"),
        (template(scopes=[]), {}, "at least one scope"),
        (template() | {"metadata": []}, {}, "at least one scope"),
        (template(schema="v3"), {}, "must be 'v2', not 'v3'"),
        (template(schema="1"), {}, "schema '1' are not supported. Write it as a v2 template"),
        (template() | {"schema": None}, {}, "must be 'v2', not null"),
        (template(variables={}), {}, "'variables' of a pipeline template must be an array"),
        (template(pipeline=[]), {}, "'pipeline' of a pipeline template must be an object"),
    ],
)
def test_what_is_no_template_is_refused(api: TestClient, body: Json, params: Json, told: str):
    answer = api.post(V2, json=body, params=params)
    assert answer.status_code == 400
    assert told in answer.json()["message"]
    assert api.get(V2).json() == []


def test_an_update_is_of_the_template_in_its_path(api: TestClient):
    answer = api.put(f"{V2}/other", json=template())
    assert (answer.status_code, "doesn't match" in answer.json()["message"]) == (400, True)


def test_tag_and_digest_name_one_version_each(api: TestClient):
    for call in (api.get, api.delete):
        answer = call(f"{V2}/deploy", params={"tag": "test", "digest": "0"})
        assert (answer.status_code, "simultaneously" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("stored", "asked", "found"),
    [
        (["global"], [], True),
        (["Shop"], ["shop"], True),
        (["shop"], ["shopping"], False),
        (["shop.*"], ["shopping", "x"], True),
        (["sh("], ["sh("], True),
        (["sh("], ["shx"], False),
        (["a", "b"], ["b"], True),
    ],
)
def test_scopes_are_names_or_patterns(stored: list[str], asked: list[str], found: bool):
    assert is_in_scope(template(scopes=stored), asked) is found


def test_templates_are_listed_by_scope(api: TestClient):
    created(api, template("a", ["shop"]))
    created(api, template("b", ["global"]))
    assert set(api.get(f"{V2}/versions", params={"scopes": ["shop", "x"]}).json()) == {"a"}
    assert {each["id"] for each in api.get(V2, params={"scopes": "shop,global"}).json()} == {"a", "b"}


@pytest.mark.parametrize(
    ("reference", "key", "used"),
    [
        ("foo", "foo", True),
        ("foo:stable", "foo", True),
        ("foo@sha256:1", "FOO", True),
        ("foobar", "foo", False),
        ("foo", "foo:stable", False),
        ("foo:stable", "foo:stable", True),
        ("foo:latest", "foo:stable", False),
    ],
)
def test_a_reference_uses_a_version_and_its_template(reference: str, key: str, used: bool):
    assert uses(reference, key) is used


def test_a_template_that_is_used_stays_and_who_uses_it_is_listed(api: TestClient):
    created(api, template(), tag="stable")
    created(api, template())
    created(api, template("deployment"))
    saved = api.post("/pipelines", json=templated("spinnaker://deploy:stable")).json()
    assert [each["id"] for each in api.get(f"{V2}/deploy/dependentPipelines").json()] == [saved["id"]]
    assert api.get(f"{V2}/deployment/dependentPipelines").json() == []
    for params in ({}, {"tag": "stable"}):
        answer = api.delete(f"{V2}/deploy", params=params)
        assert answer.status_code == 400
        assert answer.json()["message"] == f"The following pipeline configs depend on this template: {saved['id']}"
    assert api.delete(f"{V2}/deploy", params={"tag": "latest"}).status_code == 200
    assert api.delete(f"{V2}/deployment").status_code == 200
    assert api.delete(f"{V2}/deployment").status_code == 404
    api.delete(f"/pipelines/{saved['id']}").raise_for_status()
    assert api.delete(f"{V2}/deploy").status_code == 200
    created(api, template())


def test_a_pipeline_is_saved_with_a_template_that_is_there(api: TestClient):
    answer = api.post("/pipelines", json=templated("spinnaker://deploy"))
    assert answer.status_code == 400
    assert "spinnaker://deploy', which is not there" in answer.json()["message"]
    created(api, template())
    for n, reference in enumerate(("spinnaker://deploy", "spinnaker://deploy:latest", "spinnaker://${ trigger.x }")):
        assert api.post("/pipelines", json=templated(reference, f"p{n}")).status_code == 200
    elsewhere = api.post("/pipelines", json=templated("https://example.com/t.json", "other"))
    assert elsewhere.status_code == 200


def test_a_pipeline_of_the_first_kind_of_template_is_refused_with_what_to_do(api: TestClient):
    config = {"schema": "1", "pipeline": {"template": {"source": "spinnaker://x"}}}
    body = {"application": "shop", "name": "old", "type": "templatedPipeline", "config": config}
    answer = api.post("/pipelines", json=body)
    assert answer.status_code == 400
    assert "Write it as a v2 template" in answer.json()["message"]
    assert api.get("/pipelineTemplates").json() == []
    assert api.get("/pipelineTemplates/x/dependentPipelines").json() == []
    assert api.get("/pipelineTemplates/x").status_code == 404
    for call, path in ((api.post, "/pipelineTemplates"), (api.put, "/pipelineTemplates/x")):
        assert "Write it as a v2 template" in call(path, json={"schema": "1", "id": "x"}).json()["message"]
