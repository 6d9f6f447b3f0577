"""The accounts: what the settings name and what was defined since, each with its client and what it may touch."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kork.errors import BadRequest, NotFound
from kork.telemetry import log

from clouddriver.kubernetes.client import KubernetesClient
from clouddriver.kubernetes.discovery import ServedKind
from clouddriver.kubernetes.kubeconfig import Connection, connect
from clouddriver.kubernetes.manifest import NATIVE_GROUPS
from clouddriver.kubernetes.settings import KubernetesAccountSettings, KubernetesSettings

_log = log("clouddriver.accounts")

ACCOUNTS_CHANNEL = "clouddriver_accounts"


class Account:
    """One account of a cluster. Making it does no I/O; the connection is made when first needed."""

    def __init__(self, settings: KubernetesAccountSettings, *, timeout: float = 30.0, stored: bool = False) -> None:
        self.settings = settings
        self.name = settings.name
        self.stored = stored
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


@dataclass(frozen=True, slots=True)
class Defined:
    """The accounts that were defined at run time; `faults` says of those that can't be used why, by name."""

    accounts: Sequence[KubernetesAccountSettings] = ()
    faults: Mapping[str, str] = field(default_factory=dict[str, str])


class Definitions(Protocol):
    """Where accounts are defined at run time."""

    def generation(self) -> int:
        """Give a number that grows with each change."""
        ...

    def defined(self) -> Defined:
        """Read all definitions."""
        ...


class Accounts:
    """All Kubernetes accounts, by name. Thread-safe.

    Those of the settings are there from the start; those of `definitions` as `refresh` found them last. A name
    that both have is the settings' account.
    """

    def __init__(self, settings: KubernetesSettings, definitions: Definitions | None = None) -> None:
        self._timeout = settings.request_timeout_seconds
        enabled = [account for account in settings.accounts if account.enabled] if settings.enabled else []
        self._configured = {account.name: Account(account, timeout=self._timeout) for account in enabled}
        self._reserved = frozenset(account.name for account in settings.accounts)
        self._definitions = definitions if settings.enabled else None
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._accounts: Mapping[str, Account] = dict(self._configured)
        self._faults: Mapping[str, str] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._accounts.values()))

    def __contains__(self, name: str) -> bool:
        if name not in self._accounts:
            self.refresh()
        return name in self._accounts

    @property
    def faults(self) -> Mapping[str, str]:
        """Definitions that can't be used, with the reason, by the account's name."""
        return self._faults

    def is_configured(self, name: str) -> bool:
        """Say whether the settings have an account of that name, be it enabled or not."""
        return name in self._reserved

    def get(self, name: str) -> Account:
        """Give an account. Raises `NotFound` naming those that there are, `BadRequest` for a broken definition."""
        account = self._accounts.get(name)
        if account is None:
            self.refresh()
            account = self._accounts.get(name)
        if account is not None:
            return account
        if fault := self._faults.get(name):
            raise BadRequest(f"The account '{name}' can't be used: {fault}")
        known = ", ".join(f"'{known}'" for known in sorted(self._accounts)) or "none"
        raise NotFound(
            f"There is no account '{name}' (accounts: {known}). "
            "Accounts are named under 'kubernetes.accounts' in gennaker.yml, or added by "
            "`gennaker config provider kubernetes account add`."
        )

    def refresh(self) -> None:
        """Take up what was defined, changed and deleted since the last time. What stayed the same is left alone."""
        if self._definitions is None:
            return
        with self._lock:
            generation = self._definitions.generation()
            if generation == self._generation:
                return
            self._take_up(self._definitions.defined())
            self._generation = generation

    def _take_up(self, defined: Defined) -> None:
        accounts = dict(self._configured)
        for settings in defined.accounts:
            if settings.name in self._reserved:
                _log.warning("account.shadowed", account=settings.name, by="kubernetes.accounts in the settings")
            elif settings.enabled:
                accounts[settings.name] = self._kept_or_new(settings)
        self._faults = {name: fault for name, fault in defined.faults.items() if name not in self._reserved}
        self._accounts = accounts

    def _kept_or_new(self, settings: KubernetesAccountSettings) -> Account:
        known = self._accounts.get(settings.name)
        if known is not None and known.settings == settings:
            return known
        return Account(settings, timeout=self._timeout, stored=True)

    def close(self) -> None:
        """Close all connections."""
        for account in self:
            account.close()
