"""The settings of webhooks. Keys are Spinnaker's (`webhook.…`, `userConfiguredUrlRestrictions.…`)."""

from typing import Any

from kork.settings import Settings
from kork.urls import UrlRestrictions
from pydantic import Field, JsonValue, field_validator

from orca.patterns import compiled

_MIB = 1_048_576


class HttpClientProperties(Settings):
    """How expressions read addresses (`#fromUrl` and its kin). Times in ms."""

    enable_retry: bool = True
    max_retry_attempts: int = Field(default=1, ge=0, le=10)
    retry_interval: int = Field(default=5_000, ge=0)
    timeout_millis: int = Field(default=30_000, ge=1)


class WebhookUrlRestrictions(UrlRestrictions):
    """Which addresses users may have called (`userConfiguredUrlRestrictions`); loosen them where webhooks are to
    reach services inside.
    """

    allowed_hostnames_regex: str = Field(default=r".*\..+", description="RE2; empty allows every host")
    http_client_properties: HttpClientProperties = Field(default_factory=HttpClientProperties)

    @field_validator("allowed_hostnames_regex")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if compiled(pattern) is None:
            raise ValueError(f"'{pattern}' is not a regular expression (RE2 syntax)")
        return pattern


class WebhookParameter(Settings):
    """A parameter that a stage gives to a preconfigured webhook, read as `parameterValues['name']`."""

    name: str
    label: str | None = None
    description: str | None = None
    default_value: str | None = None
    type: str = "string"
    order: int = 0


class PreconfiguredWebhook(Settings):
    """A webhook that an operator offers as a stage type of its own; what it sets, a stage can't change."""

    type: str = Field(min_length=1)
    label: str
    description: str = ""
    enabled: bool = True
    url: str | None = None
    method: str | None = None
    custom_headers: dict[str, JsonValue] | None = None
    payload: JsonValue = None
    fail_fast_status_codes: list[int] | None = None
    wait_for_completion: bool | None = None
    wait_before_monitor: int | None = None
    status_url_resolution: str | None = None
    status_url_json_path: str | None = None
    status_json_path: str | None = None
    progress_json_path: str | None = None
    success_statuses: str | None = None
    canceled_statuses: str | None = None
    terminal_statuses: str | None = None
    retry_status_codes: list[int] | None = None
    signal_cancellation: bool | None = None
    cancel_endpoint: str | None = None
    cancel_method: str | None = None
    cancel_payload: JsonValue = None
    parameters: list[WebhookParameter] = Field(default_factory=list[WebhookParameter])
    permissions: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])

    def fields(self) -> dict[str, Any]:
        """Give the stage's fields that this webhook sets, by their JSON names."""
        set_here = self.model_dump(by_alias=True, exclude_none=True)
        return {key: value for key, value in set_here.items() if key not in _NOT_OF_THE_STAGE}

    def may_run(self, roles: frozenset[str]) -> bool:
        """Say whether somebody with these roles may run it; without permissions everybody may."""
        writers = self.permissions.get("WRITE", [])
        return not writers or not roles.isdisjoint(writers)


_NOT_OF_THE_STAGE = frozenset({"type", "label", "description", "enabled", "parameters", "permissions"})


class WebhookSettings(Settings):
    """How webhooks are sent (`webhook`)."""

    connect_timeout_ms: int = Field(default=15_000, ge=1)
    read_timeout_ms: int = Field(default=20_000, ge=1)
    max_request_bytes: int = Field(default=_MIB, ge=1)
    max_response_bytes: int = Field(default=_MIB, ge=1)
    follow_redirects: bool = True
    verify_redirects: bool = True
    default_retry_status_codes: list[int] = Field(default_factory=lambda: [429])
    preconfigured: list[PreconfiguredWebhook] = Field(default_factory=list[PreconfiguredWebhook])


def webhook_settings(settings: Any) -> WebhookSettings:
    """Find the section in orca's settings; the defaults when there is none."""
    found = getattr(settings, "webhook", None)
    return found if isinstance(found, WebhookSettings) else WebhookSettings()


def url_restrictions(settings: Any) -> WebhookUrlRestrictions:
    """Find the section in orca's settings; the defaults when there is none."""
    found = getattr(settings, "user_configured_url_restrictions", None)
    return found if isinstance(found, WebhookUrlRestrictions) else WebhookUrlRestrictions()
