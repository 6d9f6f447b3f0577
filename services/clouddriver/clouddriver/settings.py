"""The settings of clouddriver."""

from kork.settings import ServiceSettings, Settings
from pydantic import Field

from clouddriver.artifacts.settings import ArtifactsSettings
from clouddriver.kubernetes.settings import KubernetesSettings


class CredentialsSettings(Settings):
    """What `/credentials` says of accounts beside their own settings."""

    challenge_destructive_actions_environments: list[str] = Field(default_factory=lambda: ["default"])
    primary_account_types: list[str] = Field(default_factory=lambda: ["default"])
    account_managers: list[str] = Field(default_factory=list, description="roles that may define accounts")
    encryption_key: str | None = Field(default=None, min_length=16, repr=False)


class ClouddriverSettings(ServiceSettings):
    """Settings of clouddriver: what all services have, and the accounts of each provider."""

    kubernetes: KubernetesSettings = Field(default_factory=KubernetesSettings)
    credentials: CredentialsSettings = Field(default_factory=CredentialsSettings)
    artifacts: ArtifactsSettings = Field(default_factory=ArtifactsSettings)
