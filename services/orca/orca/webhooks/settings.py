"""The settings of webhooks. Keys are Spinnaker's (`webhook.…`, `userConfiguredUrlRestrictions.…`)."""

from typing import Any, Literal

from kork.settings import Settings
from kork.urls import UrlRestrictions
from pydantic import Field, JsonValue, field_validator, model_validator

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
    sensitive_headers: dict[str, str] | None = Field(
        default=None, repr=False, description="sent with every request, never seen by expressions or in a context"
    )
    signing: str | None = Field(default=None, description="the name of a key of webhook.signing")
    parameters: list[WebhookParameter] = Field(default_factory=list[WebhookParameter])
    permissions: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])

    def fields(self) -> dict[str, Any]:
        """Give the stage's fields that this webhook sets, by their JSON names."""
        set_here = self.model_dump(by_alias=True, exclude_none=True)
        return {key: value for key, value in set_here.items() if key not in _NOT_OF_THE_STAGE}

    def may_run(self, roles: frozenset[str]) -> bool:
        """Say whether somebody with these roles may run it; without permissions everybody may."""
        return _is_writer(self.permissions, roles)


_NOT_OF_THE_STAGE = frozenset(
    {"type", "label", "description", "enabled", "parameters", "permissions", "sensitiveHeaders", "signing"}
)


class SigningKey(Settings):
    """A key with which requests are signed (`docs/reference/webhooks.md`)."""

    name: str = Field(min_length=1)
    secret: str = Field(min_length=1, repr=False, description="text, whsec_<base64>, or a reference (secret://…)")


class WebhookAccount(Settings):
    """Credentials that a webhook stage uses by name (`account`), for addresses under the prefixes only."""

    name: str = Field(min_length=1)
    url_prefixes: list[str] = Field(min_length=1)
    headers: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    signing: str | None = None
    permissions: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])

    @field_validator("url_prefixes")
    @classmethod
    def _are_addresses(cls, prefixes: list[str]) -> list[str]:
        return [_prefix(each) for each in prefixes]

    def may_use(self, roles: frozenset[str]) -> bool:
        """Say whether somebody with these roles may use it; without permissions everybody may."""
        return _is_writer(self.permissions, roles)


class AllowedRequest(Settings):
    """Requests that may be sent where `allowedRequestsEnabled` is on.

    `safe_to_retry`: one that got no answer in time is sent again, whatever its method.
    """

    http_methods: list[str] = Field(min_length=1)
    match_strategy: Literal["STARTS_WITH", "PATTERN_MATCHES"] = "STARTS_WITH"
    url_prefix: str | None = None
    url_pattern: str | None = None
    safe_to_retry: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> "AllowedRequest":
        if self.match_strategy == "STARTS_WITH":
            if self.url_prefix is None:
                raise ValueError("urlPrefix must be given with the strategy STARTS_WITH")
            _prefix(self.url_prefix)
        elif self.url_pattern is None or compiled(self.url_pattern) is None:
            raise ValueError("urlPattern must be a regular expression (RE2 syntax) with PATTERN_MATCHES")
        return self


def _prefix(text: str) -> str:
    scheme, found, rest = text.partition("://")
    if not found or scheme not in ("http", "https") or not rest.split("/", 1)[0]:
        raise ValueError(f"'{text}' is no beginning of an address; write https://host/path")
    return text


def _is_writer(permissions: dict[str, list[str]], roles: frozenset[str]) -> bool:
    writers = {role.lower() for role in permissions.get("WRITE", [])}
    return not writers or not writers.isdisjoint(role.lower() for role in roles)


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
    allowed_requests_enabled: bool = False
    allowed_requests: list[AllowedRequest] = Field(default_factory=list[AllowedRequest])
    accounts: list[WebhookAccount] = Field(default_factory=list[WebhookAccount])
    require_account: bool = False
    validate_account: bool = False
    include_additional_headers: bool = Field(default=False, description="send the execution's additional headers too")
    audit_logging_enabled: bool = False
    signing: list[SigningKey] = Field(default_factory=list[SigningKey])

    @model_validator(mode="after")
    def _keys_exist(self) -> "WebhookSettings":
        known = {key.name for key in self.signing}
        users = [(f"preconfigured '{each.type}'", each.signing) for each in self.preconfigured]
        users += [(f"account '{each.name}'", each.signing) for each in self.accounts]
        for user, key in users:
            if key is not None and key not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise ValueError(f"{user} signs with '{key}', which webhook.signing has not (there are: {listed})")
        return self


def webhook_settings(settings: Any) -> WebhookSettings:
    """Find the section in orca's settings; the defaults when there is none."""
    found = getattr(settings, "webhook", None)
    return found if isinstance(found, WebhookSettings) else WebhookSettings()


def url_restrictions(settings: Any) -> WebhookUrlRestrictions:
    """Find the section in orca's settings; the defaults when there is none."""
    found = getattr(settings, "user_configured_url_restrictions", None)
    return found if isinstance(found, WebhookUrlRestrictions) else WebhookUrlRestrictions()
