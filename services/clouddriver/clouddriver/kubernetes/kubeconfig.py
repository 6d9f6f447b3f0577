"""From an account's settings to a way into its cluster: address, trust, credentials.

Source of the forms: client-go's kubeconfig (v1) and the exec credential plugins of
`client.authentication.k8s.io`. Whatever is wrong is a `BadConfiguration` that names the file and the key.
"""

import os
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx2 as httpx
from kork.secrets import is_reference
from ruamel.yaml import YAML, YAMLError

from clouddriver.kubernetes.authentication import Basic, Bearer, Renewed, TokenFile
from clouddriver.kubernetes.errors import BadConfiguration
from clouddriver.kubernetes.exec_plugin import ExecPlugin
from clouddriver.kubernetes.google_token import GoogleServiceAccount
from clouddriver.kubernetes.origins import Origins
from clouddriver.kubernetes.secret_store import STORES
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from clouddriver.kubernetes.trust import as_file, trust

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Connection:
    """A way into a cluster. `namespace` is the context's own; `origins` are what it was made from."""

    server: str
    namespace: str
    origin: str
    verify: ssl.SSLContext
    auth: httpx.Auth | None = None
    proxy: str | None = None
    server_name: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    origins: Origins = field(default_factory=Origins)

    def changed(self) -> bool:
        """Say whether a file or a secret that this was made from is another one now."""
        return self.origins.changed()


def connect(settings: KubernetesAccountSettings) -> Connection:
    """Make the connection that the settings describe. Raises `BadConfiguration`."""
    origins = Origins(STORES)
    connection = _connection(settings, origins)
    if settings.proxy_url:
        connection = replace(connection, proxy=settings.proxy_url)
    if settings.o_auth_service_account:
        origins.file(settings.o_auth_service_account.expanduser())
        issuer = GoogleServiceAccount(settings.o_auth_service_account, settings.o_auth_scopes)
        connection = replace(connection, auth=Renewed(issuer))
    return connection


def default_connection() -> Connection:
    """Make the connection that kubectl would: `KUBECONFIG`, `~/.kube/config`, the pod's own service account."""
    return connect(KubernetesAccountSettings(name="default"))


def _connection(settings: KubernetesAccountSettings, origins: Origins) -> Connection:
    if settings.service_account:
        return _in_cluster(origins)
    if settings.url:
        return _by_token(settings, origins)
    if settings.kubeconfig_file:
        return _from_setting(settings.kubeconfig_file, settings.context, origins)
    if contents := settings.kubeconfig_contents:
        origin = "kubeconfigContents"
        if is_reference(contents):
            contents, origin = origins.secret(contents, origin), f"'{contents}'"
        return _from_text(contents, origin, None, settings.context, origins)
    default = _default_kubeconfig()
    if default is None:
        return _in_cluster(origins)
    return _from_file(default, settings.context, origins)


def _default_kubeconfig() -> Path | None:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    candidates = named or [Path.home() / ".kube" / "config"]
    return next((path for path in candidates if path.is_file()), named[0] if named else None)


def _in_cluster(origins: Origins) -> Connection:
    folder = SERVICE_ACCOUNT_FOLDER
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    token = folder / "token"
    if not host or not port or not token.is_file():
        raise BadConfiguration(
            "This account uses the service account of the pod, and this process doesn't run in a pod that has one.",
            "Give the account a 'kubeconfigFile', or run clouddriver in the cluster with a service account mounted.",
        )
    namespace = folder / "namespace"
    authority = folder / "ca.crt"
    origins.file(authority)
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        origin="the pod's service account",
        verify=trust(str(authority), None, insecure=False, origin="the pod's service account"),
        auth=TokenFile(token),
        origins=origins,
    )


def _by_token(settings: KubernetesAccountSettings, origins: Origins) -> Connection:
    origin = "the account's 'url'"
    authority = settings.certificate_authority_file
    if authority:
        origins.file(authority)
    return Connection(
        server=_server(settings.url, origin),
        namespace="default",
        origin=origin,
        verify=trust(
            str(authority) if authority else None, None, insecure=settings.insecure_skip_tls_verify, origin=origin
        ),
        auth=_token(settings, origins),
        origins=origins,
    )


def _token(settings: KubernetesAccountSettings, origins: Origins) -> httpx.Auth | None:
    if settings.token_file:
        return TokenFile(settings.token_file)
    token = settings.token
    if token and is_reference(token):
        token = origins.secret(token, "token").strip()
    return Bearer(token) if token else None


def _from_setting(named: str, context: str | None, origins: Origins) -> Connection:
    if is_reference(named):
        return _from_text(origins.secret(named, "kubeconfigFile"), f"'{named}'", None, context, origins)
    if named.startswith("configserver:"):
        raise BadConfiguration(
            f"'kubeconfigFile' is '{named}', and there is no Spring configuration server here.",
            "Name a file, or a secret such as 'secret://kubernetes/<namespace>/<name>/<key>'.",
        )
    return _from_file(Path(named), context, origins)


def _from_file(path: Path, context: str | None, origins: Origins) -> Connection:
    path = path.expanduser()
    origins.file(path)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadConfiguration(
            f"The kubeconfig {path} can't be read: {said}.",
            f"Put a kubeconfig at {path} that this process may read, or correct 'kubeconfigFile'.",
        ) from error
    return _from_text(text, str(path), path, context, origins)


def _from_text(text: str, origin: str, path: Path | None, context: str | None, origins: Origins) -> Connection:
    document = _parse(text, origin)
    return _Kubeconfig(document, origin, path, origins).connection(context)


def _parse(text: str, origin: str) -> dict[str, Any]:
    fix = f"Write a valid kubeconfig to {origin}; `kubectl config view --kubeconfig …` shows what kubectl makes of it."
    try:
        document: Any = YAML(typ="safe").load(text)
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        at = f" at line {where.line + 1}, column {where.column + 1}" if where else ""
        raise BadConfiguration(f"The kubeconfig {origin} is not YAML{at}.", fix) from error
    if not isinstance(document, dict):
        raise BadConfiguration(f"The kubeconfig {origin} holds no map of clusters, users and contexts.", fix)
    return cast(dict[str, Any], document)


class _Kubeconfig:
    """One kubeconfig document, and what is looked up in it."""

    def __init__(self, document: dict[str, Any], origin: str, path: Path | None, origins: Origins) -> None:
        self._document = document
        self._origin = origin
        self._path = path
        self._origins = origins

    def connection(self, context_name: str | None) -> Connection:
        name = context_name or str(self._document.get("current-context") or "")
        if not name:
            raise self._bad("has no 'current-context'", "set 'context' of the account to one of its contexts")
        context = self._entry("contexts", "context", name)
        cluster = self._entry("clusters", "cluster", str(context.get("cluster") or ""))
        user_name = str(context.get("user") or "")
        user = self._entry("users", "user", user_name) if user_name else {}
        verify = trust(
            self._file(cluster, "certificate-authority"),
            _text(cluster, "certificate-authority-data"),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            origin=self._origin,
        )
        self._present_certificate(verify, user)
        server = _server(cluster.get("server"), self._origin)
        return Connection(
            server=server,
            namespace=str(context.get("namespace") or "default"),
            origin=f"{self._origin}, context '{name}'",
            verify=verify,
            auth=self._authentication(user, user_name, cluster, server, verify),
            proxy=self._proxy(cluster),
            server_name=_text(cluster, "tls-server-name"),
            headers=_impersonation(user),
            origins=self._origins,
        )

    def _proxy(self, cluster: dict[str, Any]) -> str | None:
        proxy = _text(cluster, "proxy-url")
        if proxy and not proxy.startswith(("http://", "https://")):
            raise self._bad(f"has the 'proxy-url' '{proxy}', which is no HTTP proxy", "give an HTTP proxy (http://…)")
        return proxy

    def _authentication(
        self, user: dict[str, Any], name: str, cluster: dict[str, Any], server: str, verify: ssl.SSLContext
    ) -> httpx.Auth | None:
        if token_file := self._file(user, "tokenFile"):
            return TokenFile(Path(token_file))
        if token := _text(user, "token"):
            return Bearer(token)
        if isinstance(user.get("exec"), dict):
            folder = self._path.parent if self._path else None
            who = f"user '{name}' of {self._origin}"
            return Renewed(ExecPlugin(user["exec"], who, folder, cluster | {"server": server}, verify))
        if user.get("username") and user.get("password"):
            return Basic(str(user["username"]), str(user["password"]))
        if user.get("auth-provider"):
            raise self._bad(
                f"signs user '{name}' in by 'auth-provider', which Kubernetes has removed",
                "use an 'exec' plugin such as gke-gcloud-auth-plugin or kubelogin",
            )
        return None

    def _present_certificate(self, verify: ssl.SSLContext, user: dict[str, Any]) -> None:
        certificate, key = self._file(user, "client-certificate"), self._file(user, "client-key")
        inline, inline_key = _text(user, "client-certificate-data"), _text(user, "client-key-data")
        if not (certificate or inline):
            return
        if not (key or inline_key):
            raise self._bad("has a client certificate without its key", "add 'client-key' or 'client-key-data'")
        with ExitStack() as stack:
            certificate_file = as_file(stack, inline, self._origin) if inline else certificate
            key_file = as_file(stack, inline_key, self._origin) if inline_key else key
            try:
                verify.load_cert_chain(cast(str, certificate_file), key_file)
            except (OSError, ssl.SSLError) as error:
                raise self._bad(f"has a client certificate that can't be used ({error})", "renew it") from error

    def _entry(self, section: str, key: str, name: str) -> dict[str, Any]:
        listed: Any = self._document.get(section)
        entries = [cast(dict[str, Any], item) for item in _list(listed) if isinstance(item, dict)]
        for entry in entries:
            if entry.get("name") == name and isinstance(entry.get(key), dict):
                return cast(dict[str, Any], entry[key])
        known = ", ".join(f"'{entry.get('name')}'" for entry in entries) or "none"
        raise self._bad(f"has no {key} '{name}' (it has: {known})", f"add the {key}, or name one of these")

    def _file(self, section: dict[str, Any], key: str) -> str | None:
        named = _text(section, key)
        if not named:
            return None
        path = Path(named)
        if not path.is_absolute() and self._path is not None:
            path = self._path.parent / path
        self._origins.file(path)
        if not path.is_file():
            raise self._bad(f"names the file {path} as '{key}', and it is not there", "put it there")
        return str(path)

    def _bad(self, what: str, fix: str) -> BadConfiguration:
        return BadConfiguration(f"The kubeconfig {self._origin} {what}.", f"In {self._origin}: {fix}.")


def _impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    single = (("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")))
    groups = (("Impersonate-Group", group) for group in _list(user.get("as-groups")))
    extra: Any = user.get("as-user-extra")
    more = (
        (f"Impersonate-Extra-{quote(key, safe='')}", value)
        for key, values in (cast(dict[str, Any], extra) if isinstance(extra, dict) else {}).items()
        for value in _list(values)
    )
    return tuple((name, str(value)) for name, value in (*single, *groups, *more) if value)


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _text(section: dict[str, Any], key: str) -> str | None:
    value = section.get(key)
    return value if isinstance(value, str) and value else None


def _server(value: Any, origin: str) -> str:
    address = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise BadConfiguration(
            f"'{address}' in {origin} is no address of an API server.",
            f"In {origin}: give an address like https://host:6443.",
        )
    return address.rstrip("/")
