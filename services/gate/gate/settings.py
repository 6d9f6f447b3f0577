"""The settings of gate."""

import re

from kork.settings import ServiceSettings, Settings
from pydantic import Field, field_validator


class CorsSettings(Settings):
    """Which web pages may call gate from a browser."""

    allowed_origins_pattern: str = Field(
        default=r"https?://(localhost|127\.0\.0\.1):9000",
        description="a regular expression that the whole of the Origin header must match",
    )

    @field_validator("allowed_origins_pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class SecuritySettings(Settings):
    """Who is let in."""

    allow_anonymous: bool = Field(
        default=False, description="let anyone in also when gate listens beyond this machine's loopback"
    )


class StreamSettings(Settings):
    """The live streams of events."""

    heartbeat_seconds: float = Field(default=15.0, gt=0, le=300)
    queue_length: int = Field(default=1000, ge=1, description="events kept for a client that reads slowly")
    max_connections: int = Field(default=1000, ge=1)


class PatienceSettings(Settings):
    """How long gate waits for others before it answers with what it has."""

    merge_timeout_seconds: float = Field(
        default=5.0, gt=0, description="for one part of a merged answer, and for a start"
    )
    task_timeout_seconds: float = Field(default=32.0, gt=0, description="for the save or delete of a pipeline")


class GateSettings(ServiceSettings):
    """Settings of gate: what all services have, who is let in, and how long it waits."""

    cors: CorsSettings = Field(default_factory=CorsSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    streams: StreamSettings = Field(default_factory=StreamSettings)
    patience: PatienceSettings = Field(default_factory=PatienceSettings)
