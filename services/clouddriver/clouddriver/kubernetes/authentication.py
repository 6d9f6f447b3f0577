"""Who we say we are to an API server; credentials that run out are fetched anew, once for all threads."""

import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
import httpx2 as httpx
import orjson

from clouddriver.kubernetes.errors import BadConfiguration

_EXEC_TIMEOUT_SECONDS = 30
_EARLY = timedelta(seconds=60)

Basic = httpx.BasicAuth


class Bearer(httpx.Auth):
    """A token that stays."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request."""
        request.headers["Authorization"] = self._header
        yield request


class TokenFile(httpx.Auth):
    """A token in a file that is replaced before it runs out, as the kubelet does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request with what the file holds now."""
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise BadConfiguration(
                f"The token file {self._path} can't be read: {error.strerror}.", f"Put a token at {self._path}."
            ) from error
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class ExecPlugin(httpx.Auth):
    """Credentials from a program (`aws`, `gke-gcloud-auth-plugin`, `kubelogin`), kept until they run out."""

    def __init__(
        self,
        spec: dict[str, Any],
        origin: str,
        folder: Path | None,
        cluster: dict[str, Any],
        verify: ssl.SSLContext,
    ) -> None:
        self._spec = spec
        self._origin = origin
        self._folder = folder
        self._cluster = cluster
        self._verify = verify
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires: datetime | None = None
        self._fetched = False

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request; fetch new credentials once when these are refused."""
        token = self._current(None)
        self._sign(request, token)
        response = yield request
        if response.status_code == 401:
            self._sign(request, self._current(token))
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign a request; fetch new credentials once when these are refused."""
        token = await anyio.to_thread.run_sync(self._current, None)
        self._sign(request, token)
        response = yield request
        if response.status_code == 401:
            self._sign(request, await anyio.to_thread.run_sync(self._current, token))
            yield request

    @staticmethod
    def _sign(request: httpx.Request, token: str | None) -> None:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"

    def _current(self, refused: str | None) -> str | None:
        with self._lock:
            expired = self._expires is not None and datetime.now(UTC) > self._expires - _EARLY
            if not self._fetched or expired or (refused is not None and refused == self._token):
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        status = self._run().get("status")
        if not isinstance(status, dict):
            raise self._failed("gave no 'status' with credentials")
        credentials = cast(dict[str, Any], status)
        self._token = credentials.get("token")
        self._expires = _instant(credentials.get("expirationTimestamp"))
        certificate, key = credentials.get("clientCertificateData"), credentials.get("clientKeyData")
        if isinstance(certificate, str) and isinstance(key, str):
            with tempfile.NamedTemporaryFile() as certificate_file, tempfile.NamedTemporaryFile() as key_file:
                for file, text in ((certificate_file, certificate), (key_file, key)):
                    file.write(text.encode())
                    file.flush()
                self._verify.load_cert_chain(certificate_file.name, key_file.name)
        self._fetched = True

    def _run(self) -> dict[str, Any]:
        command = str(self._spec.get("command") or "")
        if self._folder and os.sep in command and not os.path.isabs(command):
            command = str(self._folder / command)
        arguments = [str(part) for part in self._spec.get("args") or []]
        try:
            done = subprocess.run(
                [command, *arguments],
                env=self._environment(),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_EXEC_TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            hint = str(self._spec.get("installHint") or f"Install '{command}' where clouddriver runs.").strip()
            raise BadConfiguration(
                f"The program '{command}' that signs in {self._origin} is not here.", hint
            ) from error
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"didn't end in {_EXEC_TIMEOUT_SECONDS} s") from error
        except OSError as error:
            raise self._failed(f"can't be started: {error.strerror}") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise self._failed(f"ended with {done.returncode}: {said[-1][:300] if said else 'without a word'}")
        try:
            answer: Any = orjson.loads(done.stdout)
        except orjson.JSONDecodeError as error:
            raise self._failed("didn't answer with JSON") from error
        return cast(dict[str, Any], answer) if isinstance(answer, dict) else {}

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        for entry in cast(list[dict[str, Any]], self._spec.get("env") or []):
            environment[str(entry.get("name"))] = str(entry.get("value"))
        spec: dict[str, Any] = {"interactive": False}
        if self._spec.get("provideClusterInfo"):
            spec["cluster"] = {
                "server": self._cluster["server"],
                "certificate-authority-data": self._cluster.get("certificate-authority-data"),
            }
        info = {"apiVersion": self._spec.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
        environment["KUBERNETES_EXEC_INFO"] = orjson.dumps(info).decode()
        return environment

    def _failed(self, what: str) -> BadConfiguration:
        command = self._spec.get("command")
        return BadConfiguration(
            f"The program '{command}' that signs in {self._origin} {what}.",
            f"Run '{command}' by hand as the user that clouddriver runs as, and sign in anew where it says so.",
        )


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
