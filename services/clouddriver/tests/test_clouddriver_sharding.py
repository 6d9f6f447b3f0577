"""Accounts are shared evenly among caches: when one joins, leaves or dies; and who lost an account writes nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from clouddriver.credentials.known import known_accounts
from clouddriver.kubernetes.cache import Cache
from clouddriver.kubernetes.health import AccountHealth
from clouddriver.kubernetes.leases import AccountLeases, LeaseLost, quotas
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.settings import ClouddriverSettings
from hypothesis import given
from hypothesis import strategies as st
from kork.background import background
from kork.database import Database
from kork.settings import DatabaseSettings
from kork.testing.databases import migrated
from ruamel.yaml import YAML
from sqlalchemy import text
from testcluster import ClusterAccess

Wait = Callable[..., Any]
ACCOUNTS = 20
ALL = [f"account-{number:02}" for number in range(ACCOUNTS)]
TAKES_OVER = 120.0


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    with migrated(DatabaseSettings(url=postgres_url), "clouddriver") as database:
        yield database


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 200)
)
def test_quotas_are_even_add_up_and_leave_the_odd_ones_where_they_are(held: dict[str, int], total: int):
    quota = quotas(held, total)
    assert sum(quota.values()) == total
    assert max(quota.values()) - min(quota.values()) <= 1
    assert all(quota[a] >= quota[b] for a in held for b in held if held[a] > held[b])
    assert quotas(quota, total) == quota


def test_nobody_shares_with_nobody():
    assert quotas({}, 3) == {}


def test_who_joins_gets_a_fair_part_and_who_leaves_gives_it_back(database: Database):
    one, two = AccountLeases(database, "one"), AccountLeases(database, "two")
    first = one.renew(ALL)
    assert (sorted(first.held), first.surplus) == (ALL, [])
    assert two.renew(ALL).held == {}
    surplus = one.renew(ALL, watching=ALL).surplus
    assert len(surplus) == ACCOUNTS // 2
    one.hand_over(surplus)
    assert sorted(two.renew(ALL).held) == sorted(surplus)
    kept = one.renew(ALL, watching=ALL)
    assert (len(kept.held), kept.surplus) == (ACCOUNTS // 2, [])
    assert all(first.held[name] == lease for name, lease in kept.held.items())
    one.leave()
    assert sorted(two.renew(ALL, watching=surplus).held) == ALL


def test_an_account_is_held_by_one_at_a_time(database: Database):
    one, two = AccountLeases(database, "one"), AccountLeases(database, "two")
    assert set(one.renew(["a"]).held) == {"a"}
    assert two.renew(["a"]).held == {}
    assert set(one.renew(["a"], watching=["a"]).held) == {"a"}
    one.leave()
    assert AccountStates(database).read(["a"])["a"].health.reason.startswith("No process watches")
    assert set(two.renew(["a"]).held) == {"a"}


def test_who_lost_an_account_writes_nothing_any_more(database: Database):
    one, two = AccountLeases(database, "one"), AccountLeases(database, "two")
    lease = one.renew(["a"]).held["a"]
    store, states = ResourceStore(database).under(lease), AccountStates(database).under(lease)
    store.put_all("a", [config_map("before")])
    one.leave()
    taken = two.renew(["a"]).held["a"]
    assert taken.fence > lease.fence
    for write in (
        lambda: store.put_all("a", [config_map("after")]),
        lambda: store.remove_vanished("a", "", "ConfigMap", "", [], store.now()),
        lambda: store.narrow("a", lambda *_: False),
        lambda: states.report("a", AccountHealth("UP"), []),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert [each.manifest["metadata"]["name"] for each in store.list(accounts=["a"])] == ["before"]
    assert AccountStates(database).read(["a"])["a"].health.status == "DEGRADED"
    ResourceStore(database).under(taken).put_all("a", [config_map("after")])


def test_nobody_takes_an_account_while_its_former_holder_is_writing(database: Database):
    one, two = AccountLeases(database, "one"), AccountLeases(database, "two")
    lease = one.renew(["a", "b"]).held["a"]
    one.leave()
    with database.begin() as writing:
        lease.check(writing)
        assert set(two.renew(["a", "b"]).held) == {"b"}
    assert set(two.renew(["a", "b"]).held) == {"a", "b"}


def test_an_account_that_was_forgotten_is_written_to_by_nobody(database: Database):
    lease = AccountLeases(database, "one").renew(["a"]).held["a"]
    store = ResourceStore(database)
    store.forget("a")
    with pytest.raises(LeaseLost):
        store.under(lease).put_all("a", [config_map("late")])
    assert AccountLeases(database, "one").renew(["a"]).held["a"].fence > lease.fence


def config_map(name: str, namespace: str = "ns") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def settings_of(cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str) -> dict[str, Any]:
    common = {"kubeconfigFile": str(cluster.kubeconfig), "namespaces": [namespace], "kinds": ["configMap"]}
    return {
        "database": {"url": postgres_url},
        "redis": {"url": redis_url},
        "kubernetes": {"cacheLeaseSeconds": 5, "accounts": [{"name": name, **common} for name in ALL]},
    }


def holders(database: Database) -> dict[str, int]:
    with database.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT owner, count(*) AS held FROM account_state "
                "WHERE leased_until > clock_timestamp() GROUP BY owner"
            )
        )
        return {row.owner: row.held for row in rows}


def seen_by(database: Database, name: str) -> set[str]:
    found = ResourceStore(database).list(kinds=["ConfigMap"], name=name)
    return {resource.account for resource in found}


def even(held: Mapping[str, int], processes: int) -> bool:
    return (
        sum(held.values()) == ACCOUNTS
        and sorted(held.values()) == sorted(quotas(held, ACCOUNTS).values())
        and len(held) == processes
    )


async def test_three_caches_share_twenty_accounts_and_share_anew_when_one_leaves_or_joins(
    cluster: ClusterAccess,
    namespace: str,
    database: Database,
    redis_url: str,
    wait_until_async: Wait,
):
    settings = ClouddriverSettings.model_validate(settings_of(cluster, namespace, database.settings.url, redis_url))

    @asynccontextmanager
    async def cache(owner: str) -> AsyncIterator[Cache]:
        accounts = known_accounts(settings, database)
        made = Cache(accounts, database, owner=owner)
        async with background(made.run()):
            yield made
        accounts.close()

    def watched(*caches: Cache) -> bool:
        lists = [each.watching() for each in caches]
        assert len(set().union(*lists)) == sum(map(len, lists)), "an account is watched twice"
        return (
            sorted(name for names in lists for name in names) == ALL
            and max(map(len, lists)) - min(map(len, lists)) <= 1
        )

    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(cache("one"))
        two = await stack.enter_async_context(cache("two"))
        await wait_until_async(lambda: watched(one, two))
        async with cache("three") as three:
            await wait_until_async(lambda: watched(one, two, three))
            await asyncio.to_thread(cluster.apply, plain("first", namespace))
            await wait_until_async(lambda: seen_by(database, "first") == set(ALL))
        await wait_until_async(lambda: watched(one, two))
        assert seen_by(database, "first") == set(ALL)
        await asyncio.to_thread(cluster.apply, plain("second", namespace))
        await wait_until_async(lambda: seen_by(database, "second") == set(ALL))


def plain(name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


@pytest.mark.timeout(400)
def test_when_a_cache_is_killed_or_frozen_the_others_take_over_and_no_object_is_missing(
    cluster: ClusterAccess, namespace: str, database: Database, redis_url: str, tmp_path: Path, wait_until: Wait
):
    file = tmp_path / "gennaker.yml"
    with file.open("w") as sink:
        YAML().dump(settings_of(cluster, namespace, database.settings.url, redis_url), sink)
    environment = os.environ | {"GENNAKER_CONFIG": str(file)}
    cluster.apply(plain("early", namespace))
    with ExitStack() as stack:
        caches = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-m", "clouddriver", "cache"], env=environment, stderr=log)
            )
            for log in (stack.enter_context((tmp_path / f"{number}.log").open("w")) for number in range(3))
        ]
        stack.callback(lambda: [cache.kill() for cache in caches])
        wait_until(lambda: even(holders(database), 3), timeout=TAKES_OVER)
        wait_until(lambda: seen_by(database, "early") == set(ALL), timeout=TAKES_OVER)
        caches[0].kill()
        caches[1].send_signal(signal.SIGSTOP)
        cluster.apply(plain("meanwhile", namespace))
        wait_until(lambda: even(holders(database), 1), timeout=TAKES_OVER)
        assert seen_by(database, "early") == set(ALL)
        wait_until(lambda: seen_by(database, "meanwhile") == set(ALL), timeout=TAKES_OVER)
        caches[1].send_signal(signal.SIGCONT)
        wait_until(lambda: even(holders(database), 2), timeout=TAKES_OVER)
        cluster.apply(plain("late", namespace))
        wait_until(lambda: seen_by(database, "late") == set(ALL), timeout=TAKES_OVER)
        assert seen_by(database, "early") == set(ALL)
        for cache in caches[1:]:
            cache.terminate()
        wait_until(lambda: holders(database) == {}, timeout=TAKES_OVER)
