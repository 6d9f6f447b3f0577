"""The settings of artifact accounts. Source of the keys: Spinnaker's Clouddriver, `artifacts.<provider>`."""

from ipaddress import ip_network
from pathlib import Path

from kork.settings import Settings
from pydantic import Field, field_validator, model_validator


class UrlRestrictions(Settings):
    """Which addresses may be fetched; without settings, only hosts with a domain that is not local."""

    allowed_schemes: list[str] = Field(default_factory=lambda: ["http", "https"])
    allowed_domains: list[str] = Field(default_factory=list)
    reject_localhost: bool = True
    reject_link_local: bool = True
    reject_verbatim_ips: bool = True
    rejected_ips: list[str] = Field(default_factory=list)
    excluded_domains: list[str] = Field(default_factory=lambda: ["spinnaker", "local", "localdomain", "internal"])

    @field_validator("rejected_ips")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network, strict=False)
        return networks


class HttpArtifactAccount(Settings):
    """A way to fetch by HTTP, with a name and a password if the other side asks for them."""

    name: str = Field(min_length=1)
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    username_password_file: Path | None = None
    url_restrictions: UrlRestrictions = Field(default_factory=UrlRestrictions)

    @model_validator(mode="after")
    def _consistent(self) -> "HttpArtifactAccount":
        if (self.username is None) != (self.password is None):
            raise ValueError("give 'username' and 'password' together")
        if self.username and self.username_password_file:
            raise ValueError("give either 'username' and 'password', or 'usernamePasswordFile', not both")
        return self


class HttpArtifactSettings(Settings):
    """Fetching `http/file`."""

    enabled: bool = False
    accounts: list[HttpArtifactAccount] = Field(default_factory=list[HttpArtifactAccount])


class ArtifactsSettings(Settings):
    """Where artifacts come from, and how large one may be."""

    http: HttpArtifactSettings = Field(default_factory=HttpArtifactSettings)
    max_bytes: int = Field(default=10_485_760, ge=1)
    timeout_seconds: float = Field(default=30.0, gt=0)
