"""The ways into a cluster: secrets kept elsewhere, programs that sign in, Google's keys, proxies."""

import base64
import json
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.authentication import Issued
from clouddriver.kubernetes.errors import BadConfiguration, KubernetesError, Unreachable
from clouddriver.kubernetes.kubeconfig import connect
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from joserfc import jwt
from joserfc.jwk import RSAKey
from kork.testing.peers import Reply, Request, serve
from ruamel.yaml import YAML
from testcluster import ClusterAccess, PolicyRule

READER: list[PolicyRule] = [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list"]}]


def account(**more: Any) -> Account:
    return Account(KubernetesAccountSettings.model_validate({"name": "main", **more}))


def loaded(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text())


def saved(path: Path, document: Any) -> Path:
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def kept_in_kubernetes(cluster: ClusterAccess, namespace: str, value: str) -> str:
    data = {"kubeconfig": base64.b64encode(value.encode()).decode()}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "data": data}
    )
    return f"secret://kubernetes/{namespace}/s/kubeconfig"


def test_a_kubeconfig_is_read_from_where_a_reference_says(
    cluster: ClusterAccess, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kubeconfig = cluster.service_account_kubeconfig(namespace, "reader", READER)
    text = kubeconfig.read_text()
    monkeypatch.setenv("TEST_KUBECONFIG", text)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    in_kubernetes = kept_in_kubernetes(cluster, namespace, text)
    for given in (
        {"kubeconfigFile": "encryptedFile:env!n:TEST_KUBECONFIG"},
        {"kubeconfigFile": f"encryptedFile:k8s!ns:{namespace}!n:s!k:kubeconfig"},
        {"kubeconfigContents": in_kubernetes},
        {"kubeconfigContents": f"secret://file/{kubeconfig}"},
        {"kubeconfigContents": text},
    ):
        one = account(**given)
        assert one.client.list("ConfigMap", namespace), given
        one.close()


def test_a_token_may_be_a_reference_too(cluster: ClusterAccess, namespace: str, tmp_path: Path):
    signed_in = loaded(cluster.service_account_kubeconfig(namespace, "reader", READER))
    authority = tmp_path / "ca.pem"
    authority.write_bytes(base64.b64decode(signed_in["clusters"][0]["cluster"]["certificate-authority-data"]))
    token = tmp_path / "token"
    token.write_text(signed_in["users"][0]["user"]["token"] + "\n")
    one = account(url=cluster.url, token=f"secret://file/{token}", certificateAuthorityFile=str(authority))
    assert one.client.list("ConfigMap", namespace)
    one.close()


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("secret://kubernetes/{namespace}/absent/key", "not found"),
        ("secret://kubernetes/{namespace}/s/absent", "no key 'absent'"),
        ("secret://kubernetes/s", "secret://kubernetes/<namespace>/<name>/<key>"),
        ("secret://vault/x", "no secret store 'vault'"),
        ("configserver:kubeconfig", "no Spring configuration server"),
    ],
)
def test_a_secret_that_is_not_there_is_named_with_what_to_do(
    cluster: ClusterAccess, namespace: str, monkeypatch: pytest.MonkeyPatch, reference: str, says: str
):
    monkeypatch.setenv("KUBECONFIG", str(cluster.service_account_kubeconfig(namespace, "reader", READER)))
    kept_in_kubernetes(cluster, namespace, "x")
    with pytest.raises(BadConfiguration, match=says) as raised:
        connect(account(kubeconfigFile=reference.format(namespace=namespace)).settings)
    assert raised.value.fix


PLUGIN = """
import json, os, pathlib, datetime
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
here = pathlib.Path(__file__).parent
with (here / "runs").open("a") as runs:
    runs.write("x")
(here / "asked").write_text(json.dumps(asked))
expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=float((here / "lifetime").read_text()))
status = {"token": (here / "token").read_text(), "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
print(json.dumps({"kind": "ExecCredential", "apiVersion": asked["apiVersion"], "status": status}))
"""


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_of_either_version_is_asked_once_and_again_when_its_token_is_revoked(
    cluster: ClusterAccess, namespace: str, tmp_path: Path, version: str
):
    signed_in = loaded(cluster.service_account_kubeconfig(namespace, "plugin", READER))
    good = signed_in["users"][0]["user"]["token"]
    program(tmp_path / "plugin", PLUGIN)
    (tmp_path / "lifetime").write_text("3600")
    (tmp_path / "token").write_text(good)
    api_version = f"client.authentication.k8s.io/{version}"
    signed_in["users"][0]["user"] = {
        "exec": {"apiVersion": api_version, "command": "./plugin", "provideClusterInfo": True}
    }
    one = account(kubeconfigFile=str(saved(tmp_path / "kubeconfig", signed_in)))
    assert one.client.list("ConfigMap", namespace)
    assert one.client.list("ConfigMap", namespace)
    assert (tmp_path / "runs").read_text() == "x"
    asked = json.loads((tmp_path / "asked").read_text())
    assert (asked["apiVersion"], asked["spec"]["cluster"]["server"]) == (api_version, cluster.url)
    one.close()


@pytest.mark.parametrize(
    ("lifetime", "pause"),
    [(timedelta(hours=1), timedelta(minutes=59)), (timedelta(seconds=50), timedelta(seconds=40))],
)
def test_credentials_are_renewed_before_they_run_out(lifetime: timedelta, pause: timedelta):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Issued("t", now + lifetime).renew_at(now) == now + pause


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(hours=1)])
def test_credentials_that_look_old_by_another_clock_are_not_asked_for_at_each_request(ago: timedelta):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    renewal = Issued("t", now - ago).renew_at(now)
    assert renewal is not None
    assert renewal > now
    assert Issued("t", None).renew_at(now) is None


@pytest.mark.parametrize(
    ("spec", "script", "says"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "", "not spoken any more"),
        ({"interactiveMode": "Always"}, "", "wants to talk to a person"),
        ({}, 'print(\'{"status": {"x": 1}}\')', "neither a token nor a certificate"),
        ({}, 'print(\'{"apiVersion": "v9", "status": {"token": "x"}}\')', "answered as 'v9'"),
        ({"command": "./absent", "installHint": "get it from the shop"}, "", "is not here"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(tmp_path: Path, spec: dict[str, Any], script: str, says: str):
    program(tmp_path / "plugin", script)
    exec_spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", **spec}
    path = saved(tmp_path / "kubeconfig", kubeconfig("https://127.0.0.1:1", {"exec": exec_spec}))
    one = account(kubeconfigFile=str(path))
    with pytest.raises(BadConfiguration, match=says):
        one.client.version()
    one.close()


def kubeconfig(server: str, user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }


def test_an_administrator_acts_as_somebody_else_with_the_groups_that_are_named(
    cluster: ClusterAccess, namespace: str, tmp_path: Path
):
    signed_in = loaded(cluster.kubeconfig)
    signed_in["users"][0]["user"] |= {
        "as": "alice",
        "as-groups": ["readers", "writers"],
        "as-user-extra": {"a/b": ["c"]},
    }
    one = account(kubeconfigFile=str(saved(tmp_path / "kubeconfig", signed_in)))
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    me = one.client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", None, body)["status"][
        "userInfo"
    ]
    assert (me["username"], set(me["groups"]) >= {"readers", "writers"}) == ("alice", True)
    assert me["extra"] == {"a/b": ["c"]}
    with pytest.raises(KubernetesError) as raised:
        one.client.list("ConfigMap", namespace)
    assert raised.value.status == 403
    one.close()


def google_key(path: Path, token_uri: str) -> RSAKey:
    key = RSAKey.generate_key(2048)
    private = key.as_pem(private=True).decode()
    path.write_text(json.dumps({"client_email": "ci@example.com", "private_key": private, "token_uri": token_uri}))
    return key


def test_a_google_service_accounts_key_is_exchanged_for_a_token(cluster: ClusterAccess, namespace: str, tmp_path: Path):
    signed_in = loaded(cluster.service_account_kubeconfig(namespace, "google", READER))
    good = signed_in["users"][0]["user"].pop("token")

    def issue(request: Request) -> Reply:
        return 200, {"access_token": good, "expires_in": 3600}

    with serve(issue) as google:
        key = google_key(tmp_path / "key.json", f"{google.url}/token")
        one = account(
            kubeconfigFile=str(saved(tmp_path / "kubeconfig", signed_in)),
            oAuthServiceAccount=str(tmp_path / "key.json"),
            oAuthScopes=["scope-a", "scope-b"],
        )
        assert one.client.list("ConfigMap", namespace)
        one.client.list("ConfigMap", namespace)
        one.close()
    [asked] = google.requests
    assertion = asked.content.decode().partition("assertion=")[2]
    claims = jwt.decode(assertion, key, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["scope"], claims["aud"]) == (
        "ci@example.com",
        "scope-a scope-b",
        f"{google.url}/token",
    )


def test_a_google_key_that_is_refused_says_what_google_said(tmp_path: Path):
    with serve(lambda _: (400, {"error": "invalid_grant", "error_description": "Account is disabled"})) as google:
        google_key(tmp_path / "key.json", google.url)
        path = saved(tmp_path / "kubeconfig", kubeconfig("https://127.0.0.1:1", {}))
        one = account(kubeconfigFile=str(path), oAuthServiceAccount=str(tmp_path / "key.json"))
        with pytest.raises(BadConfiguration, match="Account is disabled"):
            one.client.version()
        one.close()


class Proxy:
    """An HTTP proxy that knows CONNECT: its address, and where it was asked to connect to."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connected_to: list[str] = []

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += client.recv(4096)
        method, target, _ = asked.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT"
        self.connected_to.append(target)
        host, _, port = target.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        other_way = threading.Thread(target=_pump, args=(server, client), daemon=True)
        other_way.start()
        _pump(client, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


@contextmanager
def proxying() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener)
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("where", ["kubeconfig", "account"])
def test_an_api_server_is_reached_through_a_proxy(cluster: ClusterAccess, namespace: str, tmp_path: Path, where: str):
    signed_in = loaded(cluster.service_account_kubeconfig(namespace, "reader", READER))
    with proxying() as proxy:
        more: dict[str, Any] = {}
        if where == "kubeconfig":
            signed_in["clusters"][0]["cluster"]["proxy-url"] = proxy.url
        else:
            more["proxyUrl"] = proxy.url
        one = account(kubeconfigFile=str(saved(tmp_path / "kubeconfig", signed_in)), **more)
        assert one.client.list("ConfigMap", namespace)
        assert set(proxy.connected_to) == {cluster.url.removeprefix("https://")}
        one.close()


def test_a_proxy_that_is_away_or_no_http_proxy_is_said(tmp_path: Path):
    path = saved(tmp_path / "kubeconfig", kubeconfig("https://127.0.0.1:1", {"token": "t"}))
    one = account(kubeconfigFile=str(path), proxyUrl="http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        one.client.version()
    one.close()
    saved(path, kubeconfig("https://127.0.0.1:1", {"token": "t"}, **{"proxy-url": "socks5://127.0.0.1:1"}))
    with pytest.raises(BadConfiguration, match="no HTTP proxy"):
        connect(account(kubeconfigFile=str(path)).settings)


def test_a_kubeconfig_kept_in_a_file_reference_is_read_anew_when_it_changes(
    cluster: ClusterAccess, namespace: str, tmp_path: Path
):
    path = tmp_path / "kubeconfig"
    stranger = loaded(cluster.service_account_kubeconfig(namespace, "reader", READER))
    stranger["users"][0]["user"]["token"] = "wrong"
    saved(path, stranger)
    one = account(kubeconfigContents=f"secret://file/{path}")
    with pytest.raises(KubernetesError) as raised:
        one.client.version()
    assert raised.value.status == 401
    path.write_text(cluster.service_account_kubeconfig(namespace, "reader", READER).read_text())
    assert one.client.list("ConfigMap", namespace)
    one.close()
