"""What a webhook stage says, and how its tasks see it."""

from typing import Any, Literal

from pydantic import Field, field_validator

from orca.execution.model import Execution, StageExecution
from orca.execution.status import Status
from orca.stages.definition import StageContext, StageView
from orca.webhooks.accounts import NO_CREDENTIALS, Credentials
from orca.webhooks.outcome import words_of

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class WebhookContext(StageContext):
    """What to call, how to read the answer, and how to watch what was started."""

    url: str = Field("", max_length=8_192)
    method: Method = "POST"
    payload: Any = None
    custom_headers: dict[str, Any] | None = None
    fail_fast_status_codes: list[int] | None = None
    webhook_retry_status_codes: list[int] | None = None
    wait_for_completion: bool = False
    monitor_only: bool = False
    wait_before_monitor: float | None = Field(None, ge=0)
    status_endpoint: str | None = None
    status_url_resolution: Literal["getMethod", "locationHeader", "webhookResponse"] | None = None
    status_url_json_path: str | None = None
    status_json_path: str | None = None
    progress_json_path: str | None = None
    success_statuses: str | list[str] | None = None
    canceled_statuses: str | list[str] | None = None
    terminal_statuses: str | list[str] | None = None
    retry_status_codes: list[int] | None = None
    retries: dict[str, Any] | None = None
    signal_cancellation: bool | None = None
    cancel_endpoint: str | None = None
    cancel_method: Method = "POST"
    cancel_payload: Any = None
    account: str | None = None
    expected_artifacts: list[dict[str, Any]] | None = None

    @field_validator("method", "cancel_method", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return "POST" if value is None else value.upper() if isinstance(value, str) else value

    @field_validator("wait_for_completion", "monitor_only", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        return False if value is None else value

    @field_validator("status_url_resolution", "wait_before_monitor", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return None if value == "" else value

    def statuses(self) -> dict[Status, frozenset[str]]:
        """Give the words that mean an end."""
        return {
            Status.SUCCEEDED: words_of(self.success_statuses),
            Status.CANCELED: words_of(self.canceled_statuses),
            Status.TERMINAL: words_of(self.terminal_statuses),
        }


class WebhookView(StageView[WebhookContext]):
    """A webhook stage, and the credentials that an operator has given to its type; no context ever holds them."""

    __slots__ = ("credentials",)

    def __init__(self, execution: Execution, stage: StageExecution, credentials: Credentials = NO_CREDENTIALS) -> None:
        super().__init__(execution, stage, WebhookContext)
        self.credentials = credentials
