"""Templated pipelines in echo: the triggers of a template start the pipelines that use it."""

from collections.abc import Callable
from typing import Any

import orjson
from echo.testing.peers import Front50Peer, OrcaPeer
from fastapi.testclient import TestClient
from kork.clock import now_ms
from kork.database import Database
from kork.ids import new_ulid
from redis import Redis
from sqlalchemy import text

Json = dict[str, Any]
Serve = Callable[..., TestClient]
WaitUntil = Callable[..., None]


def hook(source: str, **more: Any) -> Json:
    return {"type": "webhook", "enabled": True, "source": source, **more}


def templated(id: str = "t1", *triggers: Json) -> Json:
    use = {"schema": "v2", "type": "templatedPipeline", "template": {"reference": "spinnaker://deploy"}}
    return {"id": id, "application": "shop", "name": f"deploy {id}", "triggers": list(triggers), **use}


def sources(database: Database) -> set[str]:
    """The keys of the triggers that echo knows."""
    with database.connect() as connection:
        return {row.key for row in connection.execute(text("SELECT key FROM pipeline_trigger"))}


def test_a_trigger_of_the_template_starts_the_pipeline_as_it_is_saved(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    image = {"id": "image", "matchArtifact": {"type": "docker/image"}}
    orca.templates["spinnaker://deploy"] = {
        "triggers": [hook("theirs", inherited=True, expectedArtifactIds=["image"])],
        "expectedArtifacts": [image],
    }
    front50.save(templated("t1", hook("own")))
    client = serve()
    wait_until(lambda: sources(echo_database) == {"theirs", "own"})
    body = {"artifacts": [{"type": "docker/image", "name": "shop"}]}
    assert client.post("/webhooks/webhook/theirs", json=body).status_code == 200
    wait_until(lambda: len(orca.bodies) == 1)
    [started] = orca.bodies
    assert started["template"] == {"reference": "spinnaker://deploy"}
    assert started["trigger"]["expectedArtifactIds"] == ["image"]
    assert client.post("/webhooks/webhook/own", json={}).status_code == 200
    wait_until(lambda: len(orca.bodies) == 2)


def test_a_template_that_changes_under_a_pipeline_is_asked_for_again(
    serve: Serve,
    front50: Front50Peer,
    orca: OrcaPeer,
    echo_database: Database,
    redis_url: str,
    wait_until: WaitUntil,
):
    orca.templates["spinnaker://deploy"] = {"triggers": [hook("before")]}
    front50.save(templated())
    serve()
    wait_until(lambda: sources(echo_database) == {"before"})
    orca.templates["spinnaker://deploy"] = {"triggers": [hook("after")]}
    event = {"type": "pipeline.saved", "payload": orjson.dumps({"id": "t1"}), "key": "t1", "at": now_ms()}
    fields: dict[Any, Any] = event | {"id": new_ulid()}
    with Redis.from_url(redis_url) as redis:
        redis.xadd("front50.changes", fields)
    wait_until(lambda: sources(echo_database) == {"after"})


def test_while_orca_can_t_plan_own_triggers_work_and_the_template_s_follow(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    orca.templates["spinnaker://deploy"] = 503
    front50.save(templated("t1", hook("own")))
    front50.save({"id": "p1", "application": "shop", "name": "plain", "triggers": [hook("plain")]})
    serve()
    wait_until(lambda: sources(echo_database) == {"own", "plain"})
    orca.templates["spinnaker://deploy"] = {"triggers": [hook("theirs")]}
    wait_until(lambda: sources(echo_database) == {"own", "plain", "theirs"})


def test_an_echo_that_starts_while_orca_is_away_remembers_what_the_template_added(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    orca.templates["spinnaker://deploy"] = {"triggers": [hook("theirs")]}
    front50.save(templated())
    serve()
    wait_until(lambda: sources(echo_database) == {"theirs"})
    orca.templates["spinnaker://deploy"] = 503
    serve()
    front50.save({"id": "p1", "application": "shop", "name": "later", "triggers": [hook("plain")]})
    serve()
    wait_until(lambda: "plain" in sources(echo_database))
    assert sources(echo_database) == {"theirs", "plain"}


def test_a_pipeline_that_can_t_be_planned_keeps_its_own_triggers(
    serve: Serve, front50: Front50Peer, orca: OrcaPeer, echo_database: Database, wait_until: WaitUntil
):
    front50.save(templated("t1", hook("own")))
    client = serve()
    wait_until(lambda: sources(echo_database) == {"own"})
    client.post("/webhooks/webhook/own", json={})
    wait_until(lambda: len(orca.bodies) == 1)
