"""Accounts that are defined while the platform runs: rules, secrets, and that all processes take them up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.credentials.definitions import check_settings
from clouddriver.credentials.known import known_accounts
from clouddriver.credentials.sealing import REDACTED, SealBroken, Sealer, completed, redacted
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.errors import BadRequest
from kork.identity import Identity, Signer, identity_headers
from kork.testing.databases import migrated
from sqlalchemy import text
from testcluster import ClusterAccess

Wait = Callable[..., None]
KEY = "0123456789abcdef-test"


class Clouddriver:
    """One API of clouddriver, and its database to look into."""

    def __init__(self, api: TestClient, settings: ClouddriverSettings, database: Database) -> None:
        self.api = api
        self.settings = settings
        self.database = database

    def health(self, name: str) -> dict[str, Any]:
        return next((h for h in self.api.get("/accounts/health").json() if h["name"] == name), {})

    def known(self, kind: str, account: str) -> list[str]:
        with self.database.connect() as connection:
            rows = connection.execute(
                text("SELECT name FROM resource WHERE account = :account AND kind = :kind AND NOT deleted"),
                {"account": account, "kind": kind},
            )
            return list(rows.scalars())

    def rows(self, table: str, account: str) -> int:
        with self.database.connect() as connection:
            counting = text(f"SELECT count(*) FROM {table} WHERE account = :account")
            return connection.execute(counting, {"account": account}).scalar_one()


@pytest.fixture
def start(postgres_url: str, redis_url: str) -> Callable[..., Any]:
    @contextmanager
    def started(*, embedded: bool = False, key: str = KEY, **more: Any) -> Iterator[Clouddriver]:
        settings = ClouddriverSettings.model_validate(
            {
                "embedded": embedded,
                "database": {"url": postgres_url},
                "redis": {"url": redis_url},
                "identity": {"secret": key},
                **more,
            }
        )
        with (
            migrated(settings.database, "clouddriver") as database,
            TestClient(create_app(settings), headers=signed(Identity())) as api,
        ):
            yield Clouddriver(api, settings, database)

    return started


def signed(user: Identity) -> dict[str, str]:
    return identity_headers(user, Signer(KEY))


def definition(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "kubernetes", "name": name, "kubeconfigFile": "/absent", **more}


def test_a_definition_is_added_changed_listed_and_deleted_with_its_history(start: Any):
    with start() as one:
        assert one.api.post("/credentials", json=definition("b")).json() == definition("b")
        assert one.api.post("/credentials", json=definition("a", **{"@type": "kubernetes"})).status_code == 200
        assert one.api.put("/credentials", json=definition("b", namespaces=["x"])).status_code == 200
        assert one.api.put("/credentials/b", json=definition("b", namespaces=["y"])).status_code == 200
        listed = one.api.get("/credentials/type/kubernetes").json()
        assert [(each["name"], each.get("namespaces")) for each in listed] == [("a", None), ("b", ["y"])]
        page = one.api.get("/credentials/type/kubernetes", params={"startingAccountName": "b", "limit": 1}).json()
        assert [each["name"] for each in page] == ["b"]
        assert one.api.get("/credentials/type/aws").json() == []
        assert {each["name"] for each in one.api.get("/credentials").json()} == {"a", "b"}
        assert one.api.get("/credentials/b").json()["namespaces"] == ["y"]
        assert one.api.delete("/credentials/b").status_code == 200
        assert one.api.get("/credentials/b").status_code == 404
        history = one.api.get("/credentials/b/history").json()
        assert [(each["version"], (each["account"] or {}).get("namespaces")) for each in history] == [
            (4, None),
            (3, ["y"]),
            (2, ["x"]),
            (1, None),
        ]
        assert history[0]["account"] is None
        assert history[0]["lastModifiedAt"] >= history[1]["lastModifiedAt"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/credentials", definition("main"), 400, "already exists (name: main)"),
        ("PUT", "/credentials", definition("main"), 400, "gennaker.yml"),
        ("PUT", "/credentials/main", definition("main"), 400, "account edit main"),
        ("PUT", "/credentials/x", definition("y"), 400, "Mismatched account names"),
        ("PUT", "/credentials/absent", definition("absent"), 404, "Account not found (name: absent)"),
        ("DELETE", "/credentials/absent", None, 404, "Account not found (name: absent)"),
        ("DELETE", "/credentials/main", None, 400, "gennaker.yml"),
        ("GET", "/credentials/absent/history", None, 404, "does not exist"),
        ("GET", "/credentials/main/history", None, 404, "gennaker.yml"),
        ("POST", "/credentials", {"name": "x"}, 400, "'type' must be one of 'kubernetes', and it is missing"),
        ("POST", "/credentials", {"type": "titus"}, 400, "'name' must be the account's name"),
        ("POST", "/credentials", definition("x", namespace=["a"]), 400, "Did you mean 'namespaces'?"),
        ("POST", "/credentials", definition("../x"), 400, "'name'"),
        ("POST", "/credentials", [1], 400, "must be a JSON object"),
        ("POST", "/credentials", definition("x", kubeconfigContents=REDACTED), 400, "give the secret"),
        ("GET", "/credentials/type/kubernetes?limit=0", None, 400, "limit"),
    ],
)
def test_what_cannot_be_defined_is_refused_with_the_reason(
    start: Any, method: str, path: str, body: Any, status: int, says: str
):
    with start(kubernetes={"accounts": [{"name": "main", "kubeconfigFile": "/absent"}]}) as one:
        answer = one.api.request(method, path, json=body)
        assert (answer.status_code, says in answer.text) == (status, True), answer.text


def test_all_faults_are_named_at_once_and_no_secret_is_repeated():
    with pytest.raises(BadRequest) as raised:
        check_settings(
            {
                "name": "x",
                "namespaces": "a",
                "kindz": [],
                "customResources": [{"kubernetesKind": ""}],
                "token": 12345678,
            }
        )
    faults = raised.value.errors or []
    assert len(faults) == 4
    assert "12345678" not in str(faults)
    with pytest.raises(BadRequest) as raised:
        check_settings({"name": "x", "token": "hunter2xyz", "kubeconfigContents": "{hunter2xyz"})
    assert "hunter2xyz" not in f"{raised.value.message} {raised.value.errors}"
    with pytest.raises(BadRequest, match="is not YAML at line 1"):
        check_settings({"name": "x", "kubeconfigContents": "{hunter2xyz"})


def test_secrets_are_sealed_in_the_table_and_never_shown(start: Any):
    kubeconfig = "\n".join(
        (
            "clusters: [{name: k, cluster: {server: 'https://127.0.0.1:1'}}]",
            "users: [{name: u, user: {token: hunter2xyz}}]",
            "contexts: [{name: c, context: {cluster: k, user: u}}]",
            "current-context: c",
        )
    )
    given = {"type": "kubernetes", "name": "s", "kubeconfigContents": kubeconfig}
    with start() as one:
        shown = one.api.post("/credentials", json=given)
        assert shown.json()["kubeconfigContents"] == REDACTED
        changed = one.api.put("/credentials/s", json=shown.json() | {"namespaces": ["x"]})
        assert changed.status_code == 200
        read = known_accounts(one.settings, one.database).get("s").settings
        assert (read.kubeconfig_contents, read.namespaces) == (kubeconfig, ["x"])
        for path in (
            "/credentials/s",
            "/credentials/type/kubernetes",
            "/credentials/s/history",
            "/credentials?expand=1",
        ):
            assert "hunter2xyz" not in one.api.get(path).text
        with one.database.connect() as connection:
            stored = str(connection.execute(text("SELECT body::text FROM account_definition")).all())
        assert "hunter2xyz" not in stored
        assert "sealed:v1:" in stored


def test_a_seal_is_opened_by_its_key_only():
    document = {"name": "x", "token": "secret", "kubeconfigContents": "secret://env/X", "namespaces": ["a"]}
    sealed = Sealer("one").seal(document)
    assert sealed["token"].startswith("sealed:v1:")
    assert sealed["kubeconfigContents"] == "secret://env/X"
    assert Sealer("one").open(sealed) == document
    with pytest.raises(SealBroken):
        Sealer("two").open(sealed)
    assert completed(redacted(document), document) == document


def test_a_definition_that_cannot_be_opened_any_more_is_named_and_keeps_no_other_out(start: Any):
    with start() as one:
        one.api.post("/credentials", json=definition("fine"))
        one.api.post(
            "/credentials", json={"type": "kubernetes", "name": "s", "url": "https://127.0.0.1:1", "token": "x"}
        )
    with start(credentials={"encryptionKey": "another-key-than-before"}) as one:
        one.api.get("/credentials/fine").raise_for_status()
        assert "sealed with another key" in one.health("s")["reason"]
        assert "encryptionKey" in one.api.get("/credentials/s").json()["message"]
        assert "s" in one.api.get("/health").json()["components"]["kubernetes"]["details"]


def test_the_settings_account_wins_over_a_definition_of_the_same_name(start: Any):
    with start() as one:
        one.api.post("/credentials", json=definition("main", namespaces=["defined"]))
    with start(kubernetes={"accounts": [{"name": "main", "namespaces": ["configured"]}]}) as one:
        assert one.api.get("/credentials/main").json()["namespaces"] == ["configured"]
        assert one.api.delete("/credentials/main").status_code == 200
        assert one.api.get("/credentials/main").json()["namespaces"] == ["configured"]


@pytest.mark.parametrize(
    ("user", "managers", "status"),
    [
        (Identity(), [], 200),
        (Identity(), ["platform"], 403),
        (Identity("bob", roles=("dev",)), [], 403),
        (Identity("bob", roles=("Platform",)), ["platform"], 200),
        (Identity("root", admin=True), ["platform"], 200),
    ],
)
def test_accounts_are_managed_by_administrators_and_named_roles(
    start: Any, user: Identity, managers: list[str], status: int
):
    with start(credentials={"accountManagers": managers}) as one:
        headers = signed(user)
        assert one.api.post("/credentials", json=definition("a"), headers=headers).status_code == status
        assert one.api.get("/credentials/type/kubernetes", headers=headers).status_code == status
        expected = 200 if status == 200 else 403
        assert one.api.delete("/credentials/a", headers=headers).status_code == expected


def test_a_manager_keeps_to_accounts_of_his_roles_and_does_not_shut_himself_out(start: Any):
    with start(credentials={"accountManagers": ["platform"]}) as one:
        bob, root = signed(Identity("bob", roles=("platform",))), signed(Identity("root", admin=True))
        theirs = definition("theirs", permissions={"READ": ["team"], "WRITE": ["team"]})
        refused = one.api.post("/credentials", json=theirs, headers=bob)
        assert (refused.status_code, "shut you out" in refused.text) == (400, True)
        assert one.api.post("/credentials", json=theirs, headers=root).status_code == 200
        mine = definition("theirs", permissions={"WRITE": ["platform"]})
        assert one.api.put("/credentials", json=mine, headers=bob).status_code == 403
        assert one.api.delete("/credentials/theirs", headers=bob).status_code == 403
        assert one.api.get("/credentials/theirs/history", headers=bob).status_code == 403
        assert one.api.get("/credentials/type/kubernetes", headers=bob).json() == []


def test_what_is_defined_by_one_process_is_known_to_the_others_at_once(start: Any, wait_until: Wait):
    with start() as one, start() as other:
        one.api.post("/credentials", json=definition("new"))
        assert other.api.get("/credentials/new").status_code == 200
        one.api.put("/credentials/new", json=definition("new", namespaces=["later"]))
        wait_until(lambda: other.api.get("/credentials/new").json()["namespaces"] == ["later"])
        one.api.delete("/credentials/new")
        wait_until(lambda: other.api.get("/credentials/new").status_code == 404)


def test_a_worker_that_runs_already_works_with_an_account_as_it_is_defined_now(
    cluster: ClusterAccess, namespace: str, start: Any
):
    manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop", "namespace": namespace}}

    def deployed(one: Clouddriver) -> dict[str, Any]:
        description = {"account": "new", "manifests": [manifest], "moniker": {"app": "shop"}}
        asked = one.api.post("/kubernetes/ops", json=[{"deployManifest": description}]).json()
        runner.run(asked["id"])
        return one.api.get(asked["resourceUri"]).json()["status"]

    with start() as one:
        runner = OperationRunner(one.database, known_accounts(one.settings, one.database), one.settings.kubernetes)
        one.api.post("/credentials", json=definition("new"))
        assert deployed(one)["failed"]
        one.api.put("/credentials", json=definition("new", kubeconfigFile=str(cluster.kubeconfig)))
        assert not deployed(one)["failed"]
        assert cluster.kubectl("get", "serviceaccount", "shop", "-n", namespace).returncode == 0


def test_validating_keeps_nothing_and_tells_whether_the_cluster_answers(cluster: ClusterAccess, start: Any):
    with start() as one:
        good = definition("x", kubeconfigFile=str(cluster.kubeconfig))
        assert one.api.post("/credentials?validate=true", json=good).json()["health"]["status"] == "UP"
        bad = one.api.post("/credentials?validate=true", json=definition("x")).json()["health"]
        assert (bad["status"], "/absent" in bad["reason"]) == ("DOWN", True)
        assert one.api.get("/credentials").json() == []


def test_an_account_is_watched_as_soon_as_it_is_defined_follows_its_changes_and_is_forgotten(
    cluster: ClusterAccess, namespace: str, start: Any, wait_until: Wait
):
    def config_map(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}

    cluster.apply(config_map("shop"))
    given = definition("live", kubeconfigContents=cluster.kubeconfig.read_text(), namespaces=[namespace])
    del given["kubeconfigFile"]
    with start(embedded=True) as one:
        assert one.api.post("/credentials", json=given).status_code == 200
        wait_until(lambda: "shop" in one.known("configmap", "live"))
        wait_until(lambda: one.health("live").get("status") == "UP")
        assert one.known("serviceaccount", "live") == ["default"]
        assert one.api.put("/credentials", json=given | {"kinds": ["serviceAccount"]}).status_code == 200
        wait_until(lambda: one.known("configmap", "live") == [])
        wait_until(lambda: {kind["kind"] for kind in one.health("live")["kinds"]} == {"namespace", "serviceaccount"})
        assert one.known("serviceaccount", "live") == ["default"]
        assert one.api.delete("/credentials/live").status_code == 200
        wait_until(lambda: one.health("live") == {})
        cluster.apply(config_map("later"))
        for table in ("resource", "watched_kind", "account_state", "account_fence"):
            wait_until(lambda table=table: one.rows(table, "live") == 0)
