"""What people do to executions through the API, and what bad input gets."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orca.testing.running import Orca

Wait = Callable[..., dict[str, Any]]


def stage_of(execution: dict[str, Any], ref: str) -> dict[str, Any]:
    return next(stage for stage in execution["stages"] if stage["refId"] == ref)


def statuses(execution: dict[str, Any]) -> dict[str, str]:
    return {stage["refId"]: stage["status"] for stage in execution["stages"]}


def is_waiting(execution: dict[str, Any]) -> bool:
    return any(task["status"] == "RUNNING" for stage in execution["stages"] for task in stage["tasks"])


def put(orca: Orca, path: str, status: int = 202, **options: Any) -> httpx2.Response:
    answer = orca.client.put(path, **options)
    assert answer.status_code == status, answer.text
    return answer


def test_a_paused_execution_stands_still_until_it_is_resumed(orca: Orca, wait: Wait):
    id = orca.start(wait("1", seconds=300), wait("2", after=["1"]))
    orca.wait(id, is_waiting)
    put(orca, f"/pipelines/{id}/pause")
    paused = orca.wait(id, lambda seen: stage_of(seen, "1")["status"] == "PAUSED")
    assert (paused["status"], paused["paused"]["pausedBy"], paused["paused"]["paused"]) == ("PAUSED", "alice", True)
    assert stage_of(paused, "1")["tasks"][0]["status"] == "PAUSED"
    put(orca, f"/pipelines/{id}/pause", 400)
    put(orca, f"/pipelines/{id}/resume")
    resumed = orca.wait(id, lambda seen: stage_of(seen, "1")["status"] == "RUNNING")
    assert (resumed["paused"]["resumedBy"], resumed["paused"]["paused"]) == ("alice", False)
    put(orca, f"/pipelines/{id}/resume", 400)
    stage = stage_of(resumed, "1")["id"]
    orca.client.patch(f"/pipelines/{id}/stages/{stage}", json={"skipRemainingWait": True})
    assert orca.wait_end(id)["status"] == "SUCCEEDED"


def test_a_paused_execution_can_be_cancelled(orca: Orca, wait: Wait):
    id = orca.start(wait("1", seconds=300))
    orca.wait(id, is_waiting)
    put(orca, f"/pipelines/{id}/pause")
    orca.wait(id, lambda seen: stage_of(seen, "1")["status"] == "PAUSED")
    put(orca, f"/pipelines/{id}/cancel", params={"reason": "enough"})
    ended = orca.wait_end(id)
    assert (ended["status"], ended["canceledBy"], ended["cancellationReason"]) == ("CANCELED", "alice", "enough")
    assert statuses(ended) == {"1": "CANCELED"}


def test_cancelling_what_has_ended_changes_nothing(orca: Orca, wait: Wait):
    id = orca.start(wait("1"))
    before = orca.wait_end(id)
    put(orca, f"/pipelines/{id}/cancel")
    assert orca.execution(id) == before


def test_a_judgment_can_be_restarted_with_all_that_came_after_it(orca: Orca, wait: Wait):
    judgment = {"refId": "1", "requisiteStageRefIds": [], "type": "manualJudgment", "name": "go?"}
    id = orca.start(judgment, wait("2", after=["1"]))
    stage = stage_of(orca.wait(id, is_waiting), "1")["id"]
    put(orca, f"/pipelines/{id}/stages/{stage}/restart", 400)
    orca.client.patch(f"/pipelines/{id}/stages/{stage}", json={"judgmentStatus": "stop"})
    assert statuses(orca.wait_end(id)) == {"1": "TERMINAL", "2": "NOT_STARTED"}
    put(orca, f"/pipelines/{id}/stages/{stage}/restart", 200)
    again = orca.wait(id, lambda seen: seen["status"] == "RUNNING" and is_waiting(seen))
    context = stage_of(again, "1")["context"]
    assert context["restartDetails"]["restartedBy"] == "alice"
    assert "judgmentStatus" not in context
    orca.client.patch(f"/pipelines/{id}/stages/{stage}", json={"judgmentStatus": "continue"})
    assert statuses(orca.wait_end(id)) == {"1": "SUCCEEDED", "2": "SUCCEEDED"}
    put(orca, f"/pipelines/{id}/stages/{stage}/restart", 200)
    third = orca.wait(id, lambda seen: seen["status"] == "RUNNING" and is_waiting(seen))
    assert statuses(third) == {"1": "RUNNING", "2": "NOT_STARTED"}
    put(orca, f"/pipelines/{id}/cancel")
    orca.wait_end(id)


def test_restarting_replaces_preconditions_by_those_of_the_present_pipeline(orca: Orca):
    def checked(expression: str) -> dict[str, Any]:
        condition = {"type": "expression", "context": {"expression": expression}, "failPipeline": True}
        return {"refId": "1", "requisiteStageRefIds": [], "type": "checkPreconditions", "preconditions": [condition]}

    id = orca.start(checked("false"), spelEvaluator="v4")
    failed = orca.wait_end(id)
    assert statuses(failed) == {"1<1": "TERMINAL", "1": "TERMINAL"}
    put(
        orca, f"/pipelines/{id}/stages/{stage_of(failed, '1<1')['id']}/restart", 200, json={"stages": [checked("true")]}
    )
    ended = orca.wait(id, lambda seen: seen["status"] == "SUCCEEDED")
    assert statuses(ended) == {"1<1": "SUCCEEDED", "1": "SUCCEEDED"}


def test_only_what_has_ended_can_be_deleted(orca: Orca, wait: Wait):
    id = orca.start(wait("1", seconds=300))
    assert orca.client.delete(f"/pipelines/{id}").status_code == 409
    put(orca, f"/pipelines/{id}/cancel")
    orca.wait_end(id)
    assert orca.client.delete(f"/pipelines/{id}").status_code == 200
    orca.get(f"/pipelines/{id}", 404)


def test_an_execution_can_be_forced_to_end(orca: Orca, wait: Wait):
    id = orca.start(wait("1", seconds=300))
    orca.wait(id, is_waiting)
    put(orca, "/admin/forceCancelExecution", 200, params={"executionId": id, "executionType": "PIPELINE"})
    ended = orca.execution(id)
    assert (ended["status"], statuses(ended)) == ("CANCELED", {"1": "CANCELED"})


def test_an_execution_id_starts_once(orca: Orca, wait: Wait):
    body = {"application": "shop", "name": "once", "executionId": "01HZZZZZZZZZZZZZZZZZZZZZZZ", "stages": [wait("1")]}
    refs = {orca.post("/orchestrate", body)["ref"] for _ in range(3)}
    assert refs == {"/pipelines/01HZZZZZZZZZZZZZZZZZZZZZZZ"}
    first = orca.wait_end("01HZZZZZZZZZZZZZZZZZZZZZZZ")
    orca.post("/orchestrate", body)
    assert orca.execution("01HZZZZZZZZZZZZZZZZZZZZZZZ") == first


def test_a_correlation_id_starts_another_execution_only_when_the_first_has_ended(orca: Orca, wait: Wait):
    trigger = {"type": "manual", "correlationId": "build-7"}
    first = orca.start(wait("1", seconds=300), trigger=trigger)
    assert orca.start(wait("1"), trigger=trigger) == first
    assert orca.get("/executions/correlated/build-7") == [first]
    put(orca, f"/pipelines/{first}/cancel")
    orca.wait_end(first)
    assert orca.start(wait("1"), trigger=trigger) != first


def test_a_parent_execution_is_kept_once_and_shown_in_full(orca: Orca, wait: Wait):
    parent = orca.start(wait("1"), name="parent")
    orca.wait_end(parent)
    trigger = {"type": "pipeline", "parentExecution": orca.execution(parent), "parentPipelineStageId": None}
    variable = {"key": "from", "value": "${trigger.parentExecution.name}"}
    child = orca.start(
        {"refId": "1", "requisiteStageRefIds": [], "type": "evaluateVariables", "variables": [variable]},
        trigger=trigger,
        spelEvaluator="v4",
    )
    ended = orca.wait_end(child)
    assert stage_of(ended, "1")["outputs"] == {"from": "parent"}
    assert ended["trigger"]["parentExecution"] == orca.execution(parent)
    assert "parentExecutionId" not in ended["trigger"]


def test_jobs_run_one_after_the_other_and_are_shown_as_a_task(orca: Orca):
    jobs = [{"type": "wait", "waitTime": 0, "user": "alice"}, {"type": "wait", "name": "later", "waitTime": 0}]
    ref = orca.post("/ops", {"application": "shop", "description": "Two waits", "job": jobs})["ref"]
    assert ref.startswith("/tasks/")
    deadline = orca.get(ref)
    orca.wait_task(ref)
    task = orca.get(ref)
    assert (task["name"], task["application"], task["status"]) == ("Two waits", "shop", "SUCCEEDED")
    assert [step["name"] for step in task["steps"]] == ["wait", "wait"]
    assert {"key": "waitTime", "value": 0} in task["variables"]
    assert task["execution"]["type"] == "ORCHESTRATION"
    assert deadline["id"] == task["id"]
    assert task["id"] in [each["id"] for each in orca.get("/applications/shop/tasks")]
    assert orca.client.delete(ref).status_code == 200
    orca.get(ref, 404)


def test_jobs_may_come_as_a_bare_list_and_be_cancelled_together(orca: Orca):
    refs = [orca.post("/ops", [{"type": "wait", "waitTime": 300}])["ref"] for _ in range(2)]
    put(orca, "/tasks/cancel", json=[ref.rsplit("/", 1)[-1] for ref in refs] + ["unknown"])
    for ref in refs:
        orca.wait_task(ref)
        assert orca.get(ref)["status"] == "CANCELED"


def test_lists_show_the_latest_of_each_pipeline(orca: Orca, wait: Wait):
    started: list[str] = []
    for n in range(6):
        started.append(orca.start(wait("1"), id=f"list-{n % 2}", application="lists", name=f"p{n % 2}"))
        orca.wait_end(started[-1])
    shown = orca.get("/v2/applications/lists/pipelines", limit=2)
    assert [each["id"] for each in shown] == started[2:]
    assert shown == orca.get("/applications/lists/pipelines", limit=2)
    folded = orca.get("/v2/applications/lists/pipelines", limit=1, expand=False)
    assert [(each["stages"][0]["context"], each["stages"][0]["tasks"]) for each in folded] == [({}, []), ({}, [])]
    named = orca.get("/v2/applications/lists/pipelines", pipelineNameFilter="P1")
    assert {each["name"] for each in named} == {"p1"}
    latest = orca.get("/pipelines", pipelineConfigIds="list-0,list-1", limit=1)
    assert [each["id"] for each in latest] == [started[4], started[5]]
    assert [each["id"] for each in orca.get("/pipelines", executionIds=f"{started[0]},nowhere")] == [started[0]]
    orca.get("/pipelines", 400, pipelineConfigIds="a", executionIds="b")
    orca.get("/v2/applications/lists/pipelines", 400, statuses="HAPPY")
    assert orca.get("/v2/applications/lists/pipelines", statuses="TERMINAL") == []


def test_executions_are_found_by_what_their_trigger_says(orca: Orca, wait: Wait):
    import base64

    for n in range(3):
        trigger = {"type": "webhook", "eventId": f"e{n}", "payload": {"branch": f"b{n}", "tags": ["x", f"t{n}"]}}
        orca.wait_end(orca.start(wait("1"), application="found", name="f", trigger=trigger))

    def search(**params: Any) -> list[str]:
        found = orca.get("/applications/found/pipelines/search", **params)
        return [each["trigger"]["eventId"] for each in found]

    def encoded(pattern: Any) -> str:
        return base64.b64encode(json.dumps(pattern).encode()).decode()

    assert search() == ["e2", "e1", "e0"]
    assert search(reverse=True, size=2, startIndex=1) == ["e1", "e2"]
    assert search(eventId="e1") == ["e1"]
    assert search(triggerTypes="manual") == []
    assert search(trigger=encoded({"payload": {"branch": "B1"}})) == ["e1"]
    assert search(trigger=encoded({"payload": {"tags": ["t[02]"]}})) == ["e2", "e0"]
    orca.get("/applications/found/pipelines/search", 400, trigger="%%%")


def test_expressions_can_be_tried_on_an_execution(orca: Orca, wait: Wait):
    published = {"refId": "1", "requisiteStageRefIds": [], "type": "evaluateVariables", "name": "v"}
    published["variables"] = [{"key": "n", "value": "${ 20 + 1 }"}]
    id = orca.start(published, wait("2", after=["1"]), spelEvaluator="v4")
    last = stage_of(orca.wait_end(id), "2")["id"]
    assert orca.get(f"/pipelines/{id}/evaluateExpression", expression="${n * 2}") == {"result": 42, "detail": {}}
    assert orca.get(f"/pipelines/{id}/{last}/evaluateExpression", expression="n")["result"] == 21
    failed = orca.get(f"/pipelines/{id}/evaluateExpression", expression="${ 1 + }")
    assert failed["result"] == "${ 1 + }"
    assert failed["detail"]
    variables = [{"key": "a", "value": "${n}"}, {"key": "b", "value": "${a + 1}"}]
    tried = orca.post(f"/pipelines/{id}/evaluateVariables", variables)
    assert tried["result"] == [{"key": "a", "value": 21}, {"key": "b", "value": 22}]


def test_a_plan_shows_what_would_be_started(orca: Orca):
    body = {"application": "shop", "name": "n", "stages": [{"type": "wait", "waitTime": "${ 2 * 3 }"}]}
    planned = orca.post("/plan", body)
    assert planned["stages"] == [{"type": "wait", "waitTime": 6, "refId": "0", "requisiteStageRefIds": []}]
    assert orca.post("/orchestrate", body | {"plan": True})["stages"] == planned["stages"]


def test_what_cannot_start_leaves_a_failed_execution(orca: Orca, wait: Wait):
    body = {"application": "shop", "name": "off", "id": "off", "disabled": True, "stages": [wait("1")]}
    assert "is disabled" in orca.post("/orchestrate", body, 400)["message"]
    expected = [{"id": "a", "matchArtifact": {"type": "docker/image", "name": "x"}}]
    trigger = {"type": "manual", "expectedArtifactIds": ["a"]}
    needy = {"application": "shop", "name": "n", "id": "needy", "stages": [], "expectedArtifacts": expected}
    orca.post("/orchestrate", needy | {"trigger": trigger}, 400)
    orca.client.post("/fail", json=body | {"id": "failed", "errorMessage": "no such branch"})
    for config, reason in (("off", "is disabled"), ("needy", "could not be resolved"), ("failed", "no such branch")):
        [failed] = orca.get("/pipelines", pipelineConfigIds=config)
        assert (failed["status"], failed["canceled"], failed["canceledBy"]) == ("TERMINAL", True, "system")
        assert failed["cancellationReason"].startswith("Failed on startup: ")
        assert reason in failed["cancellationReason"]


W = {"type": "wait", "name": "w"}
REFUSED: list[tuple[Any, str]] = [
    ({"stages": "none"}, "'stages' from pipeline 'x' in application 'shop' must be a JSON array, not a string"),
    ({"stages": {"a": 1}}, "must be a JSON array, not an object"),
    ({"stages": [1]}, "stages[0] from pipeline 'x'"),
    ({"stages": [{"name": "a"}]}, "type missing from pipeline 'x' in application 'shop', stage name: 'a'"),
    ({"stages": [W | {"type": 5}]}, "type must be text, not a number"),
    ({"stages": [W | {"name": {}}]}, "name must be text, not an object"),
    ({"stages": [W | {"refId": "1"}, W]}, "refId missing"),
    ({"stages": [W | {"refId": "1"}, W | {"refId": "1"}]}, "refId '1' is borne by 2 stages ('w', 'w')"),
    ({"stages": [W | {"refId": "1", "requisiteStageRefIds": ["9"]}]}, "names '9', which is the refId of no stage"),
    ({"stages": [W | {"refId": "1", "requisiteStageRefIds": "9"}]}, "must be an array of texts, not a string"),
    ({"stages": [W | {"refId": "1", "requisiteStageRefIds": [{}]}]}, "requisiteStageRefIds[0] must be text"),
    ({"stages": [W | {"refId": "1", "requisiteStageRefIds": ["1"]}]}, "1 → 1 is a cycle"),
    (
        {
            "stages": [
                W | {"refId": "1", "requisiteStageRefIds": ["2"]},
                W | {"refId": "2", "requisiteStageRefIds": ["1"]},
            ]
        },
        "Invalid stage relationships found",
    ),
    ({"stages": [W | {"stageEnabled": 5}]}, "stageEnabled must be an object, not a number"),
    ({"application": 5}, "'application' must be text"),
    ({"name": []}, "'name' must be text"),
    ({"executionId": 5}, "'executionId' must be a text"),
    ({"executionId": "a b"}, "'executionId' must be a text"),
    ({"trigger": {"parameters": "p"}}, "'trigger.parameters' must be a JSON object"),
    ({"trigger": {"artifacts": {}}}, "'trigger.artifacts' must be a JSON array"),
    ({"trigger": {"user": 5}}, "'trigger.user' must be text"),
    ({"parameterConfig": {}}, "'parameterConfig' must be a JSON array"),
    ({"parameterConfig": [5]}, "parameterConfig[0] must be a JSON object"),
    ({"parameterConfig": [{}]}, "parameterConfig[0].name must be text"),
    ({"notifications": [5]}, "notifications[0] must be a JSON object"),
    ({"maxConcurrentExecutions": []}, "'maxConcurrentExecutions' must be a whole number"),
    ({"name": "a\0b"}, "has a NUL character"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_pipeline_that_cannot_run_is_refused_with_the_place_and_the_reason(orca: Orca, change: Any, message: str):
    body = {"application": "shop", "name": "x", "stages": [W], "trigger": {}} | change
    refused = orca.post("/orchestrate", body, 400)
    assert message in refused["message"]
    assert refused["error"] == "Bad Request"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'"x"', b"null", b'{"a": \xff}', b"[" * 5000])
@pytest.mark.parametrize("path", ["/orchestrate", "/plan", "/ops", "/fail"])
def test_a_body_that_is_no_pipeline_is_refused(orca: Orca, path: str, content: bytes):
    answer = orca.client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    if not (path == "/ops" and content == b"[]"):
        assert answer.status_code == 400
        assert answer.json()["message"]


@pytest.mark.parametrize("unknown", ["nowhere", "01HZZZZZZZZZZZZZZZZZZZZZZX", "a%20b", "%00", "ä"])
def test_what_does_not_exist_is_not_found(orca: Orca, unknown: str):
    for method, path in (
        ("GET", f"/pipelines/{unknown}"),
        ("DELETE", f"/pipelines/{unknown}"),
        ("PUT", f"/pipelines/{unknown}/cancel"),
        ("PUT", f"/pipelines/{unknown}/pause"),
        ("PUT", f"/pipelines/{unknown}/stages/x/restart"),
        ("GET", f"/tasks/{unknown}"),
        ("PUT", f"/tasks/{unknown}/cancel"),
    ):
        answer = orca.client.request(method, path)
        assert answer.status_code in (400, 404), answer.text
        assert answer.json()["message"]


def test_a_stage_that_cannot_be_skipped_by_hand_is_not(orca: Orca, wait: Wait):
    id = orca.start(wait("1", seconds=300))
    stage = stage_of(orca.wait(id, is_waiting), "1")["id"]
    answer = orca.client.patch(f"/pipelines/{id}/stages/{stage}", json={"manualSkip": True})
    assert answer.status_code == 405
    assert orca.client.patch(f"/pipelines/{id}/stages/nowhere", json={}).status_code == 404
    put(orca, f"/pipelines/{id}/cancel")
    orca.wait_end(id)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
STAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["wait", "manualJudgment", "evaluateVariables", "checkPreconditions", "noop", "x"])},
    optional=dict.fromkeys(
        ("waitTime", "name", "refId", "variables", "preconditions", "stageEnabled", "failPipeline", "alias"), JSON
    ),
)
BODY = st.fixed_dictionaries(
    {"application": st.text(max_size=8) | JSON, "stages": st.lists(STAGE | JSON, max_size=3)},
    optional=dict.fromkeys(("name", "trigger", "id", "parameterConfig", "notifications", "limitConcurrent"), JSON),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=BODY)
def test_no_pipeline_makes_the_api_fail_or_an_execution_hang(orca: Orca, body: Any):
    answer = orca.client.post("/orchestrate", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        id = answer.json()["ref"].rsplit("/", 1)[-1]
        seen = orca.wait(id, lambda seen: seen["status"] not in ("NOT_STARTED",))
        orca.wait(id, lambda seen: seen["status"] != "RUNNING" or is_waiting(seen))
        assert seen["id"] == id
        orca.client.put(f"/pipelines/{id}/cancel")
        orca.wait_end(id)


def test_what_orca_can_do_is_listed(orca: Orca):
    functions = {each["name"]: each for each in orca.get("/capabilities/expressions")["functions"]}
    assert {"toJson", "readJson", "currentStage", "judgment"} <= functions.keys()
    assert [each["name"] for each in functions["stage"]["parameters"]] == ["execution", "nameOrId"]
    assert orca.get("/webhooks/preconfigured") == []
    assert orca.get("/jobs/preconfigured") == []
