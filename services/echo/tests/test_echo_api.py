"""Echo's API on a real Postgres and Redis, beside an orca and a front50 that can be away."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from echo.settings import EchoSettings
from echo.testing.peers import Front50Peer, OrcaPeer, Receiver
from fastapi.testclient import TestClient
from gennaker.embedded.process import free_port
from httpx2 import Client, TransportError
from kork.clock import now_ms
from kork.database import Database
from kork.identity import Identity, Signer, identity_headers
from kork.ids import new_ulid
from redis import Redis
from sqlalchemy import text

Serve = Callable[..., TestClient]
WaitUntil = Callable[..., None]


def hooked(id: str = "p1", **more: Any) -> dict[str, Any]:
    trigger = {"type": "webhook", "enabled": True, "source": "ci", **more.pop("trigger", {})}
    return {"id": id, "application": "shop", "name": f"deploy {id}", "triggers": [trigger], "stages": [], **more}


def remembered(database: Database) -> set[str]:
    with database.connect() as connection:
        rows = connection.execute(text("SELECT id FROM pipeline WHERE NOT deleted"))
        return {row.id for row in rows}


def is_loaded(database: Database) -> bool:
    with database.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM pipeline_load")).scalar() == 1


@pytest.fixture
def api(serve: Serve, front50: Front50Peer, echo_database: Database, wait_until: WaitUntil) -> TestClient:
    """An echo that has read a pipeline which the webhook 'ci' starts."""
    front50.save(hooked())
    client = serve()
    wait_until(lambda: is_loaded(echo_database))
    return client


def publish(redis_url: str, stream: str, type: str, payload: dict[str, Any], id: str | None = None) -> str:
    """Put an event on the bus, as a relay does."""
    import orjson

    event_id = id or new_ulid()
    fields: dict[Any, Any] = {
        "id": event_id,
        "type": type,
        "key": "",
        "payload": orjson.dumps(payload),
        "at": now_ms(),
    }
    with Redis.from_url(redis_url) as redis:
        redis.xadd(stream, fields)
    return event_id


def test_a_webhook_starts_the_pipeline(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    answer = api.post("/webhooks/webhook/ci", json={"parameters": {"tag": "7"}})
    assert answer.status_code == 200
    assert answer.json()["eventProcessed"] is True
    wait_until(lambda: len(orca.bodies) == 1)
    [body] = orca.bodies
    assert body["trigger"]["parameters"] == {"tag": "7"}
    assert body["trigger"]["eventId"] == answer.json()["eventId"]
    assert (body["id"], body["name"]) == ("p1", "deploy p1")
    assert orca.users[body["executionId"]] == "anonymous"


def test_a_webhook_may_name_its_source_in_the_payload(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    assert api.post("/webhooks/webhook", json={"source": "ci"}).status_code == 200
    wait_until(lambda: len(orca.bodies) == 1)


def test_an_unmatched_webhook_is_taken_and_starts_nothing(api: TestClient, orca: OrcaPeer):
    answer = api.post("/webhooks/webhook/other", json={}, params={"sync": "true"}).json()
    assert (answer["eventProcessed"], answer["matched"]) == (True, [])
    assert answer["unmatched"][0]["reason"] == "the trigger is for 'ci', the event is from 'other'"
    assert api.get(f"/events/{answer['eventId']}").json()["starts"] == []
    assert orca.posts == 0


def test_sync_tells_what_matched_and_why_the_rest_did_not(
    serve: Serve, front50: Front50Peer, echo_database: Database, wait_until: WaitUntil
):
    front50.save(hooked("p1"))
    front50.save(hooked("p2", trigger={"payloadConstraints": {"branch": "main"}}))
    front50.save(hooked("p3", disabled=True))
    client = serve()
    wait_until(lambda: is_loaded(echo_database))
    answer = client.post("/webhooks/webhook/ci?sync=true", json={"branch": "dev"}).json()
    assert [each["pipeline"] for each in answer["matched"]] == ["deploy p1"]
    assert {each["pipelineId"]: each["reason"] for each in answer["unmatched"]} == {
        "p2": "the payload's 'branch' does not match its constraint",
        "p3": "the pipeline is disabled",
    }
    quiet = serve(webhooks={"explain": False})
    assert "unmatched" not in quiet.post("/webhooks/webhook/ci?sync=true", json={}).json()


@pytest.mark.parametrize("header", ["X-Gennaker-Delivery", "X-GitHub-Delivery", "X-Event-Id", "Idempotency-Key"])
def test_a_delivery_that_comes_twice_starts_one_execution(
    api: TestClient, orca: OrcaPeer, header: str, wait_until: WaitUntil
):
    first, again = (api.post("/webhooks/webhook/ci", json={"n": n}, headers={header: "d1"}).json() for n in range(2))
    assert first == again
    other = api.post("/webhooks/webhook/ci?sync=true", json={}, headers={header: "d2"}).json()
    assert other["eventId"] != first["eventId"]
    wait_until(lambda: len(orca.bodies) == 2)
    repeated = api.post("/webhooks/webhook/ci?sync=true", json={}, headers={header: "d2"}).json()
    assert (repeated["duplicate"], repeated["matched"]) == (True, other["matched"])
    assert len(api.get("/starts").json()) == 2


def test_a_delivery_that_is_known_by_its_payload_starts_one_execution(api: TestClient):
    first, again = (api.post("/webhooks/webhook/ci", json={"eventId": "e1"}).json() for _ in range(2))
    assert first == again
    api.post("/webhooks/webhook/other", json={"eventId": "e1"})
    assert len(api.get("/starts").json()) == 1


def test_deliveries_of_one_id_at_once_start_one_execution(api: TestClient, serve: Serve):
    from concurrent.futures import ThreadPoolExecutor

    replica = serve()

    def deliver(n: int) -> str:
        client = (api, replica)[n % 2]
        return client.post("/webhooks/webhook/ci", json={}, headers={"X-Event-Id": "d1"}).json()["eventId"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(deliver, range(16)))) == 1
    assert len(api.get("/starts").json()) == 1


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b"", 400, "empty"),
        (b"[]", 400, "must be a JSON object, not an array"),
        (b'"text"', 400, "not a string"),
        (b"\xff", 400, "not UTF-8"),
        (b'{"a": "\\u0000"}', 400, "can't be stored"),
        (b'{"a": 1e999}', 400, "too large"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', 413, "larger than"),
        (b'{"n": 123456789012345678901234567890}', 200, ""),
    ],
)
def test_bad_payloads_are_refused_clearly(
    api: TestClient, content: bytes, status: int, says: str, orca: OrcaPeer, wait_until: WaitUntil
):
    answer = api.post("/webhooks/webhook/ci", content=content)
    assert answer.status_code == status
    assert says in answer.json().get("message", "")
    if status == 200:
        wait_until(lambda: len(orca.bodies) == 1)
        assert orca.bodies[0]["trigger"]["payload"]["n"] == 123456789012345678901234567890


@pytest.mark.parametrize("source", ["ä", "a b", "%00x", "..", "x" * 3000, "'; DROP TABLE event; --"])
def test_odd_sources_are_taken_or_refused(api: TestClient, source: str):
    assert api.post(f"/webhooks/webhook/{source}", json={}).status_code in (200, 400, 404)


def test_what_fired_while_orca_was_away_starts_later_once(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    orca.stop()
    event = api.post("/webhooks/webhook/ci", json={}).json()["eventId"]
    wait_until(lambda: api.get("/starts").json()[0]["attempts"] >= 2)
    assert api.get("/starts", params={"state": "waiting"}).json()[0]["eventId"] == event
    health = api.get("/health").json()["components"]
    assert health["orca"]["status"] == "DEGRADED"
    orca.start()
    wait_until(lambda: api.get("/starts").json()[0]["state"] == "started")
    assert len(orca.bodies) == 1


def test_an_answer_that_got_lost_does_not_start_twice(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    orca.deaf = 2
    api.post("/webhooks/webhook/ci", json={})
    wait_until(lambda: api.get("/starts").json()[0]["state"] == "started")
    assert orca.posts == 3
    assert len(orca.bodies) == 1


def test_a_start_that_orca_refuses_shows_up_as_a_failed_execution(
    api: TestClient, orca: OrcaPeer, wait_until: WaitUntil
):
    orca.refusal = 400
    api.post("/webhooks/webhook/ci", json={})
    wait_until(lambda: api.get("/starts").json()[0]["state"] == "refused")
    [failed] = orca.failed
    assert failed["errorMessage"] == "the pipeline is not right"
    [start] = api.get("/starts").json()
    assert (start["error"], start["executionId"]) == ("the pipeline is not right", failed["executionId"])
    assert api.get(f"/starts/{start['executionId']}").json() == start
    assert api.get("/starts/unknown").status_code == 404


def test_echo_that_was_killed_starts_what_it_had_taken(
    echo_settings: EchoSettings,
    echo_database: Database,
    front50: Front50Peer,
    orca: OrcaPeer,
    wait_until: WaitUntil,
):
    front50.save(hooked())
    orca.stop()
    port = free_port()
    environment = os.environ | {
        "GENNAKER_DATABASE__URL": echo_settings.database.url,
        "GENNAKER_REDIS__URL": echo_settings.redis.url,
        "GENNAKER_SERVICES__ORCA__BASE_URL": echo_settings.services.orca.url(),
        "GENNAKER_SERVICES__FRONT50__BASE_URL": echo_settings.services.front50.url(),
        "GENNAKER_SERVICES__ECHO__PORT": str(port),
        "GENNAKER_STARTS__TIMEOUT_SECONDS": "0.5",
        "GENNAKER_IDENTITY__SECRET": "a secret of the tests",
        "GENNAKER_LOGGING__LEVEL": "error",
    }

    def run() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-m", "echo", "api"], env=environment)

    headers = identity_headers(Identity(), Signer("a secret of the tests"))
    with Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:

        def answers() -> bool:
            try:
                return client.get("/health").status_code == 200
            except TransportError:
                return False

        process = run()
        try:
            wait_until(lambda: answers() and is_loaded(echo_database))
            assert client.post("/webhooks/webhook/ci", json={}).status_code == 200
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            orca.start()
            process = run()
            wait_until(lambda: len(orca.bodies) == 1)
        finally:
            process.kill()
            process.wait(10)


def test_a_service_takes_signed_identities_only(serve: Serve):
    client = serve(embedded=False)
    assert client.post("/webhooks/webhook/ci", json={}).status_code == 401


def test_a_stranger_is_not_told_of_other_sources(
    serve: Serve, front50: Front50Peer, echo_database: Database, wait_until: WaitUntil
):
    front50.save(hooked("p1", trigger={"source": "guess me"}))
    front50.save(hooked("p2", trigger={"payloadConstraints": {"key": "s3cret"}}))
    secret = "a secret of the tests"
    client = serve(embedded=False, identity={"secret": secret})
    wait_until(lambda: is_loaded(echo_database))

    def told(user: Identity) -> str:
        headers = identity_headers(user, Signer(secret))
        return client.post("/webhooks/webhook/ci?sync=true", json={"key": "x"}, headers=headers).text

    stranger = told(Identity())
    assert "its constraint" in stranger
    assert "guess me" not in stranger
    assert "s3cret" not in stranger
    assert "guess me" in told(Identity("alice"))


def test_lost_connections_to_postgres_lose_nothing(
    api: TestClient,
    orca: OrcaPeer,
    front50: Front50Peer,
    redis_url: str,
    echo_database: Database,
    wait_until: WaitUntil,
):
    with echo_database.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    wait_until(lambda: api.post("/webhooks/webhook/ci", json={}, headers={"X-Event-Id": "d"}).status_code == 200)
    wait_until(lambda: len(orca.bodies) == 1)
    front50.save(hooked("p2"))
    publish(redis_url, "front50.changes", "pipeline.saved", {"id": "p2"})
    wait_until(lambda: "p2" in remembered(echo_database))


def test_a_saved_pipeline_is_started_by_the_next_webhook(
    api: TestClient,
    front50: Front50Peer,
    orca: OrcaPeer,
    redis_url: str,
    echo_database: Database,
    wait_until: WaitUntil,
):
    front50.save(hooked("p2", trigger={"source": "new"}))
    publish(redis_url, "front50.changes", "pipeline.saved", {"id": "p2", "application": "shop", "name": "x"})
    wait_until(lambda: "p2" in remembered(echo_database))
    api.post("/webhooks/webhook/new", json={})
    wait_until(lambda: [body["id"] for body in orca.bodies] == ["p2"])
    del front50.pipelines["p2"]
    publish(redis_url, "front50.changes", "pipeline.deleted", {"id": "p2", "application": "shop", "name": "x"})
    wait_until(lambda: "p2" not in remembered(echo_database))
    assert api.post("/webhooks/webhook/new?sync=true", json={}).json()["matched"] == []


def test_a_webhook_that_follows_a_save_at_once_finds_the_pipeline(
    api: TestClient, front50: Front50Peer, orca: OrcaPeer, wait_until: WaitUntil
):
    front50.save(hooked("p2", trigger={"source": "new"}))
    matched = api.post("/webhooks/webhook/new?sync=true", json={}).json()["matched"]
    assert [each["pipelineId"] for each in matched] == ["p2"]
    front50.save(hooked("p2", trigger={"source": "newer"}))
    assert api.post("/webhooks/webhook/new?sync=true", json={}).json()["matched"] == []


def test_without_redis_a_saved_pipeline_is_found_by_reading_all_again(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, wait_until: WaitUntil, echo_database: Database
):
    client = serve(redis={"url": f"redis://127.0.0.1:{free_port()}/0"}, pipelineCache={"pollingIntervalMs": 1000})
    wait_until(lambda: is_loaded(echo_database))
    front50.save(hooked("p2"))
    wait_until(lambda: "p2" in remembered(echo_database))
    client.post("/webhooks/webhook/ci", json={})
    wait_until(lambda: len(orca.bodies) == 1)
    health = client.get("/health")
    assert (health.status_code, health.json()["components"]["redis"]["status"]) == (200, "DEGRADED")
    del front50.pipelines["p2"]
    wait_until(lambda: "p2" not in remembered(echo_database))


def test_echo_matches_with_what_it_remembers_while_front50_is_away(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, wait_until: WaitUntil, api: TestClient
):
    front50.stop()
    restarted = serve()
    restarted.post("/webhooks/webhook/ci", json={})
    wait_until(lambda: len(orca.bodies) == 1)
    assert restarted.get("/health").json()["components"]["front50"]["status"] == "DEGRADED"


def test_events_that_come_before_the_pipelines_are_known_are_matched_later(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, wait_until: WaitUntil
):
    front50.stop()
    front50.save(hooked(trigger={"payloadConstraints": {"n": "1"}}))
    client = serve()
    answers = [client.post("/webhooks/webhook/ci?sync=true", json={"n": n}).json() for n in (1, 2)]
    assert [answer["waiting"] for answer in answers] == [True, True]
    front50.start()
    wait_until(lambda: len(orca.bodies) == 1)
    assert orca.bodies[0]["trigger"]["eventId"] == answers[0]["eventId"]
    wait_until(lambda: client.get(f"/events/{answers[1]['eventId']}").json()["matchedAt"])


def test_a_person_starts_a_pipeline_by_name_or_id(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    by_name = api.post("/manual/shop/Deploy p1", json={"parameters": {"a": 1}})
    by_id = api.post("/manual/SHOP/p1", headers={"X-SPINNAKER-ACCOUNTS": "prod,test"})
    assert (by_name.status_code, by_id.status_code) == (202, 202)
    wait_until(lambda: len(orca.bodies) == 2)
    body = orca.executions[by_name.json()["ref"].removeprefix("/pipelines/")]
    assert (body["trigger"]["type"], body["trigger"]["user"]) == ("manual", "alice")
    assert (body["trigger"]["parameters"], body["trigger"]["eventId"]) == ({"a": 1}, by_name.json()["eventId"])
    assert set(orca.users.values()) == {"alice"}


def test_a_chosen_execution_id_starts_once(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    id = new_ulid()
    answers = [api.post("/manual/shop/p1", json={"executionId": id}).json() for _ in range(2)]
    assert [answer["ref"] for answer in answers] == [f"/pipelines/{id}"] * 2
    wait_until(lambda: list(orca.executions) == [id])
    assert api.post("/manual/shop/p1", json={"executionId": "../x"}).status_code == 400


def test_a_pipeline_that_cannot_be_started_by_hand_is_refused(api: TestClient, front50: Front50Peer):
    front50.save(hooked("p2", disabled=True))
    assert api.post("/manual/shop/unknown", json={}).status_code == 404
    assert api.post("/manual/bank/p1", json={}).status_code == 404
    assert api.post("/manual/shop/p2", json={}).status_code == 400
    assert "disabled" in api.post("/manual/shop/p2", json={}).json()["message"]
    assert api.post("/manual/shop/p1", json=[]).status_code == 400
    del front50.pipelines["p1"]
    assert api.post("/manual/shop/p1", json={}).status_code == 404


def test_a_manual_start_is_kept_while_front50_and_orca_are_away(
    api: TestClient, front50: Front50Peer, orca: OrcaPeer, wait_until: WaitUntil
):
    front50.stop()
    orca.stop()
    assert api.post("/manual/shop/deploy p1", json={}).status_code == 202
    unknown = api.post("/manual/shop/never seen", json={})
    assert unknown.status_code == 503
    assert "nothing was started" in unknown.json()["message"]
    orca.start()
    wait_until(lambda: len(orca.bodies) == 1)


def test_a_manual_event_in_echos_envelope_starts_the_pipeline(api: TestClient, orca: OrcaPeer, wait_until: WaitUntil):
    id = new_ulid()
    content = {"application": "shop", "pipelineNameOrId": "deploy p1", "executionId": id, "trigger": {"x": 1}}
    event = {"details": {"type": "manual"}, "content": content}
    assert api.post("/", json=event).status_code == 200
    wait_until(lambda: list(orca.executions) == [id])
    assert api.post("/", json={"details": {"type": "manual"}, "content": {}}).status_code == 400
    assert api.post("/", json={"content": {}}).status_code == 400


def ended(status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    return {
        "executionId": "parent",
        "executionType": "PIPELINE",
        "application": "shop",
        "pipelineConfigId": "first",
        "name": "build",
        "status": status,
        "canceled": False,
        "authentication": {"user": "bob"},
        "notifications": [],
        **more,
    }


def test_the_end_of_a_pipeline_starts_its_dependents_once(
    serve: Serve,
    front50: Front50Peer,
    orca: OrcaPeer,
    redis_url: str,
    echo_database: Database,
    wait_until: WaitUntil,
):
    trigger = {"type": "pipeline", "enabled": True, "pipeline": "first", "status": ["successful"]}
    front50.save({"id": "second", "application": "shop", "name": "second", "triggers": [trigger]})
    orca.executions["parent"] = {"id": "parent", "stages": [{"outputs": {"artifacts": [{"name": "image"}]}}]}
    client = serve()
    wait_until(lambda: is_loaded(echo_database))
    publish(redis_url, "orca.executions", "orca:pipeline:failed", ended("TERMINAL"))
    event_id = publish(redis_url, "orca.executions", "orca:pipeline:complete", ended())
    publish(redis_url, "orca.executions", "orca:pipeline:complete", ended(), event_id)
    wait_until(lambda: len(orca.executions) == 2)
    publish(redis_url, "orca.executions", "orca:pipeline:failed", ended("TERMINAL"))
    [body] = [body for id, body in orca.executions.items() if id != "parent"]
    told = body["trigger"]
    assert (told["type"], told["user"], told["parentPipelineId"]) == ("pipeline", "bob", "parent")
    assert told["parentExecution"]["id"] == "parent"
    assert body["receivedArtifacts"] == [{"name": "image"}]
    assert orca.users[body["executionId"]] == "bob"
    assert len(client.get("/starts").json()) == 1


@pytest.mark.parametrize("path", ["/webhooks/pipeline/orca", "/"])
def test_only_orca_can_say_that_a_pipeline_ended(
    serve: Serve, front50: Front50Peer, echo_database: Database, path: str, wait_until: WaitUntil
):
    trigger = {"type": "pipeline", "enabled": True, "pipeline": "first", "status": ["successful"]}
    front50.save({"id": "second", "application": "shop", "name": "second", "triggers": [trigger]})
    client = serve()
    wait_until(lambda: is_loaded(echo_database))
    forged = ended() if path != "/" else {"details": {"type": "pipeline", "source": "orca"}, "content": ended()}
    assert client.post(path, json=forged).status_code == 200
    assert client.get("/starts").json() == []


def test_an_end_that_is_told_before_the_pipelines_are_known_starts_the_dependents_later(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, redis_url: str, echo_database: Database, wait_until: WaitUntil
):
    front50.stop()
    trigger = {"type": "pipeline", "enabled": True, "pipeline": "first", "status": ["successful"]}
    front50.save({"id": "second", "application": "shop", "name": "second", "triggers": [trigger]})
    serve()
    publish(redis_url, "orca.executions", "orca:pipeline:complete", ended())

    def is_waiting() -> bool:
        with echo_database.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM event WHERE matched_at IS NULL")).scalar() == 1

    wait_until(is_waiting)
    front50.start()
    wait_until(lambda: [body["id"] for body in orca.bodies] == ["second"])


def cron(**more: Any) -> dict[str, Any]:
    trigger = {"type": "cron", "enabled": True, "id": "c1", "cronExpression": "0 0 10 ? * MON", **more}
    return {"id": "nightly", "application": "shop", "name": "nightly", "triggers": [trigger]}


def next_fire(database: Database) -> int | None:
    with database.connect() as connection:
        return connection.execute(text("SELECT next_fire FROM cron_trigger")).scalar()


def make_due(database: Database, at: int) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE cron_trigger SET next_fire = :at"), {"at": at})
        connection.execute(text("SELECT pg_notify('echo_schedule', '')"))


def test_two_replicas_start_one_fire_time_once(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    front50.save(cron(runAsUser="robot", parameters={"a": 1}))
    client, _ = serve(), serve()
    wait_until(lambda: next_fire(echo_database))
    planned = next_fire(echo_database)
    make_due(echo_database, now_ms() // 1000 * 1000)
    wait_until(lambda: len(orca.bodies) == 1)
    wait_until(lambda: next_fire(echo_database) == planned)
    [body] = orca.bodies
    assert (body["trigger"]["type"], body["trigger"]["parameters"]) == ("cron", {"a": 1})
    assert list(orca.users.values()) == ["robot"]
    assert len(client.get("/starts").json()) == 1
    [action] = client.get("/scheduledActions").json()["pipeline"]
    assert (action["pipelineId"], action["nextFireTime"], action["application"]) == ("nightly", planned, "shop")


def test_a_fire_time_that_was_missed_is_skipped(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    front50.save(cron())
    client = serve()
    wait_until(lambda: next_fire(echo_database))
    planned = next_fire(echo_database)
    make_due(echo_database, now_ms() - 3_600_000)
    wait_until(lambda: next_fire(echo_database) == planned)
    assert client.get("/starts").json() == []


def test_the_schedule_follows_what_is_saved(
    serve: Serve, front50: Front50Peer, redis_url: str, echo_database: Database, wait_until: WaitUntil
):
    front50.save(cron())
    serve()
    wait_until(lambda: next_fire(echo_database))
    planned = next_fire(echo_database)

    def save(body: dict[str, Any]) -> None:
        front50.save(body)
        publish(redis_url, "front50.changes", "pipeline.saved", {"id": "nightly"})

    save(cron(cronExpression="0 30 11 ? * TUE"))
    wait_until(lambda: next_fire(echo_database) not in (None, planned))
    save(cron(cronExpression="0 0 10 ? * MON"))
    wait_until(lambda: next_fire(echo_database) == planned)
    save(cron(enabled=False))
    wait_until(lambda: next_fire(echo_database) is None)
    save(cron(cronExpression="nonsense"))
    wait_until(lambda: front50.pipelines["nightly"]["updateTs"] in updated(echo_database))
    assert next_fire(echo_database) is None


def updated(database: Database) -> set[str]:
    with database.connect() as connection:
        return {str(row.updated_at) for row in connection.execute(text("SELECT updated_at FROM pipeline"))}


def test_cron_expressions_are_checked(api: TestClient):
    good = api.get("/validateCronExpression", params={"cronExpression": "0 0 10 ? * MON"})
    assert good.json() == {"response": "Cron expression is valid", "description": "at 10:00 on Monday"}
    bad = api.get("/validateCronExpression", params={"cronExpression": "0 0 10 * * MON"})
    assert bad.status_code == 400
    assert "write '?'" in bad.json()["message"]
    assert api.get("/validateCronExpression").status_code == 400


def told(receiver: Receiver) -> list[str]:
    return sorted(body["event"] for _, body in receiver.received)


def test_receivers_are_told_of_an_execution(
    api: TestClient, front50: Front50Peer, receiver: Receiver, redis_url: str, wait_until: WaitUntil
):
    mine = {"type": "webhook", "address": receiver.url, "when": ["pipeline.complete"]}
    everywhere = {"webhook": [{"address": receiver.url, "when": ["pipeline.starting", "pipeline.complete"]}]}
    front50.notifications["shop"] = everywhere
    for type in ("orca:pipeline:starting", "orca:pipeline:complete", "orca:pipeline:failed"):
        publish(redis_url, "orca.executions", type, ended(notifications=[mine]))
    publish(redis_url, "orca.executions", "orca:pipeline:complete", ended("CANCELED", canceled=True))
    wait_until(lambda: told(receiver) == ["pipeline.complete", "pipeline.starting"])
    headers, message = next(pair for pair in receiver.received if pair[1]["event"] == "pipeline.complete")
    assert headers["x-gennaker-delivery"] == message["deliveryId"]
    assert message["text"] == "shop's pipeline 'build' has completed successfully"
    assert message["link"] == "http://localhost:9000/#/applications/shop/executions/details/parent"
    assert message["execution"]["status"] == "SUCCEEDED"


def test_judges_are_asked_when_a_judgment_waits(
    api: TestClient, receiver: Receiver, redis_url: str, wait_until: WaitUntil
):
    asked = {"type": "webhook", "url": receiver.url, "when": ["manualJudgment", "manualJudgmentContinue"]}
    staged = {"type": "webhook", "url": receiver.url, "when": ["stage.complete"], "customMessage": "{{executionId}}!"}
    stage = {
        "executionId": "x1",
        "application": "shop",
        "stageId": "s1",
        "type": "manualJudgment",
        "name": "Ship it?",
        "isSynthetic": False,
        "canceled": False,
        "context": {"notifications": [asked, staged], "sendNotifications": False},
    }
    publish(redis_url, "orca.executions", "orca:stage:starting", stage)
    wait_until(lambda: told(receiver) == ["manualJudgment"])
    assert receiver.received[0][1]["text"] == "shop's stage 'Ship it?' is waiting for a judgment"
    stage["context"] = {"notifications": [asked, staged], "sendNotifications": True}
    publish(redis_url, "orca.executions", "orca:stage:complete", stage)
    wait_until(lambda: told(receiver) == ["manualJudgment", "manualJudgmentContinue", "stage.complete"])
    assert {"x1!", "shop's stage 'Ship it?' was told to continue"} <= {body["text"] for _, body in receiver.received}


def test_a_notification_is_tried_until_it_arrives(api: TestClient, receiver: Receiver, wait_until: WaitUntil):
    receiver.statuses = [500, 429]
    body = {"notificationType": "WEBHOOK", "to": [receiver.url], "additionalContext": {"body": "hello"}}
    assert api.post("/notifications", json=body).json()["value"]
    wait_until(lambda: api.get("/notifications/deliveries").json()[0]["state"] == "sent")
    assert len(receiver.received) == 3
    assert len({headers["x-gennaker-delivery"] for headers, _ in receiver.received}) == 1
    assert receiver.received[0][1]["text"] == "hello"


@pytest.mark.parametrize("status", [404, 302])
def test_a_notification_that_is_refused_is_given_up(
    api: TestClient, receiver: Receiver, status: int, wait_until: WaitUntil
):
    receiver.statuses = [status]
    api.post("/notifications", json={"notificationType": "webhook", "to": [receiver.url]})
    wait_until(lambda: api.get("/notifications/deliveries").json()[0]["state"] == "given_up")
    assert str(status) in api.get("/notifications/deliveries").json()[0]["error"]


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "http://", "http://[", "http://127.0.0.1:99999/", "gopher://x"]
)
def test_an_address_that_cannot_be_used_is_given_up(api: TestClient, address: str, wait_until: WaitUntil):
    api.post("/notifications", json={"notificationType": "webhook", "to": [address]})
    wait_until(lambda: api.get("/notifications/deliveries").json()[0]["state"] == "given_up")


def test_notifications_of_kinds_that_are_not_there_are_taken_in_silence(api: TestClient):
    answer = api.post("/notifications", json={"notificationType": "SLACK", "to": ["#x"]})
    assert (answer.status_code, answer.json()) == (200, {})
    assert api.post("/notifications", json={"notificationType": "SLACK"}).status_code == 400
    assert [each["notificationType"] for each in api.get("/notifications/metadata").json()] == ["webhook"]


def test_every_execution_event_is_forwarded(serve: Serve, receiver: Receiver, redis_url: str, wait_until: WaitUntil):
    endpoint = {"url": receiver.url, "wrap": True, "username": "u", "password": "p", "headers": {"X-Team": "a"}}
    serve(rest={"endpoints": [endpoint]})
    publish(redis_url, "orca.executions", "orca:pipeline:starting", ended())
    wait_until(lambda: receiver.received)
    headers, body = receiver.received[0]
    assert (headers["authorization"], headers["x-team"]) == ("Basic dTpw", "a")
    assert body["eventName"] == "spinnaker_events"
    assert body["payload"]["details"]["type"] == "orca:pipeline:starting"
    assert body["payload"]["content"]["executionId"] == "parent"


def test_migrating_twice_changes_nothing(echo_database: Database):
    echo_database.migrate()
    with echo_database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_deck_gets_what_it_asks_for_at_its_start(api: TestClient):
    assert api.get("/quietPeriod").json()["enabled"] is False
    assert api.get("/pubsub/subscriptions").json() == []
    assert api.get("/events/unknown").status_code == 404
