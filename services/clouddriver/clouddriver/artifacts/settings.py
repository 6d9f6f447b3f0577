"""The settings of artifact accounts. Source of the keys: Spinnaker's Clouddriver, `artifacts.<provider>`."""

from pathlib import Path

from kork.settings import Settings
from kork.urls import UrlRestrictions
from pydantic import Field, model_validator


class ArtifactUrlRestrictions(UrlRestrictions):
    """Which addresses may be fetched; without settings, only hosts with a domain that is not local."""

    allowed_domains: list[str] = Field(default_factory=list)


class HttpArtifactAccount(Settings):
    """A way to fetch by HTTP, with a name and a password if the other side asks for them."""

    name: str = Field(min_length=1)
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    username_password_file: Path | None = None
    url_restrictions: ArtifactUrlRestrictions = Field(default_factory=ArtifactUrlRestrictions)

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
