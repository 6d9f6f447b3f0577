"""The settings of prepared Jobs (`job.preconfigured.kubernetes[]`). Keys are Spinnaker's."""

from typing import Any, Literal

from kork.settings import Settings
from pydantic import Field, JsonValue, field_validator


class JobParameter(Settings):
    """A parameter that a stage gives to a prepared Job: `mapping` says where in the stage its value goes.

    A mapping is a path with dots, items of lists by number: `manifest.spec.template.spec.containers[0].image`.
    """

    name: str = Field(min_length=1)
    label: str | None = None
    description: str | None = None
    mapping: str | None = None
    default_value: str | None = None
    type: str = "string"
    order: int = 0
    options: list[JsonValue] = Field(default_factory=list[JsonValue])


class PreconfiguredJob(Settings):
    """A Job that an operator offers as a stage type of its own; what it sets, a stage can't change otherwise."""

    type: str = Field(min_length=1)
    label: str = Field(min_length=1)
    description: str = ""
    enabled: bool = True
    cloud_provider: Literal["kubernetes"] = "kubernetes"
    account: str | None = None
    credentials: str | None = None
    application: str | None = None
    region: str | None = None
    manifest: dict[str, JsonValue] | None = None
    property_file: str | None = None
    wait_for_completion: bool = True
    produces_artifacts: bool = True
    ui_type: Literal["BASIC", "CUSTOM"] = "BASIC"
    parameters: list[JobParameter] = Field(default_factory=list[JobParameter])

    @field_validator("manifest")
    @classmethod
    def _is_a_job(cls, manifest: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if manifest is not None and str(manifest.get("kind")).lower() != "job":
            raise ValueError(f"the manifest must be a Job, not of kind '{manifest.get('kind')}'")
        return manifest

    def fields(self) -> dict[str, Any]:
        """Give the stage's fields that this Job sets, by their JSON names."""
        return self.model_dump(by_alias=True, exclude_none=True, include=_OF_THE_STAGE)


_OF_THE_STAGE = {
    "cloud_provider",
    "account",
    "credentials",
    "application",
    "region",
    "manifest",
    "property_file",
    "wait_for_completion",
}


class PreconfiguredJobs(Settings):
    """Prepared Jobs by provider."""

    kubernetes: list[PreconfiguredJob] = Field(default_factory=list[PreconfiguredJob])


class JobSettings(Settings):
    """Stages that run Jobs (`job`)."""

    preconfigured: PreconfiguredJobs = Field(default_factory=PreconfiguredJobs)

    def enabled(self) -> list[PreconfiguredJob]:
        """List the prepared Jobs that may be used."""
        return [job for job in self.preconfigured.kubernetes if job.enabled]
