"""References to secrets: what settings say instead of the secret itself; resolved when it is used, never kept.

Forms: `secret://<store>/<path>` and `secret://<store>?k=v&…`; Spinnaker's `encrypted:<store>!k:v!…` and
`encryptedFile:<store>!k:v!…`. Stores that are always there:

- `env`: `secret://env/NAME`, `encrypted:env!n:NAME`
- `file`: `secret://file/relative`, `secret://file//absolute/path`, `encryptedFile:file!p:/absolute/path`
- `noop`: `encrypted:noop!v:literal` (Spinnaker's, for tests)

A service adds stores of its own (clouddriver: `kubernetes`).

Source of the forms: Spinnaker's kork, secret engines and user secrets.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

_USER_SECRET = "secret://"
_ENCRYPTED = ("encryptedFile:", "encrypted:")
_ALIASES = {
    "k8s": "kubernetes",
    "secrets-manager": "aws-secrets-manager",
    "google-secrets-manager": "gcp-secret-manager",
}


class SecretError(Exception):
    """A reference can't be resolved; the message says which, why and what to do. It never has the secret."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A reference, taken apart: `path` is what follows the store in `secret://store/path`, else empty."""

    text: str
    store: str
    path: str
    parameters: Mapping[str, str]

    def parameter(self, *names: str) -> str:
        """Give the parameter of one of these names. Raises `SecretError` when there is none."""
        for name in names:
            if value := self.parameters.get(name):
                return value
        wanted = " or ".join(f"'{name}'" for name in names)
        raise SecretError(f"The secret reference '{self.text}' has no {wanted}.")


SecretStore = Callable[[SecretReference], str]


def is_reference(text: str) -> bool:
    """Say whether a setting's value stands for a secret that is kept elsewhere."""
    return text.startswith((_USER_SECRET, *_ENCRYPTED))


def read_reference(text: str) -> SecretReference:
    """Take a reference apart. Raises `SecretError` when it is malformed."""
    if text.startswith(_USER_SECRET):
        return _user_secret(text)
    for prefix in _ENCRYPTED:
        if text.startswith(prefix):
            return _encrypted(text, text.removeprefix(prefix))
    raise SecretError(f"'{text}' is no reference to a secret.")


def resolve(text: str, stores: Mapping[str, SecretStore] | None = None) -> str:
    """Fetch the secret that a reference names, from the common stores or the given ones. Raises `SecretError`."""
    reference = read_reference(text)
    known = {**COMMON_STORES, **(stores or {})}
    store = known.get(reference.store)
    if store is None:
        names = ", ".join(f"'{name}'" for name in sorted(known))
        raise SecretError(
            f"There is no secret store '{reference.store}' (in '{text}'). There are {names}: mount the secret as a "
            "file, give it in the environment, or keep it in a Kubernetes secret."
        )
    return store(reference)


def _user_secret(text: str) -> SecretReference:
    rest, _, query = text.removeprefix(_USER_SECRET).partition("?")
    store, _, path = rest.partition("/")
    return _made(text, store, unquote(path), dict(parse_qsl(query)))


def _encrypted(text: str, rest: str) -> SecretReference:
    store, *parts = rest.split("!")
    parameters: dict[str, str] = {}
    for part in parts:
        key, colon, value = part.partition(":")
        if not colon or key in parameters:
            fault = "is there twice" if colon else "has no ':'"
            raise SecretError(f"The secret reference '{text}' is malformed: '{key}' {fault}. Write {_SHAPE}.")
        parameters[key] = value
    return _made(text, store, "", parameters)


_SHAPE = "'encrypted:<store>!<key>:<value>!…'"


def _made(text: str, store: str, path: str, parameters: dict[str, str]) -> SecretReference:
    if not store or not (path or parameters):
        raise SecretError(
            f"The secret reference '{text}' is malformed: it needs a store and what to fetch from it. "
            f"Write 'secret://<store>/<path>' or {_SHAPE}."
        )
    return SecretReference(text, _ALIASES.get(store, store), path, parameters)


def _from_environment(reference: SecretReference) -> str:
    name = reference.path or reference.parameter("n", "name")
    value = os.environ.get(name)
    if value is None:
        raise SecretError(f"The secret '{reference.text}' is not there: no environment variable '{name}' is set.")
    return value


def _from_file(reference: SecretReference) -> str:
    path = Path(reference.path or reference.parameter("p", "path")).expanduser()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretError(f"The secret '{reference.text}' can't be read from {path}: {said}.") from error


def _literal(reference: SecretReference) -> str:
    return reference.parameter("v")


COMMON_STORES: Mapping[str, SecretStore] = {"env": _from_environment, "file": _from_file, "noop": _literal}
