"""The folder that keeps a platform's data: who uses it, its secret, its parts."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import IO

from gennaker.exits import PlatformError

DEFAULT_HOME = Path("~/.gennaker")
_LEAST_FREE_BYTES = 200 * 1024 * 1024
_POSTGRES_VERSION = "18"
_PARTS = ("postgres", "postgres.log", "redis", "logs", "run", "sandbox", "identity.secret")


class Home:
    """A platform's folder. Only one platform at a time may hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.postgres = self.path / "postgres"
        self.redis = self.path / "redis"
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        self.sandbox = self.path / "sandbox"
        self._lock: IO[str] | None = None

    def hold(self) -> None:
        """Make the folder and lock it for this process.

        Raises `PlatformError` when it can't be used: another platform holds it, it is no folder of ours, its
        disk is full.
        """
        try:
            for folder in (self.path, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise PlatformError(
                f"Another platform (process {holder}) runs on {self.path}. Stop it, or choose another with --home."
            ) from error
        self._lock = lock
        try:
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            self._check()
        except OSError as error:
            self.release()
            raise self._unusable(error) from error
        except PlatformError:
            self.release()
            raise

    def release(self) -> None:
        """Let another platform hold the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def reset(self) -> None:
        """Delete what platforms keep here; the folder must be held. What is not a platform's stays."""
        for name in _PARTS:
            part = self.path / name
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
        for folder in (self.logs, self.run):
            folder.mkdir(mode=0o700, exist_ok=True)

    def secret(self) -> str:
        """Give the secret with which this platform's services sign identities; made once, kept in the home."""
        file = self.path / "identity.secret"
        with contextlib.suppress(FileNotFoundError):
            kept = file.read_text().strip()
            if len(kept) >= 32:
                return kept
        made = secrets.token_hex(32)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
            sink.write(made + "\n")
        return made

    def _check(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < _LEAST_FREE_BYTES:
            raise PlatformError(
                f"Only {free // 1_048_576} MB are free on the disk of {self.path}, and the platform needs "
                f"{_LEAST_FREE_BYTES // 1_048_576} MB. Free some, or choose another folder with --home."
            )
        if self.postgres.exists() and any(self.postgres.iterdir()):
            version = self.postgres / "PG_VERSION"
            kept = version.read_text().strip() if version.exists() else "none"
            if kept != _POSTGRES_VERSION:
                raise PlatformError(
                    f"{self.postgres} holds no data of PostgreSQL {_POSTGRES_VERSION} (version: {kept}). "
                    "Restore it, choose another folder with --home, or start anew with --reset."
                )

    def _unusable(self, error: OSError) -> PlatformError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return PlatformError(f"The disk of {self.path} is full. Free some space, or choose another with --home.")
        return PlatformError(
            f"The folder {self.path} can't be used: {(error.strerror or str(error)).lower()}. "
            "Choose another with --home."
        )
