"""Credentials from a program of the cloud (`aws eks get-token`, `gke-gcloud-auth-plugin`, `kubelogin`).

Source: Kubernetes' client authentication, `ExecCredential` of `client.authentication.k8s.io/v1` and `v1beta1`.
"""

import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson

from clouddriver.kubernetes.authentication import Issued
from clouddriver.kubernetes.errors import BadConfiguration
from clouddriver.kubernetes.manifest import items, mapping

_TIMEOUT_SECONDS = 30
_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")

_TOLD = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)


class ExecPlugin:
    """Runs the program that a kubeconfig's user names under `exec`. Raises `BadConfiguration`."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        origin: str,
        folder: Path | None,
        cluster: Mapping[str, Any],
        verify: ssl.SSLContext,
    ) -> None:
        self._spec = spec
        self._origin = origin
        self._folder = folder
        self._cluster = cluster
        self._verify = verify
        self._version = str(spec.get("apiVersion") or "")
        if self._version not in _VERSIONS:
            raise BadConfiguration(
                f"The program '{spec.get('command')}' that signs in {origin} speaks '{self._version}', "
                f"which is not spoken any more.",
                f"Update the program, and set its 'apiVersion' to {_VERSIONS[0]}.",
            )
        if spec.get("interactiveMode") == "Always":
            raise BadConfiguration(
                f"The program '{spec.get('command')}' that signs in {origin} wants to talk to a person "
                "('interactiveMode: Always'), and there is none here.",
                "Use credentials that need nobody, such as a service account's.",
            )

    def __call__(self) -> Issued:
        """Run the program and read what it issues; a client certificate is given to TLS."""
        answer = self._run()
        if answer.get("apiVersion", self._version) != self._version:
            raise self._failed(f"answered as '{answer.get('apiVersion')}' when asked as '{self._version}'")
        credentials = mapping(answer.get("status"))
        if not credentials:
            raise self._failed("gave no 'status' with credentials")
        token = credentials.get("token")
        certificate, key = credentials.get("clientCertificateData"), credentials.get("clientKeyData")
        if isinstance(certificate, str) and isinstance(key, str):
            self._present(certificate, key)
        elif not isinstance(token, str):
            raise self._failed("gave neither a token nor a certificate with its key")
        return Issued(token if isinstance(token, str) else None, _instant(credentials.get("expirationTimestamp")))

    def _present(self, certificate: str, key: str) -> None:
        # OpenSSL reads certificates of clients from files only.
        with tempfile.NamedTemporaryFile() as certificate_file, tempfile.NamedTemporaryFile() as key_file:
            for file, text in ((certificate_file, certificate), (key_file, key)):
                file.write(text.encode())
                file.flush()
            try:
                self._verify.load_cert_chain(certificate_file.name, key_file.name)
            except (OSError, ssl.SSLError) as error:
                raise self._failed(f"gave a certificate that can't be used ({error})") from error

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
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            hint = str(self._spec.get("installHint") or f"Install '{command}' where clouddriver runs.").strip()
            raise BadConfiguration(
                f"The program '{command}' that signs in {self._origin} is not here.", hint
            ) from error
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"didn't end in {_TIMEOUT_SECONDS} s") from error
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
        for entry in items(self._spec.get("env")):
            environment[str(entry.get("name"))] = str(entry.get("value"))
        spec: dict[str, Any] = {"interactive": False}
        if self._spec.get("provideClusterInfo"):
            spec["cluster"] = {key: value for key, value in self._cluster.items() if key in _TOLD and value}
        info = {"apiVersion": self._version, "kind": "ExecCredential", "spec": spec}
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
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
