"""Gate in front of the real services: what Deck, `spin` and CI systems do, over HTTP."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from gennaker.platform import Platform, Ports

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_numbers = count()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("gate") / "home"
    with Platform(home, ports=Ports.free(), postgres_settings=FAST) as running:
        yield running


@pytest.fixture(scope="module")
def gate(platform: Platform) -> Iterator[httpx.Client]:
    headers = {"X-SPINNAKER-USER": "ann"}
    with httpx.Client(base_url=platform.gate_url, headers=headers, timeout=60) as client:
        yield client


class Door:
    """Gate, as `spin` and Deck use it, for one application."""

    def __init__(self, client: httpx.Client) -> None:
        self.http = client
        self.application = f"shop{next(_numbers)}"

    def task(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run a task as `spin` does: POST, take the id out of the ref, poll until it has ended."""
        body = {"application": self.application, "description": job["type"], "job": [job]}
        started = self.http.post("/tasks", json=body)
        assert started.status_code == 200, started.text
        prefix, kind, id = started.json()["ref"].split("/")
        assert (prefix, kind) == ("", "tasks")
        return self.ended(f"/tasks/{id}")

    def ended(self, path: str) -> dict[str, Any]:
        return self.until(path, {"SUCCEEDED", "TERMINAL", "CANCELED", "STOPPED", "SKIPPED"})

    def until(self, path: str, statuses: set[str]) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            answer = self.http.get(path)
            if answer.status_code == 200 and answer.json()["status"] in statuses:
                return answer.json()
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)

    def create(self, **more: Any) -> None:
        fields = {"name": self.application, "email": "a@b.example", "cloudProviders": "kubernetes", **more}
        done = self.task({"type": "createApplication", "application": fields, "user": "ann"})
        assert done["status"] == "SUCCEEDED", done

    def save(self, name: str = "deploy", stages: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        body = {"application": self.application, "name": name, "stages": stages or [], **more}
        answer = self.http.post("/pipelines", json=body)
        assert (answer.status_code, answer.content) == (200, b""), answer.text
        return self.config(name)

    def config(self, name: str) -> dict[str, Any]:
        answer = self.http.get(f"/applications/{self.application}/pipelineConfigs/{quoted(name)}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, name: str = "deploy", **trigger: Any) -> str:
        answer = self.http.post(f"/pipelines/{self.application}/{quoted(name)}", json=trigger)
        assert answer.status_code == 202, answer.text
        assert list(answer.json()) == ["ref"]
        assert self.http.get(answer.json()["ref"]).status_code == 200
        return answer.json()["ref"]

    def stage(self, ref: str, ref_id: str = "1") -> dict[str, Any]:
        return next(stage for stage in self.http.get(ref).json()["stages"] if stage["refId"] == ref_id)


def quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def wait(seconds: int = 0, ref_id: str = "1", after: str = "") -> dict[str, Any]:
    return {
        "type": "wait",
        "refId": ref_id,
        "name": f"Wait {ref_id}",
        "requisiteStageRefIds": [after] if after else [],
        "waitTime": seconds,
    }


@pytest.fixture
def door(gate: httpx.Client) -> Door:
    opened = Door(gate)
    opened.create()
    return opened


def test_everything_is_up(gate: httpx.Client):
    components = gate.get("/health").json()["components"]
    assert {name: part["status"] for name, part in components.items()} == dict.fromkeys(
        ("front50", "orca", "clouddriver", "echo", "redis"), "UP"
    )


def test_spin_saves_reads_and_deletes_an_application(gate: httpx.Client):
    door = Door(gate)
    assert gate.get("/version").json()["version"]
    assert gate.get(f"/applications/{door.application}").status_code == 404
    door.create(instancePort=8080)
    door.create(description="again, as spin does for an update")
    listed = {app["name"]: app for app in gate.get("/applications").json()}
    assert listed[door.application]["email"] == "a@b.example"
    for path in (f"/applications/{door.application}", f"/applications/{door.application.upper()}?expand=false"):
        answer = gate.get(path).json()
        assert (answer["name"], answer["clusters"]) == (door.application, {})
        attributes = answer["attributes"]
        assert (attributes["name"], attributes["cloudProviders"]) == (door.application, "kubernetes")
        assert attributes["description"] == "again, as spin does for an update"
        assert attributes["lastModifiedBy"] == "ann"
    assert gate.get("/applications", params={"owner": "nobody@b.example"}).json() == []
    assert len(gate.get(f"/applications/{door.application}/history").json()) >= 2
    done = door.task({"type": "deleteApplication", "application": {"name": door.application}, "user": "ann"})
    assert done["status"] == "SUCCEEDED", done
    gone = gate.get(f"/applications/{door.application}")
    assert (gone.status_code, gone.json()["message"]) == (404, f"Application not found (id: {door.application})")


def test_spin_saves_lists_updates_and_deletes_a_pipeline(door: Door):
    configs = f"/applications/{door.application}/pipelineConfigs"
    assert door.http.get(f"{configs}/deploy").status_code == 404
    saved = door.save(stages=[wait()], unknownField={"kept": [1, None, "ü"]}, triggers=[])
    assert (saved["unknownField"], saved["lastModifiedBy"]) == ({"kept": [1, None, "ü"]}, "ann")
    assert [config["name"] for config in door.http.get(configs).json()] == ["deploy"]
    assert door.http.get(f"{configs}/{saved['id']}").json()["name"] == "deploy"
    assert door.http.post("/pipelines", json=saved | {"disabled": True}).status_code == 200
    assert door.config("deploy")["disabled"] is True
    assert door.config("deploy")["id"] == saved["id"]
    assert len(door.http.get(f"/pipelineConfigs/{saved['id']}/history").json()) == 2
    for _ in range(2):
        deleted = door.http.delete(f"/pipelines/{door.application}/DEPLOY")
        assert (deleted.status_code, deleted.content) == (200, b"")
    assert door.http.get(configs).json() == []


def test_a_save_of_something_stale_or_taken_says_so(door: Door):
    saved = door.save()
    door.save(id=saved["id"], description="someone else was faster")
    stale = door.http.post("/pipelines", params={"staleCheck": "true"}, json=saved)
    assert (stale.status_code, "is stale" in stale.json()["message"]) == (400, True)
    taken = door.http.post("/pipelines", json={"application": door.application, "name": "Deploy"})
    assert (taken.status_code, "already exists" in taken.json()["message"]) == (400, True)


def test_deck_renames_and_reorders_pipelines(door: Door):
    first, second = door.save("first"), door.save("second")
    renamed = door.http.put(f"/pipelines/{first['id']}", json=first | {"name": "one"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "one")
    moved = door.http.post("/pipelines/move", json={"application": door.application, "from": "one", "to": "uno"})
    assert (moved.status_code, moved.content) == (200, b"")
    places = {first["id"]: 1, second["id"]: 0}
    body = {"application": door.application, "idsToIndices": places}
    assert door.http.post("/actions/pipelines/reorder", json=body).json()["status"] == "SUCCEEDED"
    listed = door.http.get(f"/applications/{door.application}/pipelineConfigs").json()
    assert [(config["name"], config["index"]) for config in listed] == [("second", 0), ("uno", 1)]


def test_many_pipelines_are_saved_and_each_failure_is_told(door: Door):
    bodies = [{"application": door.application, "name": name} for name in ("a", "b", "")]
    answer = door.http.post("/pipelines/bulksave", params={"application": door.application}, json=bodies)
    assert answer.status_code == 200, answer.text
    assert answer.json()["successful_pipelines"] == ["a", "b"]
    assert answer.json()["failed_pipelines_count"] == 1


@pytest.mark.parametrize("name", ["to production", "größer 🚀", "v1.2.3-rc.1", "a/b", "100%", "what?#;", "execute"])
def test_odd_names_of_pipelines_work_everywhere(door: Door, name: str):
    saved = door.save(name, stages=[wait()])
    assert saved["name"] == name
    door.ended(door.start(name))
    assert door.http.delete(f"/pipelines/{door.application}/{quoted(name)}").status_code == 200
    assert door.http.get(f"/applications/{door.application}/pipelineConfigs").json() == []


def test_spin_executes_a_pipeline_and_reads_its_execution(door: Door):
    config = door.save(
        stages=[wait()], parameterConfig=[{"name": "tag", "required": True}, {"name": "zone", "default": "eu"}]
    )
    wrapped = {"type": "manual", "parameters": {"tag": "1.2"}, "artifacts": []}
    ref = door.start(trigger=wrapped)
    execution = door.ended(ref)
    assert execution["status"] == "SUCCEEDED"
    assert execution["trigger"]["parameters"] == {"tag": "1.2", "zone": "eu"}
    assert execution["trigger"]["type"] == "manual"
    assert execution["trigger"]["resolvedExpectedArtifacts"] == []
    assert execution["authentication"]["user"] == "ann"
    id = ref.rpartition("/")[2]
    by_id = door.http.get("/executions", params={"executionIds": id, "limit": 1}).json()
    by_config = door.http.get("/executions", params={"pipelineConfigIds": config["id"], "statuses": "SUCCEEDED"}).json()
    assert [one["id"] for one in by_id] == [one["id"] for one in by_config] == [id]
    repeated = [("pipelineConfigIds", config["id"]), ("statuses", "RUNNING"), ("statuses", "SUCCEEDED"), ("limit", "5")]
    assert len(door.http.get("/executions", params=repeated).json()) == 1
    [listed] = door.http.get(f"/applications/{door.application}/pipelines", params={"expand": "false"}).json()
    assert (listed["id"], listed["stages"][0]["tasks"]) == (id, [])
    found = door.http.get(f"/applications/{door.application}/executions/search", params={"pipelineName": "deploy"})
    assert [one["id"] for one in found.json()] == [id]


def test_a_start_that_can_not_be_says_which_and_why(door: Door):
    door.save(parameterConfig=[{"name": "tag", "required": True}])
    missing = door.http.post(f"/pipelines/{door.application}/deploy", json={})
    assert missing.status_code == 400
    assert missing.json()["message"] == (
        f"Unable to trigger pipeline (application: {door.application}, pipelineNameOrId: deploy). "
        "Error: Required parameter tag is missing"
    )
    unknown = door.http.post(f"/pipelines/{door.application}/nothing")
    assert unknown.status_code == 404
    assert f"Pipeline configuration not found (nameOrId: nothing in application {door.application})" in unknown.text


def test_deck_starts_a_pipeline_and_gets_its_id_at_once(door: Door):
    config = door.save(stages=[wait()])
    trigger = {"type": "manual", "dryRun": False, "user": "ann", "parameters": {}, "notifications": []}
    for name in ("deploy", config["id"]):
        answer = door.http.post(
            f"/pipelines/v2/{door.application}/{name}", json=trigger, headers={"X-RateLimit-App": "Deck"}
        )
        assert answer.status_code == 202
        assert set(answer.json()) == {"eventId", "ref"}
        execution = door.ended(answer.json()["ref"])
        assert execution["trigger"]["user"] == "ann"


def test_a_judgment_a_pause_and_an_early_end_of_a_wait(door: Door):
    door.save(stages=[{"type": "manualJudgment", "refId": "1", "requisiteStageRefIds": []}, wait(600, "2", "1")])
    ref = door.start()
    door.until(ref, {"RUNNING"})
    deadline = time.monotonic() + 60
    while door.stage(ref)["status"] != "RUNNING":
        assert time.monotonic() < deadline
    judged = door.http.patch(f"{ref}/stages/{door.stage(ref)['id']}", json={"judgmentStatus": "continue"})
    assert judged.status_code == 200, judged.text
    stage = next(one for one in judged.json()["stages"] if one["refId"] == "1")
    assert (stage["context"]["judgmentStatus"], stage["lastModified"]["user"]) == ("continue", "ann")
    while door.stage(ref, "2")["status"] != "RUNNING":
        assert time.monotonic() < deadline
    for change, status in (("pause", "PAUSED"), ("resume", "RUNNING")):
        answer = door.http.put(f"{ref}/{change}")
        assert (answer.status_code, answer.content) == (200, b""), answer.text
        door.until(ref, {status})
    door.http.patch(f"{ref}/stages/{door.stage(ref, '2')['id']}", json={"skipRemainingWait": True})
    assert door.ended(ref)["status"] == "SUCCEEDED"


def test_an_execution_is_cancelled_asked_restarted_and_deleted(door: Door):
    door.save(stages=[wait(600)])
    ref = door.start()
    door.until(ref, {"RUNNING"})
    id = ref.rpartition("/")[2]
    running = door.http.delete(ref)
    assert running.status_code in (400, 409)
    # spin sends the placeholder of its generated client.
    cancelled = door.http.put(f"/applications/%7Bapplication%7D/pipelines/{id}/cancel", params={"reason": ""})
    assert (cancelled.status_code, cancelled.content) == (200, b"")
    assert door.ended(ref)["canceledBy"] == "ann"
    stage_id = door.stage(ref)["id"]
    expression = {"expression": "${ execution.application }"}
    for answer in (
        door.http.get(f"{ref}/evaluateExpression", params=expression),
        door.http.get(f"{ref}/{stage_id}/evaluateExpression", params=expression),
        door.http.post(f"{ref}/evaluateExpression", json=expression),
        door.http.post(f"{ref}/evaluateExpression", content=expression["expression"]),
    ):
        assert answer.json()["result"] == door.application
    restarted = door.http.put(f"{ref}/stages/{stage_id}/restart", json={"skip": False})
    assert (restarted.status_code, restarted.json()["id"]) == (200, id), restarted.text
    door.until(ref, {"RUNNING"})
    assert door.http.put(f"{ref}/cancel", params={"reason": "enough", "force": "false"}).status_code == 200
    assert door.ended(ref)["cancellationReason"] == "enough"
    deleted = door.http.delete(ref)
    assert (deleted.status_code, deleted.content) == (200, b"")
    gone = door.http.get(ref)
    assert (gone.status_code, gone.json()["message"]) == (404, f"Pipeline not found (id: {id})")


def test_tasks_are_listed_cancelled_and_deleted(door: Door):
    tasks = f"/applications/{door.application}/tasks"
    [listed] = door.http.get(tasks, params={"statuses": ""}).json()
    assert (listed["application"], listed["status"]) == (door.application, "SUCCEEDED")
    assert {"steps", "variables", "execution"} <= listed.keys()
    job = {"type": "wait", "waitTime": 600, "user": "ann"}
    ref = door.http.post(tasks, json={"application": "other", "description": "d", "job": [job]}).json()["ref"]
    assert door.until(ref, {"RUNNING"})["application"] == door.application
    cancelled = door.http.put(f"{ref}/cancel")
    assert (cancelled.status_code, cancelled.content) == (200, b"")
    assert door.ended(ref)["status"] == "CANCELED"
    assert door.http.delete(ref).status_code == 200
    assert door.http.get(ref).status_code == 404


def test_a_webhook_that_comes_twice_starts_one_execution(door: Door):
    source = f"ci-{door.application}"
    constraint = {"result": "SUCCESS"}
    door.save(
        stages=[wait()],
        parameterConfig=[{"name": "tag"}],
        triggers=[{"type": "webhook", "enabled": True, "source": source, "payloadConstraints": constraint}],
    )
    payload = {"result": "SUCCESS", "parameters": {"tag": "7"}}
    executions = f"/applications/{door.application}/pipelines"
    for delivery in ("one", "one", "two"):
        headers = {"X-GitHub-Delivery": f"{source}-{delivery}"}
        answer = door.http.post(f"/webhooks/webhook/{source}", json=payload, headers=headers)
        assert (answer.status_code, answer.json()["eventProcessed"]) == (200, True)
        assert answer.json()["eventId"]
    deadline = time.monotonic() + 60
    while len(found := door.http.get(executions, params={"limit": 10}).json()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for one in found:
        door.ended(f"/pipelines/{one['id']}")
    assert len(door.http.get(executions, params={"limit": 10}).json()) == 2
    assert found[0]["trigger"]["payload"] == payload
    assert found[0]["trigger"]["parameters"]["tag"] == "7"


def test_what_is_set_up_here_is_told(door: Door):
    http = door.http
    assert http.get("/credentials").json() == http.get("/credentials", params={"expand": "true"}).json() == []
    assert http.get("/credentials/none").status_code == 404
    assert http.get("/manifests/none/default/deployment%20web").status_code == 404
    for path in ("clusters", "serverGroups", "serverGroupManagers", "loadBalancers"):
        assert http.get(f"/applications/{door.application}/{path}").status_code == 200
    assert http.get(f"/applications/{door.application}/serverGroups", params={"clusters": ""}).json() == []
    for path in ("/notifications/metadata", "/webhooks/preconfigured", "/jobs/preconfigured", "/artifacts/credentials"):
        assert isinstance(http.get(path).json(), list)
    assert isinstance(http.get("/securityGroups").json(), dict)
    assert http.get("/capabilities/quietPeriod").json()["enabled"] is False
    assert http.get("/auth/user").json()["username"] == "ann"


def test_a_cron_expression_is_checked(gate: httpx.Client):
    right = gate.get("/cron/validate", params={"expression": "0 0 10 ? * MON-FRI *"}).json()
    assert (right["valid"], bool(right["description"])) == (True, True)
    wrong = gate.get("/cron/validate", params={"expression": "every day"}).json()
    assert (wrong["valid"], bool(wrong["message"])) == (False, True)


def test_notifications_and_strategies_are_kept(door: Door):
    path = f"/notifications/application/{door.application}"
    document = {"application": door.application, "email": [{"type": "email", "address": "a@b.example"}]}
    saved = door.http.post(path, json=document)
    assert (saved.status_code, saved.content) == (200, b"")
    assert door.http.get(path).json()["email"][0]["address"] == "a@b.example"
    assert door.http.delete(path).status_code == 200
    strategy = {"application": door.application, "name": "slow", "strategy": True, "stages": []}
    assert door.http.post("/strategies", params={"staleCheck": "true"}, json=strategy).content == b""
    [kept] = door.http.get(f"/applications/{door.application}/strategyConfigs").json()
    assert (kept["name"], kept["strategy"]) == ("slow", True)
    assert door.http.delete(f"/strategies/{door.application}/slow").status_code == 200
    assert door.http.get(f"/applications/{door.application}/strategyConfigs/slow").status_code == 404


class Listener:
    """Reads a live stream on a thread."""

    def __init__(self, url: str, path: str, last: str = "") -> None:
        self.lines: list[str] = []
        self.ids: list[str] = []
        self.events: list[str] = []
        self._client = httpx.Client(base_url=url, timeout=30)
        headers = {"Last-Event-ID": last} if last else {}
        self._stream = self._client.stream("GET", path, headers=headers)
        self.response = self._stream.__enter__()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for line in self.response.iter_lines():
                self.lines.append(line)
                key, _, value = line.partition(": ")
                if key == "event":
                    self.events.append(value)
                if key == "id":
                    self.ids.append(value)
        except httpx.HTTPError:
            return

    def close(self) -> None:
        self.response.close()
        self._client.close()


def test_a_live_stream_tells_of_an_execution_from_its_start_to_its_end(
    door: Door, platform: Platform, wait_until: Callable[..., None]
):
    door.save(stages=[wait(0), wait(0, "2", "1")])
    listener = Listener(platform.gate_url, f"/applications/{door.application}/stream")
    assert listener.response.headers["content-type"].startswith("text/event-stream")
    wait_until(lambda: ": up to date" in listener.lines)
    door.ended(door.start())
    wait_until(lambda: "orca:pipeline:complete" in listener.events)
    assert listener.events[0] == "orca:pipeline:starting"
    assert listener.events.count("orca:stage:complete") == 2
    heard, start = list(listener.events), listener.ids[0]
    listener.close()
    again = Listener(platform.gate_url, f"/executions/stream?application={door.application}", last=start)
    wait_until(lambda: ": up to date" in again.lines)
    assert again.events == heard
    again.close()


UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
STRANGE: list[tuple[str, str, Any]] = [
    ("GET", f"/pipelines/{UNKNOWN}", None),
    ("GET", "/pipelines/nonsense", None),
    ("PUT", f"/pipelines/{UNKNOWN}/cancel", None),
    ("PUT", f"/pipelines/{UNKNOWN}/pause", None),
    ("PUT", f"/pipelines/{UNKNOWN}/resume", None),
    ("DELETE", f"/pipelines/{UNKNOWN}", None),
    ("PATCH", f"/pipelines/{UNKNOWN}/stages/x", {}),
    ("PUT", f"/pipelines/{UNKNOWN}/stages/x/restart", None),
    ("GET", f"/pipelines/{UNKNOWN}/evaluateExpression?expression=1", None),
    ("POST", f"/pipelines/{UNKNOWN}/evaluateVariables?executionId={UNKNOWN}", [{"key": "a", "value": "b"}]),
    ("GET", f"/tasks/{UNKNOWN}", None),
    ("PUT", f"/tasks/{UNKNOWN}/cancel", None),
    ("POST", "/tasks", {}),
    ("POST", "/tasks", {"job": {}}),
    ("POST", "/tasks", {"job": [1]}),
    ("POST", "/tasks", {"job": [{}], "application": 7}),
    ("POST", "/tasks", {"job": [{"type": 7}], "application": ["a"]}),
    ("POST", "/pipelines", {"application": "x", "name": 7}),
    ("POST", "/pipelines", {"application": "x", "name": "y", "stages": "none"}),
    ("POST", "/pipelines/bulksave", [{"name": 1}]),
    ("POST", "/pipelines/start", {"stages": 7}),
    ("POST", "/pipelines/start", {"application": "x", "name": "y", "stages": [{"refId": "1"}]}),
    ("PUT", "/pipelines/none", {"application": "x", "name": "y"}),
    ("POST", "/pipelines/move", {"application": "x", "from": "none", "to": "other"}),
    ("POST", "/pipelines/no%20such%20app/none", {}),
    ("GET", "/applications/%F0%9F%9A%80", None),
    ("GET", "/applications/a%20b%27%22%3B--", None),
    ("GET", f"/applications/{'x' * 2000}", None),
    ("GET", "/applications/x/pipelines?limit=-1", None),
    ("GET", "/applications/x/pipelines?limit=99999999999999999999", None),
    ("GET", "/applications/x/pipelines?statuses=ODD", None),
    ("GET", "/applications/x/tasks?page=0", None),
    ("GET", "/applications/x/executions/search?trigger=no-base64", None),
    ("GET", "/applications/*/executions/search?triggerTimeStartBoundary=yesterday", None),
    ("GET", "/executions?executionIds=nonsense", None),
    ("GET", "/executions?pipelineConfigIds=x&limit=many", None),
    ("GET", "/manifests/none/default/odd", None),
    ("GET", "/manifests/none/_/deployment%20a%20b", None),
    ("GET", "/pipelineConfigs/none/history?limit=0", None),
    ("GET", "/notifications/odd/x", None),
    ("POST", "/notifications/application/x", {"email": 7}),
    ("POST", "/webhooks/odd/source", {"a": 1}),
    ("POST", "/webhooks/webhook/s%20p%20a%20c%20e", None),
    ("GET", "/cron/validate?expression=", None),
    ("POST", "/webhooks/webhook/ci", {"large": "x" * 2_000_000}),
    ("POST", "/pipelines", {"application": "x", "name": "y", "large": "x" * 2_000_000}),
]


@pytest.mark.parametrize(("method", "path", "body"), STRANGE, ids=lambda value: str(value)[:60])
def test_strange_input_never_fails_the_services(gate: httpx.Client, method: str, path: str, body: Any):
    answer = gate.request(method, path, json=body) if body is not None else gate.request(method, path)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert (answer.json()["status"], bool(answer.json()["message"])) == (answer.status_code, True)
    if body and "large" in body:
        assert answer.status_code == 413
