"""The settings of retention. Keys are Spinnaker's where it has them (`pollers.…`, `executions.import`)."""

from pathlib import Path

from kork.settings import Settings
from pydantic import Field

_HOUR_MS = 3_600_000


class OldPipelineCleanup(Settings):
    """Removes pipeline executions by age (`pollers.oldPipelineCleanup`)."""

    enabled: bool = False
    interval_ms: int = Field(default=_HOUR_MS, ge=1000)
    threshold_days: int = Field(default=30, ge=1, description="older ones go, whole days (UTC)")
    minimum_pipeline_executions: int = Field(default=5, ge=0, description="of each pipeline, however old")
    chunk_size: int = Field(default=200, ge=1, le=5000, description="executions per transaction and file")
    exceptional_applications: list[str] = Field(default_factory=list)
    exceptional_applications_threshold_days: int = Field(default=365, ge=1)


class TopApplicationExecutionCleanup(Settings):
    """Removes orchestrations by count (`pollers.topApplicationExecutionCleanup`)."""

    enabled: bool = False
    interval_ms: int = Field(default=_HOUR_MS, ge=1000)
    threshold: int = Field(default=2000, ge=0, description="of each application")
    chunk_size: int = Field(default=200, ge=1, le=5000, description="executions per transaction and file")
    exception_application_thresholds: dict[str, int] = Field(default_factory=dict)


class PollersSettings(Settings):
    """What removes executions."""

    old_pipeline_cleanup: OldPipelineCleanup = Field(default_factory=OldPipelineCleanup)
    top_application_execution_cleanup: TopApplicationExecutionCleanup = Field(
        default_factory=TopApplicationExecutionCleanup
    )


class S3ArchiveSettings(Settings):
    """A bucket of S3 or of a store that speaks its API; credentials are found as the AWS tools find them."""

    bucket: str = Field(min_length=3)
    prefix: str = "executions"
    region: str | None = None
    endpoint: str | None = Field(default=None, description="the address of a store that isn't AWS")


class ArchiveSettings(Settings):
    """Where executions go before they are removed: a folder, or a bucket. Nowhere unless one is set."""

    folder: Path | None = None
    s3: S3ArchiveSettings | None = None


class ImportSettings(Settings):
    """Whether executions may be brought in from outside (`POST /admin/executions`)."""

    enabled: bool = False
