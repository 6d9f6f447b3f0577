"""What a connection was made from: files and secrets, looked at again to see whether they are others now."""

import hashlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from kork.secrets import SecretError, SecretStore, read_reference, resolve

from clouddriver.kubernetes.errors import BadConfiguration

_LOOK_AGAIN_SECONDS = 20.0

Stamp = tuple[str, int, int]


class Origins:
    """Collects what settings and kubeconfigs name while a connection is made, and then tells of changes.

    Files are looked at each time; secrets, which cost a question to their store, every 20 seconds at most.
    """

    def __init__(self, stores: Mapping[str, SecretStore] | None = None) -> None:
        self._stores = stores or {}
        self._stamps: list[Stamp] = []
        self._digests: dict[str, str] = {}
        self._lock = threading.Lock()
        self._looked = time.monotonic()

    def file(self, path: Path) -> None:
        """Note that a file was read, or looked for."""
        self._stamps.append(_stamp(path))

    def secret(self, text: str, key: str) -> str:
        """Fetch the secret that the setting `key` refers to. Raises `BadConfiguration`."""
        try:
            reference = read_reference(text)
            if reference.store == "file":
                self.file(Path(reference.path or reference.parameter("p", "path")).expanduser())
            value = resolve(text, self._stores)
        except SecretError as error:
            raise BadConfiguration(str(error), f"Correct '{key}' of the account, or put the secret there.") from error
        if reference.store != "file":
            self._digests[text] = _digest(value)
        return value

    def changed(self) -> bool:
        """Say whether something is another one now. A secret that can't be fetched just now counts as the same."""
        if any(_stamp(Path(stamp[0])) != stamp for stamp in self._stamps):
            return True
        with self._lock:
            if not self._digests or time.monotonic() - self._looked < _LOOK_AGAIN_SECONDS:
                return False
            self._looked = time.monotonic()
        return any(self._is_another(text, digest) for text, digest in self._digests.items())

    def _is_another(self, text: str, digest: str) -> bool:
        try:
            return _digest(resolve(text, self._stores)) != digest
        except SecretError:
            return False


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), status.st_mtime_ns, status.st_size)
