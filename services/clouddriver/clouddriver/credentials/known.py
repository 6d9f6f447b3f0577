"""All accounts that a process knows: those of its settings, and those in the database."""

from kork.database import Database
from kork.documents import Document
from kork.secrets import SecretError, is_reference, resolve
from kork.settings import model_faults
from kork.telemetry import log
from pydantic import ValidationError

from clouddriver.credentials.definitions import KUBERNETES
from clouddriver.credentials.sealing import SealBroken, Sealer
from clouddriver.credentials.store import DefinitionStore
from clouddriver.kubernetes.accounts import Accounts, Defined
from clouddriver.kubernetes.secret_store import STORES
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from clouddriver.settings import ClouddriverSettings

_log = log("clouddriver.accounts")


class StoredAccounts:
    """The Kubernetes accounts among the definitions; one that can't be read is a fault and keeps no other out."""

    def __init__(self, store: DefinitionStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def generation(self) -> int:
        """Give the number of the newest change."""
        return self._store.generation()

    def defined(self) -> Defined:
        """Read all definitions."""
        accounts: list[KubernetesAccountSettings] = []
        faults: dict[str, str] = {}
        for definition in self._store.list(KUBERNETES):
            try:
                accounts.append(self._read(definition.body or {}))
            except SealBroken:
                faults[definition.name] = (
                    "its secrets were sealed with another key. Set the former 'credentials.encryptionKey' "
                    "(or 'identity.secret'), or define the account anew."
                )
            except ValidationError as error:
                faults[definition.name] = " ".join(model_faults(KubernetesAccountSettings, error))
        for name, fault in faults.items():
            _log.error("account.definition_broken", account=name, fault=fault)
        return Defined(accounts, faults)

    def _read(self, body: Document) -> KubernetesAccountSettings:
        return KubernetesAccountSettings.model_validate(self._sealer.open(body))


def sealer_of(settings: ClouddriverSettings) -> Sealer:
    """Make the sealer with the key that the settings name. Raises `SettingsError`."""
    from kork.settings import SettingsError

    key = settings.credentials.encryption_key or settings.identity.secret
    try:
        return Sealer(resolve(key, STORES) if is_reference(key) else key)
    except SecretError as error:
        raise SettingsError(f"The setting 'credentials.encryptionKey' can't be used: {error}") from error


def known_accounts(settings: ClouddriverSettings, database: Database) -> Accounts:
    """Make the accounts of a process. Those in the database are there after the first `refresh`."""
    return Accounts(settings.kubernetes, StoredAccounts(DefinitionStore(database), sealer_of(settings)))
