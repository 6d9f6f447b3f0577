"""A worker that dies, or is told to stop, at any commit and any call: all ends as undisturbed, and happens once.

Pipelines are made at random from a seed, with stages that call: webhooks, cloud operations, child pipelines.
Each runs undisturbed once, and once under workers that end one after the other at points drawn from the
same seed. `SEEDS=1000` tries more of them, `FIRST_SEED=120 SEEDS=5` a batch that has failed.
"""

import itertools
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

import psycopg
import pytest
from gennaker.embedded import EmbeddedPostgres, EmbeddedRedis
from gennaker.embedded.process import free_port
from kork.http import SyncServiceClient
from kork.identity import Signer
from kork.testing.databases import migrated
from kork.testing.peers import Peer, serve
from kork.testing.serving import serving
from orca.app import create_app
from orca.settings import OrcaSettings
from orca.testing.lanes import Lane, NoBell
from orca.testing.lives import Death, How, Side
from orca.testing.world import World, every_kind, random_pipeline
from psycopg import sql

SEEDS = int(os.environ.get("SEEDS", "200"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
AT_A_TIME = 5
LANES = 6
COMMIT = "a commit"
CALLS = ["POST /hook", "POST /kubernetes", "GET /task", "GET /manifests", "GET /pipelines", "POST /orchestrate"]

Job = TypeVar("Job")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def peer(world: World) -> Iterator[Peer]:
    with serve(world.reply) as peer:
        yield peer


@pytest.fixture(scope="module")
def lanes(
    postgres_server: EmbeddedPostgres, redis_server: EmbeddedRedis, peer: Peer, world: World
) -> Iterator[list[Lane]]:
    """Orcas with a database each, so that one's clock leaves the others' executions alone."""
    template = "crashes"
    create(postgres_server, template)
    with migrated(settings_of(postgres_server, redis_server, peer, template).database, "orca"):
        pass
    with ExitStack() as stack:
        made: list[Lane] = []
        for number in range(LANES):
            create(postgres_server, f"{template}_{number}", template)
            settings = settings_of(postgres_server, redis_server, peer, f"{template}_{number}")
            made.append(lane(stack, settings, world))
        yield made


def create(postgres: EmbeddedPostgres, name: str, template: str = "template1") -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def settings_of(postgres: EmbeddedPostgres, redis: EmbeddedRedis, peer: Peer, database: str) -> OrcaSettings:
    services: dict[str, Any] = {each: {"baseUrl": peer.url} for each in ("front50", "clouddriver", "echo")}
    loopback = {"allowedHostnamesRegex": "", "rejectLocalhost": False, "rejectVerbatimIps": False}
    return OrcaSettings.model_validate(
        {
            "database": {"url": postgres.url_of(database), "poolSize": 5},
            "redis": {"url": redis.url_of(200)},
            "identity": {"secret": "a secret of the tests"},
            "services": {"orca": {"port": free_port()}} | services,
            "executions": {"leaseSeconds": 0.3, "ringAgainSeconds": 0.1},
            "userConfiguredUrlRestrictions": loopback,
        }
    )


def lane(stack: ExitStack, settings: OrcaSettings, world: World) -> Lane:
    url = settings.services.orca.url()
    stack.enter_context(serving(create_app(settings, NoBell()), settings.services.orca.port))
    orca = SyncServiceClient(url, service="orca", signer=Signer(settings.identity.secret))
    stack.callback(orca.close)
    options = "-c search_path=orca,public"
    rows = stack.enter_context(psycopg.connect(settings.database.url, autocommit=True, options=options))
    return Lane(settings, orca, rows, world)


def in_lanes(lanes: list[Lane], jobs: Iterable[Job], work: Callable[[Lane, Job], list[str]]) -> Counter[str]:
    """Have the lanes do the jobs, each whenever it is free; gives how lives have ended, counted."""
    left = deque(jobs)

    def lead(lane: Lane) -> list[str]:
        ends: list[str] = []
        while left:
            ends += work(lane, left.popleft())
        return ends

    with ThreadPoolExecutor(len(lanes)) as pool:
        return Counter(itertools.chain.from_iterable(pool.map(lead, lanes)))


def random_deaths(seed: int) -> Iterator[Death]:
    chance = random.Random(f"deaths {seed}")
    sides: list[Side] = ["before", "after"]
    ways: list[How] = ["killed", "killed", "killed", "stopped"]
    while True:
        at = chance.choice([1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 26])
        yield Death(at, chance.choice(sides), chance.choice(ways))


@pytest.mark.timeout(900)
def test_random_pipelines_end_as_undisturbed_whatever_dies(lanes: list[Lane], peer: Peer):
    seeds = list(range(FIRST_SEED, FIRST_SEED + SEEDS))
    batches = [seeds[at : at + AT_A_TIME] for at in range(0, len(seeds), AT_A_TIME)]

    def work(lane: Lane, batch: list[int]) -> list[str]:
        pipelines = [random_pipeline(seed, peer.url) for seed in batch]
        calm = lane.run(pipelines, itertools.repeat(None))
        rough = lane.run(pipelines, random_deaths(batch[0]))
        for seed, expected, found in zip(batch, calm.outcomes, rough.outcomes, strict=True):
            assert found == expected, f"seed {seed} (of {batch})"
        assert rough.doubled == [], f"seeds {batch}"
        return rough.ends

    ends = in_lanes(lanes, batches, work)
    print(f"seeds {seeds[0]} to {seeds[-1]}: {ends.total()} ends of workers", *ends.most_common(), sep="\n")
    assert ends.total() > len(batches)


@pytest.mark.timeout(900)
def test_every_commit_and_every_call_may_be_the_last_of_a_worker(lanes: list[Lane], peer: Peer):
    pipelines = [every_kind(peer.url)]
    [calm] = lanes[0].run(pipelines, itertools.repeat(None)).outcomes
    sides: list[Side] = ["before", "after"]
    # There are many more commits than calls of a kind, so they are three jobs: the first, fourth …, the second, fifth …
    places = [*((COMMIT, first, 3) for first in (1, 2, 3)), *((call, 1, 1) for call in CALLS)]

    def work(lane: Lane, job: tuple[tuple[str, int, int], Side]) -> list[str]:
        (point, first, step), side = job
        ends: list[str] = []
        for at in itertools.count(first, step):
            rough = lane.run(pipelines, itertools.chain([Death(at, side, "killed", point)], itertools.repeat(None)))
            assert rough.outcomes == [calm], f"killed {side} {point} number {at}"
            assert rough.doubled == [], f"killed {side} {point} number {at}"
            ends += rough.ends
            if not rough.ends:
                break
        return ends

    ends = in_lanes(lanes, itertools.product(places, sides), work)
    print(*ends.most_common(), sep="\n")
    assert {f"killed {side} {point}" for side in sides for point in [COMMIT, *CALLS]} == ends.keys()
