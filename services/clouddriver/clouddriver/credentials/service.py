"""Defining accounts while the platform runs."""

from collections.abc import Sequence
from typing import Any

from kork.documents import Document
from kork.errors import BadRequest, Forbidden, NotFound
from kork.identity import Identity

from clouddriver.credentials.access import is_writer
from clouddriver.credentials.definitions import check_grants, check_settings, read_definition, shown
from clouddriver.credentials.sealing import SealBroken, Sealer, completed
from clouddriver.credentials.store import DefinitionStore, StoredDefinition
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.health import AccountHealth, diagnose
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesAccountSettings

_PROBE_SECONDS = 10.0


class DefinitionService:
    """Adds, changes and deletes accounts in the database; `managers` are the roles that may, beside administrators.

    What is done is in effect at once in this process, and in the others within moments.
    """

    def __init__(
        self,
        store: DefinitionStore,
        sealer: Sealer,
        accounts: Accounts,
        resources: ResourceStore,
        managers: Sequence[str],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._accounts = accounts
        self._resources = resources
        self._managers = frozenset(role.lower() for role in managers)

    def definitions(self, type_: str, user: Identity, *, starting_at: str, limit: int) -> list[Document]:
        """List the definitions of a type that the user may WRITE to, by name from `starting_at` on."""
        self._require_manager(user)
        found = [
            shown(definition.type, definition.body or {})
            for definition in self._store.list(type_, starting_at=starting_at)
            if _may_change(definition, user)
        ]
        return found[:limit]

    def history(self, name: str, user: Identity) -> list[Document]:
        """List the versions of an account's definition, the newest first. Raises `NotFound`."""
        self._require_manager(user)
        versions = self._store.history(name)
        if not versions:
            where = (
                "is defined in gennaker.yml, which keeps no versions" if name in self._accounts else "does not exist"
            )
            raise NotFound(f"The account '{name}' {where}.")
        if not _may_change(_last_body(versions), user):
            raise Forbidden(f"'{user.user}' may not WRITE to account '{name}'.")
        return [
            {
                "version": version.version,
                "lastModifiedAt": version.modified_at,
                "account": None if version.body is None else shown(version.type, version.body),
            }
            for version in versions
        ]

    def create(self, body: Document, user: Identity) -> Document:
        """Add an account. Raises `BadRequest` when there is one of that name, or with all that is wrong."""
        type_, name, settings = self._read(body, user)
        if self._exists(name):
            raise BadRequest(f"Cannot create an account which already exists (name: {name})")
        return self._write(name, type_, settings, user)

    def update(self, name: str, body: Document, user: Identity) -> Document:
        """Change the account that the path names. Raises `NotFound`, or `BadRequest` with all that is wrong."""
        type_, named, settings = self._read(body, user)
        if named != name:
            raise BadRequest(f"Mismatched account names. URL value: {name}. Body value: {named}.")
        self._require_stored(name)
        return self._write(name, type_, settings, user)

    def save(self, body: Document, user: Identity) -> Document:
        """Add or change an account. Raises `BadRequest` with all that is wrong."""
        type_, name, settings = self._read(body, user)
        if self._accounts.is_configured(name):
            self._require_stored(name)
        return self._write(name, type_, settings, user)

    def delete(self, name: str, user: Identity) -> None:
        """Delete an account and all that is known of its cluster. Raises `NotFound`."""
        self._require_manager(user)
        definition = self._require_stored(name)
        self._require_change(definition, user)
        self._store.write(name, definition.type, None, user.user)
        self._accounts.refresh()
        self._resources.forget(name)

    def validate(self, body: Document, user: Identity) -> Document:
        """Say what is wrong with a definition, and whether its cluster answers; nothing is kept."""
        type_, name, settings = self._read(body, user)
        _, read = self._checked(name, settings, user)
        health = _probe(read)
        about = {"status": health.status, "reason": health.reason or None, "fix": health.fix or None}
        return {"definition": shown(type_, settings), "health": about}

    def _read(self, body: Document, user: Identity) -> tuple[str, str, Document]:
        self._require_manager(user)
        return read_definition(body)

    def _write(self, name: str, type_: str, settings: Document, user: Identity) -> Document:
        before = self._store.find(name)
        if before is not None and before.body is not None:
            self._require_change(before, user)
        whole, _ = self._checked(name, settings, user)
        self._store.write(name, type_, self._sealer.seal(whole), user.user)
        self._accounts.refresh()
        return shown(type_, whole)

    def _checked(self, name: str, settings: Document, user: Identity) -> tuple[Document, KubernetesAccountSettings]:
        before = self._store.find(name)
        whole = completed(settings, self._opened(before))
        read = check_settings(whole)
        check_grants(read, user)
        return whole, read

    def _opened(self, definition: StoredDefinition | None) -> Document:
        if definition is None or definition.body is None:
            return {}
        try:
            return self._sealer.open(definition.body)
        except SealBroken:
            return {}

    def _exists(self, name: str) -> bool:
        definition = self._store.find(name)
        return self._accounts.is_configured(name) or (definition is not None and definition.body is not None)

    def _require_stored(self, name: str) -> StoredDefinition:
        definition = self._store.find(name)
        if definition is not None and definition.body is not None:
            return definition
        if self._accounts.is_configured(name):
            raise BadRequest(
                f"The account '{name}' is defined in gennaker.yml. Change it there, with "
                f"`gennaker config provider kubernetes account edit {name}`."
            )
        raise NotFound(f"Account not found (name: {name})")

    def _require_manager(self, user: Identity) -> None:
        # Nobody has authenticated: gate lets that through on loopback only.
        open_to_all = user.is_anonymous and not self._managers
        if not (user.admin or open_to_all or self._managers & {role.lower() for role in user.roles}):
            raise Forbidden(
                f"'{user.user}' may not manage accounts: that takes an administrator, or one of the roles under "
                "'credentials.accountManagers'."
            )

    def _require_change(self, definition: StoredDefinition, user: Identity) -> None:
        if not _may_change(definition, user):
            raise Forbidden(f"'{user.user}' may not WRITE to account '{definition.name}'.")


def _may_change(definition: StoredDefinition, user: Identity) -> bool:
    body = definition.body or {}
    permissions: Any = body.get("permissions")
    return is_writer(permissions, body.get("requiredGroupMembership"), user)


def _last_body(versions: Sequence[StoredDefinition]) -> StoredDefinition:
    return next((version for version in versions if version.body is not None), versions[0])


def _probe(settings: KubernetesAccountSettings) -> AccountHealth:
    account = Account(settings, timeout=_PROBE_SECONDS)
    try:
        account.client.rediscover()
    except KubernetesError as error:
        return diagnose(error, settings.name, settings.kubeconfig_file or "the account's settings")
    finally:
        account.close()
    return AccountHealth("UP")
