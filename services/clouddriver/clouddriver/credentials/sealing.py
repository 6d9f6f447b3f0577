"""What is secret in a stored definition, sealed: who reads the table, or a backup of it, reads no secret.

The key is made of `credentials.encryptionKey`, or of `identity.secret` where there is none (HKDF-SHA256); the seal
is Fernet's (AES-128-CBC with HMAC-SHA256). A reference to a secret is no secret, and is kept as it is.
"""

import base64
from typing import Any

from kork.documents import Document
from kork.secrets import is_reference

SEALED = "sealed:v1:"
REDACTED = "**redacted**"
SECRET_KEYS = frozenset({"token", "kubeconfigContents"})


class SealBroken(Exception):
    """Something sealed can't be read: it was sealed with another key."""


class Sealer:
    """Seals and opens texts with a key made of `secret`."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def seal(self, document: Document) -> Document:
        """Give a definition with its secrets sealed."""
        return {key: self._sealed(value) if is_secret(key, value) else value for key, value in document.items()}

    def open(self, document: Document) -> Document:
        """Give a definition as it was before `seal`. Raises `SealBroken`."""
        return {key: self._opened(value) if is_sealed(value) else value for key, value in document.items()}

    def _sealed(self, value: str) -> str:
        return SEALED + self._fernet().encrypt(value.encode()).decode()

    def _opened(self, value: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(value.removeprefix(SEALED).encode()).decode()
        except InvalidToken as error:
            raise SealBroken from error

    def _fernet(self) -> Any:
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"gennaker account definitions")
        return Fernet(base64.urlsafe_b64encode(derive.derive(self._secret.encode())))


def is_sealed(value: Any) -> bool:
    """Say whether a value of a stored definition is sealed."""
    return isinstance(value, str) and value.startswith(SEALED)


def is_secret(key: str, value: Any) -> bool:
    """Say whether a value of a definition is itself a secret: neither a reference to one, nor sealed already."""
    return key in SECRET_KEYS and isinstance(value, str) and bool(value) and not is_reference(value)


def redacted(document: Document) -> Document:
    """Give a definition as it may be shown."""
    return {key: REDACTED if is_secret(key, value) else value for key, value in document.items()}


def completed(document: Document, before: Document) -> Document:
    """Put the former secrets where a definition that was shown redacted comes back."""
    return {
        key: before.get(key, value) if key in SECRET_KEYS and value == REDACTED else value
        for key, value in document.items()
    }
