"""The store of what is watched: the newest version wins in any order; leases; freshness."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.board import Board
from clouddriver.kubernetes.discovery import ServedKind
from clouddriver.kubernetes.health import AccountHealth, ScopeStanding, ScopeState
from clouddriver.kubernetes.inflow import Inflow
from clouddriver.kubernetes.leases import AccountLeases
from clouddriver.kubernetes.manifest import ResourceRef, without_secrets
from clouddriver.kubernetes.reflector import Reflector
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from clouddriver.kubernetes.states import AccountStates
from clouddriver.kubernetes.watch import Scope, WatchClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kork.background import background
from kork.database import Database
from kork.settings import DatabaseSettings
from kork.testing.databases import migrated
from kork.testing.peers import Reply, Request, serve
from sqlalchemy import text
from testcluster import ClusterAccess

MAPS = Scope(ServedKind("ConfigMap", "", "v1", "configmaps", True, frozenset({"list", "watch"})))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    with migrated(DatabaseSettings(url=postgres_url), "clouddriver") as database:
        yield database


@pytest.fixture
def store(database: Database) -> ResourceStore:
    return ResourceStore(database)


def config_map(version: int, *, name: str = "m", uid: str = "u", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version), **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"version": str(version)}}


REF = ResourceRef(kind="configMap", group=None, namespace="ns", name="m")


def version_of(store: ResourceStore) -> str | None:
    found = store.get("a", REF)
    return None if found is None else found["data"]["version"]


Event = tuple[int, str, bool]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """What happened to one name (version, uid, deleted), and the same events in the order in which they arrive."""
    happened: list[Event] = []
    uid = 0
    for version in range(1, draw(st.integers(1, 8)) + 1):
        deleted = draw(st.booleans())
        happened.append((version, f"uid-{uid}", deleted))
        uid += deleted
    arriving = draw(st.permutations(happened + draw(st.lists(st.sampled_from(happened), max_size=4))))
    return happened, arriving


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), data=st.data())
def test_the_newest_version_wins_in_whatever_order_and_batches_events_arrive(
    store: ResourceStore, database: Database, history: tuple[list[Event], list[Event]], data: st.DataObject
):
    with database.begin() as connection:
        connection.execute(text("TRUNCATE resource"))
    happened, arriving = history
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        batch, arriving = arriving[:size], arriving[size:]
        store.put_all(
            "a",
            [config_map(version, uid=uid) for version, uid, deleted in batch if not deleted],
            deleted=[config_map(version, uid=uid) for version, uid, deleted in batch if deleted],
        )
    version, _, deleted = happened[-1]
    assert version_of(store) == (None if deleted else str(version))


def test_a_full_list_removes_what_it_did_not_have_but_not_what_came_meanwhile(store: ResourceStore):
    store.put_all("a", [config_map(1, name="vanished", uid="1"), config_map(2, name="listed", uid="2")])
    store.put_all("a", [config_map(3, name="elsewhere", uid="3", namespace="other")])
    listed_at = store.now()
    store.put_all("a", [config_map(9, name="meanwhile", uid="9")])
    assert store.remove_vanished("a", "", "ConfigMap", "ns", ["2"], listed_at) == 1
    names = {resource.manifest["metadata"]["name"] for resource in store.list()}
    assert names == {"listed", "elsewhere", "meanwhile"}


def test_a_server_that_was_restored_from_a_backup_is_believed_by_its_lists(store: ResourceStore):
    store.put_all("a", [config_map(1000)])
    listed_at = store.now()
    store.put_all("a", [config_map(7)])
    assert version_of(store) == "1000"
    store.put_all("a", [config_map(7)], listed_at=listed_at)
    assert version_of(store) == "7"


def test_a_write_through_is_kept_only_where_its_kind_is_watched(store: ResourceStore, database: Database):
    states = AccountStates(database)
    store.put("a", config_map(1))
    assert version_of(store) is None
    leases = AccountLeases(database, "me")
    leases.renew(["a"])
    states.report("a", AccountHealth("UP"), [ScopeStanding(MAPS, ScopeState.SYNCING)])
    store.put("a", config_map(1))
    assert (version_of(store), store.known("a", REF).fresh) == ("1", False)
    states.report("a", AccountHealth("UP"), [ScopeStanding(MAPS, ScopeState.WATCHING)])
    assert store.known("a", REF).fresh
    leases.renew(["a"], watching=["a"])
    assert store.known("a", REF).fresh
    leases.renew(["a"])
    assert (store.known("a", REF).fresh, states.read(["a"])["a"].health.status) == (False, "DEGRADED")
    states.report("a", AccountHealth("UP"), [ScopeStanding(MAPS, ScopeState.WATCHING)])
    assert store.known("a", REF).fresh
    leases.leave()
    assert not store.known("a", REF).fresh


def test_a_removal_of_an_object_that_was_made_anew_meanwhile_does_nothing(store: ResourceStore):
    store.put_all("a", [config_map(5, uid="new")])
    store.remove("a", REF, uid="old")
    assert version_of(store) == "5"
    store.remove("a", REF, uid="new")
    assert version_of(store) is None
    store.put_all("a", [config_map(5, uid="new")])
    assert version_of(store) is None


def test_lists_narrow_by_what_is_asked(store: ResourceStore):
    moniker = {"moniker.spinnaker.io/application": "Shop", "moniker.spinnaker.io/cluster": "configMap m"}
    store.put_all("a", [config_map(1, annotations=moniker), config_map(2, name="other-thing", uid="v")])
    store.put_all("b", [config_map(3, ownerReferences=[{"uid": "owner"}])])
    assert len(store.list(application="shop")) == 1
    assert store.list(application="shop")[0].moniker.cluster == "configMap m"
    assert [r.account for r in store.list(owners=["owner"])] == ["b"]
    assert len(store.list(accounts=["a"], kinds=["cm"], namespaces=["ns"])) == 2
    assert store.clusters(["ConfigMap"], application="SHOP") == [("Shop", "a", "configMap m")]


def test_what_belongs_to_accounts_that_are_no_more_is_dropped(store: ResourceStore):
    store.put_all("a", [config_map(1)])
    store.put_all("b", [config_map(1)], deleted=[config_map(2, name="gone")])
    assert store.purge(["b"], deleted_for_seconds=600) == 1
    assert store.purge(["b"], deleted_for_seconds=0) == 1
    assert [resource.account for resource in store.list()] == ["b"]


async def test_an_object_that_postgres_refuses_does_not_keep_the_others_out(
    store: ResourceStore, wait_until_async: Callable[..., Any]
):
    inflow = Inflow("a", store)
    refused = config_map(1, name="refused", uid="\0")
    for manifest in (
        refused,
        config_map(2, name="fine", uid="2", annotations={"moniker.spinnaker.io/cluster": "a\0b"}),
    ):
        await inflow.put(manifest)
    async with background(inflow.run()):
        await wait_until_async(lambda: len(store.list()) == 1)
    assert store.list()[0].manifest["metadata"]["name"] == "fine"


def test_what_a_secret_holds_is_taken_off_and_the_argument_stays():
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "data": {"a": "eA=="},
        "stringData": {"a": "x"},
        "metadata": {
            "name": "s",
            "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x", "kept": "y"},
        },
    }
    assert without_secrets(secret) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "s", "annotations": {"kept": "y"}},
    }
    assert "data" in secret


class ForgetfulApiServer:
    """An API server that has forgotten the past: it answers every watch from before version 50 with 410."""

    def __init__(self) -> None:
        self.lists = 0

    def reply(self, request: Request) -> Reply:
        if "watch" not in request.query:
            self.lists += 1
            version, name = ("10", "before") if self.lists == 1 else ("50", "after")
            listed = config_map(int(version), name=name, uid=name)
            return self._lines({"metadata": {"resourceVersion": version}, "items": [listed]})
        match request.query["resourceVersion"]:
            case "10":
                return self._lines({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
            case "50":
                bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "60"}}}
                return self._lines({"type": "ADDED", "object": config_map(51, name="added", uid="added")}, bookmark)
            case _:
                return self._lines({"type": "ADDED", "object": config_map(61, name="resumed", uid="resumed")})

    def _lines(self, *documents: dict[str, Any]) -> Reply:
        return 200, b"".join(json.dumps(document).encode() + b"\n" for document in documents)


async def test_a_version_that_is_too_old_means_a_new_list_and_a_bookmark_moves_it_on(
    store: ResourceStore, wait_until_async: Callable[..., Any]
):
    forgetful = ForgetfulApiServer()

    def names() -> set[str]:
        return {resource.manifest["metadata"]["name"] for resource in store.list()}

    with serve(forgetful.reply) as server:
        account = Account(KubernetesAccountSettings.model_validate({"name": "a", "url": server.url}))
        client, inflow = WatchClient(account.connection()), Inflow("a", store)
        reflector = Reflector(account, client, MAPS, store, inflow, Board())
        async with background(inflow.run(), reflector.run()):
            await wait_until_async(lambda: names() == {"after", "added", "resumed"})
        assert forgetful.lists == 2
        await client.close()
        account.close()


async def test_pages_of_a_list_are_all_read(cluster: ClusterAccess, namespace: str):
    cluster.apply(
        *(
            config_map(0, name=f"m-{n}", uid="") | {"metadata": {"name": f"m-{n}", "namespace": namespace}}
            for n in range(120)
        )
    )
    settings = KubernetesAccountSettings.model_validate({"name": "a", "kubeconfigFile": str(cluster.kubeconfig)})
    account = Account(settings)
    client = WatchClient(account.connection())
    pages = [page async for page in client.pages(Scope(MAPS.served, namespace))]
    names = [manifest["metadata"]["name"] for page in pages for manifest in page.manifests]
    assert len(pages) > 1
    assert {f"m-{n}" for n in range(120)} <= set(names)
    assert len(names) == len(set(names))
    await client.close()
    account.close()
