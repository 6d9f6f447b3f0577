"""Fetching what an artifact refers to."""

import base64
import binascii
from abc import ABC, abstractmethod
from contextlib import closing
from urllib.parse import urljoin

import httpx2 as httpx
from kork.errors import BadRequest, NotFound, SpinnakerError
from kork.urls import Pinned, pinned, resolve

from clouddriver.artifacts.settings import ArtifactsSettings, HttpArtifactAccount
from clouddriver.artifacts.url_rules import (
    UrlRefused,
    is_trusted,
    require_addresses_allowed,
    require_allowed,
)
from clouddriver.kubernetes.artifact import Artifact

_MOST_REDIRECTS = 10
_NO_AUTH = "no-auth-http-account"


class DownloadFailed(SpinnakerError):
    """502: the other side didn't give the artifact."""

    status = 502
    exception = "com.netflix.spinnaker.clouddriver.artifacts.exceptions.FailedDownloadException"


class ArtifactAccount(ABC):
    """A way to fetch artifacts of some types."""

    def __init__(self, name: str, types: tuple[str, ...], credential_type: str) -> None:
        self.name = name
        self.types = types
        self.credential_type = credential_type

    def handles(self, type_: str) -> bool:
        """Say whether this account fetches artifacts of a type."""
        return type_ in self.types

    @abstractmethod
    def fetch(self, artifact: Artifact) -> bytes:
        """Give the artifact's contents. Raises `SpinnakerError`."""

    def to_json(self) -> dict[str, object]:
        """Give the account as `/artifacts/credentials` shows it."""
        return {"name": self.name, "types": list(self.types), "type": self.credential_type}


class EmbeddedAccount(ArtifactAccount):
    """Artifacts that carry their contents, in base 64."""

    def __init__(self) -> None:
        super().__init__("embedded-artifact", ("embedded/base64", "remote/base64"), "artifacts-embedded")

    def handles(self, type_: str) -> bool:
        """Say whether the type begins with `embedded/` or `remote/`."""
        return type_.startswith(("embedded/", "remote/"))

    def fetch(self, artifact: Artifact) -> bytes:
        """Decode the reference."""
        try:
            return base64.b64decode("".join((artifact.reference or "").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest(f"The reference of the artifact '{artifact.name}' is not base 64: {error}.") from error


class NotDownloadable(ArtifactAccount):
    """Artifacts that are only named, such as images."""

    def handles(self, type_: str) -> bool:
        """Say whether the type is one of those; `kubernetes/*` stands for all that begin so."""
        return any(type_ == own or (own.endswith("*") and type_.startswith(own[:-1])) for own in self.types)

    def fetch(self, artifact: Artifact) -> bytes:
        """Refuse."""
        raise BadRequest(f"Artifacts of type '{artifact.type}' have no contents that can be fetched.")


class HttpAccount(ArtifactAccount):
    """Files that a web server gives."""

    def __init__(self, account: HttpArtifactAccount, settings: ArtifactsSettings) -> None:
        super().__init__(account.name, ("http/file",), "artifacts-http")
        self._account = account
        self._settings = settings

    def fetch(self, artifact: Artifact) -> bytes:
        """Fetch the reference; each redirect is checked as the address itself, and foreign hosts get no password."""
        url = artifact.reference or ""
        rules = self._account.url_restrictions
        credentials = self._credentials()
        first_host: str | None = None
        try:
            with httpx.Client(timeout=self._settings.timeout_seconds, follow_redirects=False) as client:
                for _ in range(_MOST_REDIRECTS + 1):
                    host = require_allowed(url, rules)
                    first_host = first_host or host
                    auth = credentials if host == first_host else None
                    with closing(self._get(client, url, host, auth)) as response:
                        if not response.is_redirect:
                            return self._body(url, response)
                        url = urljoin(url, response.headers.get("location", ""))
        except UrlRefused as error:
            raise BadRequest(str(error)) from error
        except httpx.InvalidURL as error:
            raise BadRequest(f"'{url}' is not an address: {error}.") from error
        except (httpx.TransportError, OSError) as error:
            raise DownloadFailed(
                f"Unable to download the contents of artifact '{artifact.name or url}': {url} can't be reached: "
                f"{error or type(error).__name__}."
            ) from error
        raise DownloadFailed(
            f"Unable to download the contents of artifact '{url}': more than {_MOST_REDIRECTS} redirects."
        )

    def _get(self, client: httpx.Client, url: str, host: str, auth: tuple[str, str] | None) -> httpx.Response:
        failure: httpx.TransportError | None = None
        for target in self._targets(url, host):
            request = client.build_request("GET", target.url, headers=target.headers, extensions=target.extensions)
            try:
                return client.send(request, auth=auth, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or OSError("it has no address")

    def _targets(self, url: str, host: str) -> list[Pinned]:
        rules = self._account.url_restrictions
        if is_trusted(host, rules):
            return [Pinned(httpx.URL(url))]
        addresses = resolve(host)
        require_addresses_allowed(url, addresses, rules)
        return [pinned(httpx.URL(url), address) for address in addresses]

    def _body(self, url: str, response: httpx.Response) -> bytes:
        if not response.is_success:
            raise DownloadFailed(
                f"Unable to download the contents of artifact '{url}': the server answered {response.status_code}."
            )
        received = bytearray()
        for part in response.iter_bytes():
            received += part
            if len(received) > self._settings.max_bytes:
                raise DownloadFailed(
                    f"Unable to download the contents of artifact '{url}': it is larger than "
                    f"{self._settings.max_bytes} bytes ('artifacts.maxBytes' in gennaker.yml)."
                )
        return bytes(received)

    def _credentials(self) -> tuple[str, str] | None:
        account = self._account
        if account.username is not None and account.password is not None:
            return account.username, account.password
        if account.username_password_file is None:
            return None
        try:
            username, _, password = account.username_password_file.read_text().strip().partition(":")
        except OSError as error:
            raise DownloadFailed(
                f"The file {account.username_password_file} of the artifact account '{account.name}' can't be read: "
                f"{error.strerror}."
            ) from error
        return username, password


class ArtifactAccounts:
    """All artifact accounts: those that are always there (`more` among them), and those of the settings."""

    def __init__(self, settings: ArtifactsSettings, *more: ArtifactAccount) -> None:
        self._all: list[ArtifactAccount] = [
            EmbeddedAccount(),
            *more,
            NotDownloadable("custom-artifact", ("custom/object",), "artifacts-custom"),
            NotDownloadable("docker-artifact", ("docker/image",), "artifacts-docker"),
            NotDownloadable("kubernetes-artifact", ("kubernetes/*",), "artifacts-kubernetes"),
        ]
        if settings.http.enabled:
            accounts = list(settings.http.accounts)
            if all(account.name != _NO_AUTH for account in accounts):
                accounts.append(HttpArtifactAccount(name=_NO_AUTH))
            self._all += [HttpAccount(account, settings) for account in accounts]

    def all(self) -> list[ArtifactAccount]:
        """List the accounts."""
        return list(self._all)

    def fetch(self, artifact: Artifact) -> bytes:
        """Give the contents of an artifact, by the account that it names (embedded ones need not name any)."""
        fitting = [account for account in self._all if account.handles(artifact.type)]
        if not fitting:
            known = ", ".join(sorted({type_ for account in self._all for type_ in account.types}))
            raise NotFound(f"No artifact account fetches artifacts of type '{artifact.type}' (types: {known}).")
        if isinstance(fitting[0], EmbeddedAccount):
            return fitting[0].fetch(artifact)
        if not artifact.artifact_account:
            raise BadRequest(
                "An artifact account must be supplied to download this artifact: give 'artifactAccount', one of "
                f"{', '.join(account.name for account in fitting)}."
            )
        chosen = next((account for account in fitting if account.name == artifact.artifact_account), None)
        if chosen is None:
            raise NotFound(
                f"There is no artifact account '{artifact.artifact_account}' for the type '{artifact.type}' "
                f"(accounts: {', '.join(account.name for account in fitting)})."
            )
        return chosen.fetch(artifact)
