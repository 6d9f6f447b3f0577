"""The settings of echo. Keys are Spinnaker's where it has one."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kork.settings import ServiceSettings, Settings
from pydantic import Field, field_validator


class PipelineCacheSettings(Settings):
    """How often all pipelines are read again; changes arrive at once by the bus."""

    polling_interval_ms: int = Field(default=60_000, ge=1000)


class ArtifactTemplateSettings(Settings):
    """A Jinja template that turns the payload of one source into a JSON list of artifacts."""

    source: str
    template_path: Path


class WebhookArtifactSettings(Settings):
    """Whether, and by which templates, artifacts are taken from payloads."""

    enabled: bool = True
    sources: list[ArtifactTemplateSettings] = Field(default_factory=list[ArtifactTemplateSettings])


class WebhookSettings(Settings):
    """Webhooks in. `explain`: whether `?sync=true` may tell a caller which pipelines did not match, and why."""

    artifacts: WebhookArtifactSettings = Field(default_factory=WebhookArtifactSettings)
    explain: bool = True


class GitTriggerSettings(Settings):
    """The secret of git webhooks whose trigger names none of its own."""

    shared_secret: str = Field(default="", repr=False)


class TriggerSettings(Settings):
    """What holds for all triggers of a type."""

    git: GitTriggerSettings = Field(default_factory=GitTriggerSettings)


class CronSettings(Settings):
    """The time zone of all cron triggers."""

    timezone: str = "America/Los_Angeles"

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone of that name is known, use one like 'Europe/Berlin' ({error})") from error
        return name


class CompensationSettings(Settings):
    """Whether a fire time that was missed is made up for, and how late: within `windowMs` before `toleranceMs` ago."""

    enabled: bool = False
    window_ms: int = Field(default=600_000, ge=0)
    tolerance_ms: int = Field(default=30_000, ge=0)


class SchedulerSettings(Settings):
    """Cron triggers. A fire time that is later than `misfireThresholdMs` is missed."""

    enabled: bool = True
    cron: CronSettings = Field(default_factory=CronSettings)
    misfire_threshold_ms: int = Field(default=60_000, ge=0)
    compensation_job: CompensationSettings = Field(default_factory=CompensationSettings)


class QuietPeriodSettings(Settings):
    """A time in which triggers of some types start nothing in the pipelines that respect it."""

    enabled: bool = False
    start_iso: datetime | None = None
    end_iso: datetime | None = None
    suppressed_trigger_types: list[str] = Field(default_factory=list[str])


class StartSettings(Settings):
    """How executions are started in orca."""

    concurrency: int = Field(default=16, ge=1, le=256)
    timeout_seconds: float = Field(default=5.0, gt=0)
    max_backoff_seconds: float = Field(default=10.0, gt=0)
    retry_count: int = Field(default=5, ge=0, description="repetitions after orca failed with its own error (500)")


class RestEndpointSettings(Settings):
    """An address to which every execution event is posted."""

    url: str
    wrap: bool = False
    event_name: str = "spinnaker_events"
    field_name: str = "payload"
    username: str = ""
    password: str = Field(default="", repr=False)
    headers: dict[str, str] = Field(default_factory=dict[str, str], repr=False)


class RestSettings(Settings):
    """Forwarding of events."""

    enabled: bool = True
    endpoints: list[RestEndpointSettings] = Field(default_factory=list[RestEndpointSettings])


class NotificationSettings(Settings):
    """Notifications out. `baseUrl` is the UI's address, for links; `urlPattern` (RE2, whole) is what may be called."""

    base_url: str = "http://localhost:9000"
    url_pattern: str = r"https?://.+"
    max_attempts: int = Field(default=12, ge=1)
    max_backoff_seconds: float = Field(default=600.0, gt=0)
    timeout_seconds: float = Field(default=10.0, gt=0)


class RetentionSettings(Settings):
    """How long deliveries are recognized, and what was started and sent can be looked up."""

    hours: int = Field(default=7 * 24, ge=1)


class EchoSettings(ServiceSettings):
    """Settings of echo: what all services have, triggers, the scheduler and notifications."""

    pipeline_cache: PipelineCacheSettings = Field(default_factory=PipelineCacheSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    trigger: TriggerSettings = Field(default_factory=TriggerSettings)
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    quiet_period: QuietPeriodSettings = Field(default_factory=QuietPeriodSettings)
    starts: StartSettings = Field(default_factory=StartSettings)
    rest: RestSettings = Field(default_factory=RestSettings)
    notifications: NotificationSettings = Field(default_factory=NotificationSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
