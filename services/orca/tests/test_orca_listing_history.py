"""Searches give each execution once and in order, however they are read from Postgres."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from kork.database import Database
from kork.errors import BadRequest
from kork.ids import new_ulid
from orca.execution.listing import Executions, Keep, Search
from orca.execution.model import Execution
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.pipelines import listing
from orca.pipelines.listing import PipelineLists
from orca.settings import OrcaSettings
from orca.testing.builders import pipeline, stage
from orca.testing.running import running_orca


@pytest.fixture(scope="module")
def settings(new_orca_settings: Callable[..., OrcaSettings]) -> OrcaSettings:
    return new_orca_settings()


@pytest.fixture(scope="module")
def database(settings: OrcaSettings) -> Iterator[Database]:
    database = Database(settings.database, schema="orca")
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def stored(database: Database) -> list[Execution]:
    """Executions of an application, in the order of lists: newest first, of the same time the latest id first."""
    made: list[Execution] = []
    with database.begin() as connection:
        for n in range(23):
            each = pipeline(stage("1"), status=Status.CANCELED if n % 5 == 0 else Status.SUCCEEDED)
            each.application, each.build_time, each.name = "history", 1000 + n // 4, f"pipeline {n % 3}"
            each.trigger = {"type": "git" if n % 4 == 0 else "manual", "eventId": f"event {n}", "parity": n % 2}
            ExecutionStore(connection).insert(each)
            made.append(each)
    return sorted(made, key=lambda each: (each.build_time, each.id), reverse=True)


def ids(executions: list[Execution]) -> list[str]:
    return [each.id for each in executions]


@pytest.mark.parametrize("page", [1, 2, 4, 22, 23, 24, 100])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_scan_gives_each_once_whatever_the_page(
    database: Database, stored: list[Execution], page: int, newest_first: bool
):
    wanted = Search("history", "PIPELINE", newest_first=newest_first)
    with database.connect() as connection:
        found = ids(list(Executions(connection).scan(wanted, most=1000, page=page)))
    assert found == ids(stored if newest_first else stored[::-1])


def test_a_scan_ends_where_it_has_to(database: Database, stored: list[Execution]):
    with database.connect() as connection:
        found = list(Executions(connection).scan(Search("history"), most=10, page=5))
    assert ids(found) == ids(stored[:10])


SEARCHES: list[tuple[dict[str, Any], Callable[[Execution], bool]]] = [
    ({"statuses": ["CANCELED"]}, lambda each: each.status is Status.CANCELED),
    ({"statuses": ["CANCELED", "SUCCEEDED"]}, lambda _: True),
    ({"statuses": ["RUNNING"]}, lambda _: False),
    ({"event_id": "event 7"}, lambda each: each.trigger["eventId"] == "event 7"),
    ({"trigger_types": ["git"]}, lambda each: each.trigger["type"] == "git"),
    ({"trigger_types": ["git", "manual"], "name": "pipeline 1"}, lambda each: each.name == "pipeline 1"),
    ({"since": 1002, "until": 1003}, lambda each: each.build_time in (1002, 1003)),
]


@pytest.mark.parametrize(("fields", "matches"), SEARCHES)
def test_a_search_finds_what_matches_in_order(
    database: Database, stored: list[Execution], fields: dict[str, Any], matches: Callable[[Execution], bool]
):
    with database.connect() as connection:
        found = Executions(connection).search(Search("history", "PIPELINE", **fields), offset=0, limit=100)
        second = Executions(connection).search(Search("history", "PIPELINE", **fields), offset=2, limit=3)
    expected = [each for each in stored if matches(each)]
    assert ids(found) == ids(expected)
    assert ids(second) == ids(expected)[2:5]


@pytest.mark.parametrize(("start", "size"), [(0, 10), (3, 4), (0, 100), (11, 5), (50, 5)])
def test_a_search_by_trigger_pages_through_what_matches(
    database: Database,
    settings: OrcaSettings,
    stored: list[Execution],
    start: int,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(listing, "_PAGE", 3)
    lists = PipelineLists(database, settings)
    trigger = base64.b64encode(orjson.dumps({"parity": 1, "eventId": "event .*"})).decode()
    wanted = lists.wanted("history", reverse=False, statuses=[])
    found = lists.search(wanted, trigger, start=start, size=size, expand=False)
    expected = [each.id for each in stored if each.trigger["parity"] == 1]
    assert [each["id"] for each in found] == expected[start : start + size]
    assert [len(each["stages"]) for each in found] == [1] * len(found)


@pytest.mark.parametrize("status", ["running", "x' OR true --", "", "SUCCEEDED'"])
def test_a_status_that_there_is_not_is_refused_and_never_becomes_sql(
    database: Database, settings: OrcaSettings, status: str
):
    with pytest.raises(BadRequest, match="There is no status"):
        PipelineLists(database, settings).wanted("history", reverse=False, statuses=[status])
    with database.connect() as connection, pytest.raises(ValueError):
        Executions(connection).search(Search(statuses=[status]), offset=0, limit=1)


def test_what_is_not_there_is_an_empty_list(database: Database):
    with database.connect() as connection:
        assert list(Executions(connection).scan(Search(new_ulid()), most=10, page=2)) == []


def incompressible(characters: int) -> str:
    return "".join(new_ulid() for _ in range(characters // 26 + 1))[:characters]


def test_what_users_write_is_found_however_long_it_is(database: Database):
    long = incompressible(9000)
    made = pipeline(stage("1"), status=Status.SUCCEEDED)
    made.application, made.name, made.trigger = "long", long, {"type": long, "eventId": long}
    with database.begin() as connection:
        ExecutionStore(connection).insert(made)
    exact: list[dict[str, Any]] = [{"name": long}, {"trigger_types": [long, "git"]}, {"event_id": long}]
    near: list[dict[str, Any]] = [{"name": long[:-1]}, {"trigger_types": [long[:100]]}, {"event_id": long + "x"}]
    with database.connect() as connection:
        executions = Executions(connection)
        for fields in exact:
            assert ids(executions.search(Search("long", "PIPELINE", **fields), offset=0, limit=9)) == [made.id]
        for fields in near:
            assert executions.search(Search("long", "PIPELINE", **fields), offset=0, limit=9) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"application": incompressible(256)}, "application"),
        ({"id": incompressible(3000)}, "id"),
        ({"trigger": {"type": "manual", "correlationId": incompressible(3000)}}, "correlationId"),
    ],
)
def test_what_executions_are_looked_up_by_has_a_longest_length(
    settings: OrcaSettings, changes: dict[str, Any], named: str
):
    with running_orca(settings, worker=False) as orca:
        answer = orca.client.post("/orchestrate", json={"application": "a", "name": "n", "stages": []} | changes)
    assert answer.status_code == 400
    assert named in answer.json()["message"]


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize(
    "statuses", [["RUNNING"], ["RUNNING", "SUSPENDED", "PAUSED", "NOT_STARTED"], ["RUNNING", "TERMINAL"]]
)
def test_the_latest_of_each_pipeline_are_those_of_the_status(database: Database, statuses: list[str], limit: int):
    application = new_ulid()
    made: list[Execution] = []
    with database.begin() as connection:
        for n in range(24):
            each = pipeline(stage("1"), status=list(Status)[n % 8], pipeline_config_id=f"{application}-{n % 3}")
            each.application, each.build_time = application, 1000 + n
            ExecutionStore(connection).insert(each)
            made.append(each)
    of_each: dict[str | None, list[Execution]] = {}
    for each in sorted((each for each in made if each.status in statuses), key=lambda each: -(each.build_time or 0)):
        of_each.setdefault(each.pipeline_config_id, []).append(each)
    expected = {each.id for found in of_each.values() for each in found[:limit]}
    with database.connect() as connection:
        executions = Executions(connection)
        keep = Keep(since=0, old=2)
        found = executions.latest_of_application(application, limit, statuses, keep, expand=False)
        assert set(ids(found)) == expected
        assert len(found) == len(expected)
        configs = [f"{application}-{n}" for n in range(3)]
        assert set(ids(executions.latest_of_pipelines(configs, limit, statuses, expand=False))) == expected
