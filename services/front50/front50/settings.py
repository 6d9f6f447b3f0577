"""The settings of front50."""

import re

from kork.settings import ServiceSettings, Settings
from pydantic import Field, field_validator


class ApplicationNameValidatorSettings(Settings):
    """The rule for names of applications; a name must match the whole pattern, without regard to case."""

    validation_regex: str = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,249}"
    validation_message: str = (
        "may have letters, digits, '.', '_', '+' and '-', must begin with a letter or a digit, "
        "and may be 250 characters long"
    )

    @field_validator("validation_regex")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class ValidationSettings(Settings):
    """What is refused when something is saved."""

    application_name_validator: ApplicationNameValidatorSettings = Field(
        default_factory=ApplicationNameValidatorSettings
    )


class Front50Settings(ServiceSettings):
    """Settings of front50: what all services have, and the rules of validation."""

    validation: ValidationSettings = Field(default_factory=ValidationSettings)
