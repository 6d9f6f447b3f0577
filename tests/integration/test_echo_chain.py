"""From a webhook to an execution and on to its dependents: echo, front50 and orca with its worker, all real."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from echo.app import create_app as create_echo
from echo.settings import EchoSettings
from echo.testing.peers import Receiver
from front50.app import create_app as create_front50
from front50.settings import Front50Settings
from gennaker.embedded.process import free_port
from kork.testing.databases import migrated
from kork.testing.serving import serving
from orca.settings import OrcaSettings
from orca.testing.running import running_orca

WaitUntil = Callable[..., None]


@dataclass
class Chain:
    """The three services, each at its address; orca runs only within `orca()`."""

    settings: dict[str, Any]
    echo: httpx2.Client
    front50: httpx2.Client

    def orca(self) -> Any:
        return running_orca(OrcaSettings.model_validate(self.settings))

    def save(self, name: str, *triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"application": "shop", "name": name, "triggers": list(triggers), "stages": [], **more}
        answer = self.front50.post("/pipelines", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fire(self, payload: dict[str, Any], source: str = "ci") -> dict[str, Any]:
        answer = self.echo.post(f"/webhooks/webhook/{source}?sync=true", json=payload)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def matches(self, source: str) -> list[dict[str, Any]]:
        """Say what a webhook of the source would start, by its triggers that are known."""
        unmatched = self.fire({}, "nobody listens to this")["unmatched"]
        return [each for each in unmatched if f"for '{source}'" in each["reason"]]


@pytest.fixture
def chain(postgres_url: str, redis_url: str) -> Iterator[Chain]:
    settings: dict[str, Any] = {
        "embedded": True,
        "identity": {"secret": "a secret of the tests"},
        "database": {"url": postgres_url},
        "redis": {"url": redis_url},
        "services": {name: {"port": free_port()} for name in ("front50", "orca", "echo")},
    }
    own: dict[str, Any] = {"starts": {"maxBackoffSeconds": 0.5}, "scheduler": {"cron": {"timezone": "UTC"}}}
    echo, front50 = EchoSettings.model_validate(settings | own), Front50Settings.model_validate(settings)
    with ExitStack() as stack:
        for schema in ("front50", "orca", "echo"):
            stack.enter_context(migrated(front50.database, schema))
        stack.enter_context(serving(create_front50(front50), front50.services.front50.port))
        stack.enter_context(serving(create_echo(echo), echo.services.echo.port))
        clients = [
            stack.enter_context(httpx2.Client(base_url=url, headers={"X-SPINNAKER-USER": "alice"}))
            for url in (echo.services.echo.url(), front50.services.front50.url())
        ]
        yield Chain(settings, *clients)


def hook(**more: Any) -> dict[str, Any]:
    return {"type": "webhook", "enabled": True, "source": "ci", **more}


def wait_stage(**more: Any) -> dict[str, Any]:
    return {"type": "wait", "name": "wait", "refId": "1", "requisiteStageRefIds": [], "waitTime": 0, **more}


def test_a_webhook_runs_a_pipeline_and_its_end_runs_another_once(chain: Chain, wait_until: WaitUntil):
    image = {"type": "docker/image", "name": "shop", "version": "7", "reference": "shop:7"}
    expected = [{"id": "a1", "displayName": "image", "matchArtifact": {"type": "docker/image", "name": "sh.*"}}]
    first = chain.save(
        "first",
        hook(payloadConstraints={"branch": "^main$"}, expectedArtifactIds=["a1"]),
        parameterConfig=[{"name": "tag", "default": "latest"}, {"name": "zone", "default": "a"}],
        expectedArtifacts=expected,
        stages=[wait_stage()],
    )
    ends = {
        "type": "pipeline",
        "enabled": True,
        "application": "shop",
        "pipeline": first["id"],
        "status": ["successful"],
    }
    second = chain.save(
        "second", ends, ends | {"runAsUser": "robot"}, expectedArtifacts=expected, stages=[wait_stage()]
    )
    wait_until(lambda: chain.matches("ci"))
    with chain.orca() as orca:
        assert chain.fire({"branch": "dev", "artifacts": [image]})["matched"] == []
        fired = chain.fire({"branch": "main", "parameters": {"tag": "7"}, "artifacts": [image]})
        [started] = fired["matched"]
        wait_until(lambda: chain.echo.get(f"/starts/{started['executionId']}").json()["state"] == "started")
        execution = orca.wait_end(started["executionId"])
        assert (execution["status"], execution["pipelineConfigId"]) == ("SUCCEEDED", first["id"])
        told = execution["trigger"]
        assert (told["type"], told["parameters"]) == ("webhook", {"tag": "7", "zone": "a"})
        assert (told["eventId"], told["payload"]["branch"]) == (fired["eventId"], "main")
        assert told["resolvedExpectedArtifacts"][0]["boundArtifact"]["reference"] == "shop:7"

        def dependents() -> list[dict[str, Any]]:
            return orca.get("/pipelines", pipelineConfigIds=second["id"], limit=10)

        wait_until(lambda: any(each["status"] == "SUCCEEDED" for each in dependents()))
        [dependent] = dependents()
        told = dependent["trigger"]
        assert (told["type"], told["parentExecution"]["id"]) == ("pipeline", execution["id"])
        assert told["resolvedExpectedArtifacts"][0]["boundArtifact"]["reference"] == "shop:7"


def test_what_fired_while_orca_was_away_runs_when_it_is_back_each_once(chain: Chain, wait_until: WaitUntil):
    pipeline = chain.save("deploy", hook(), stages=[wait_stage()])
    wait_until(lambda: chain.matches("ci"))
    started = [chain.fire({"n": n})["matched"][0]["executionId"] for n in range(5)]
    manual = chain.echo.post("/manual/shop/deploy", json={"parameters": {"by": "hand"}}).json()["ref"]
    wait_until(lambda: chain.echo.get("/starts").json()[-1]["attempts"] >= 2)
    with chain.orca() as orca:
        wanted = {*started, manual.removeprefix("/pipelines/")}
        wait_until(lambda: not chain.echo.get("/starts", params={"state": "waiting"}).json())
        for id in wanted:
            assert orca.wait_end(id)["status"] == "SUCCEEDED"
        stored = orca.get("/pipelines", pipelineConfigIds=pipeline["id"], limit=20)
        assert {each["id"] for each in stored} == wanted
        assert len(stored) == len(wanted)


def test_a_start_that_orca_refuses_is_seen_as_one_failed_execution(chain: Chain, wait_until: WaitUntil):
    expected = [{"id": "a1", "displayName": "chart", "matchArtifact": {"name": "chart"}}]
    pipeline = chain.save("deploy", expectedArtifacts=expected, stages=[wait_stage()])
    broken = chain.save("broken", stages=[wait_stage(requisiteStageRefIds=["9"])])
    with chain.orca() as orca:
        for config in (pipeline, broken):
            trigger = {"expectedArtifactIds": ["a1"]} if config is pipeline else {}
            answer = chain.echo.post(f"/manual/shop/{config['id']}", json=trigger)
            id = answer.json()["ref"].removeprefix("/pipelines/")
            wait_until(lambda id=id: chain.echo.get(f"/starts/{id}").json()["state"] != "waiting")
            start = chain.echo.get(f"/starts/{id}").json()
            [execution] = orca.get("/pipelines", pipelineConfigIds=config["id"], limit=5)
            assert (start["state"], execution["id"]) == ("refused", id)
            assert execution["status"] == "TERMINAL"
            assert start["error"] in execution["cancellationReason"]


def test_a_saved_pipeline_is_known_within_a_second_and_a_deleted_one_is_not(chain: Chain, wait_until: WaitUntil):
    first = chain.save("first", hook(source="one"))
    wait_until(lambda: chain.matches("one"))
    changed = dict(first) | {"triggers": [hook(source="two")]}
    assert chain.front50.post("/pipelines", json=changed).status_code == 200
    wait_until(lambda: chain.matches("two") and not chain.matches("one"))
    assert chain.front50.delete("/pipelines/shop/first").status_code == 200
    wait_until(lambda: not chain.matches("two"))


def test_receivers_hear_of_the_execution_and_judges_are_asked(chain: Chain, wait_until: WaitUntil):
    receiver = Receiver()
    receiver.start()
    try:
        told = {"type": "webhook", "address": receiver.url, "when": ["pipeline.starting", "pipeline.complete"]}
        asked = {"type": "webhook", "address": receiver.url, "when": ["manualJudgment", "manualJudgmentContinue"]}
        judgment = {"type": "manualJudgment", "name": "Ship it?", "refId": "1", "requisiteStageRefIds": []}
        stages = [judgment | {"sendNotifications": True, "notifications": [asked]}]
        chain.save("deploy", notifications=[told], stages=stages)
        with chain.orca() as orca:
            id = chain.echo.post("/manual/shop/deploy").json()["ref"].removeprefix("/pipelines/")
            wait_until(lambda: "manualJudgment" in {body["event"] for _, body in receiver.received})
            [stage] = orca.execution(id)["stages"]
            answer = orca.client.patch(f"/pipelines/{id}/stages/{stage['id']}", json={"judgmentStatus": "continue"})
            assert answer.status_code == 200
            assert orca.wait_end(id)["status"] == "SUCCEEDED"
            wait_until(lambda: len(receiver.received) >= 4)
    finally:
        receiver.stop()
    assert sorted(body["event"] for _, body in receiver.received) == [
        "manualJudgment",
        "manualJudgmentContinue",
        "pipeline.complete",
        "pipeline.starting",
    ]
    assert {body["execution"]["id"] for _, body in receiver.received} == {id}


def test_a_pipeline_saved_just_before_another_ends_is_started_by_that_end(chain: Chain, wait_until: WaitUntil):
    ends = {"type": "pipeline", "enabled": True, "application": "shop", "status": ["successful"]}
    with chain.orca() as orca:
        saved: list[str] = []
        for n in range(8):
            saved.append(chain.save(f"after {n}", ends | {"pipeline": f"first-{n}"}, stages=[wait_stage()])["id"])
            orca.start(wait_stage(), id=f"first-{n}")

        def dependents(id: str) -> int:
            return len(orca.get("/pipelines", pipelineConfigIds=id, limit=10))

        wait_until(lambda: [dependents(id) for id in saved] == [1] * len(saved), timeout=60)
