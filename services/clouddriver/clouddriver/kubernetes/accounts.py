"""The accounts: what the settings name, each with its client and what it may touch."""

import threading
from collections.abc import Iterator

from kork.errors import NotFound

from clouddriver.kubernetes.client import KubernetesClient
from clouddriver.kubernetes.discovery import ServedKind
from clouddriver.kubernetes.kubeconfig import Connection, connect
from clouddriver.kubernetes.manifest import NATIVE_GROUPS
from clouddriver.kubernetes.settings import KubernetesAccountSettings, KubernetesSettings


class Account:
    """One account of a cluster. Making it does no I/O; the connection is made when first needed."""

    def __init__(self, settings: KubernetesAccountSettings, *, timeout: float = 30.0) -> None:
        self.settings = settings
        self.name = settings.name
        self._timeout = settings.kubectl_request_timeout_seconds or timeout
        self._lock = threading.Lock()
        self._client: KubernetesClient | None = None
        self._kinds = frozenset(kind.lower() for kind in settings.kinds)
        self._omitted = frozenset(kind.lower() for kind in settings.omit_kinds)

    @property
    def client(self) -> KubernetesClient:
        """The way to the cluster, made anew when the kubeconfig has changed. Raises `BadConfiguration`."""
        with self._lock:
            if self._client is None or self._client.connection.changed():
                # The former one is not closed: another thread may be using it. It closes when it is forgotten.
                self._client = KubernetesClient(connect(self.settings), timeout=self._timeout)
            return self._client

    def connection(self) -> Connection:
        """Give the connection as it is now. Raises `BadConfiguration`."""
        return self.client.connection

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def namespace_allowed(self, namespace: str) -> bool:
        """Say whether the account may touch a namespace; what is cluster-wide (empty) always passes."""
        if not namespace:
            return True
        if self.settings.namespaces:
            return namespace in self.settings.namespaces
        return namespace not in self.settings.omit_namespaces

    def kind_allowed(self, kind: str, group: str | None = None) -> bool:
        """Say whether the account may touch a kind (`Deployment`, `deployment.apps`, `Certificate.cert-manager.io`)."""
        names = {kind.lower(), kind.partition(".")[0].lower() if _is_native(kind) else kind.lower()}
        if group is not None:
            names.add(f"{kind}.{group}".lower())
            if group not in NATIVE_GROUPS:
                names.discard(kind.lower())
        if self._kinds:
            return bool(names & self._kinds)
        return not names & self._omitted

    def serves(self, served: ServedKind) -> bool:
        """Say whether the account may touch a kind that its cluster serves."""
        return self.kind_allowed(served.kind, served.group)


def _is_native(kind: str) -> bool:
    return kind.partition(".")[2].lower() in NATIVE_GROUPS


class Accounts:
    """All Kubernetes accounts, by name."""

    def __init__(self, settings: KubernetesSettings) -> None:
        enabled = [account for account in settings.accounts if account.enabled] if settings.enabled else []
        self._accounts = {
            account.name: Account(account, timeout=settings.request_timeout_seconds) for account in enabled
        }

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def __contains__(self, name: str) -> bool:
        return name in self._accounts

    def get(self, name: str) -> Account:
        """Give an account. Raises `NotFound` naming those that there are."""
        account = self._accounts.get(name)
        if account is None:
            known = ", ".join(f"'{known}'" for known in sorted(self._accounts)) or "none"
            raise NotFound(
                f"There is no account '{name}' (accounts: {known}). "
                "Accounts are named under 'kubernetes.accounts' in gennaker.yml."
            )
        return account

    def close(self) -> None:
        """Close all connections."""
        for account in self:
            account.close()
