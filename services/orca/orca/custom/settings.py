"""The settings of composed stage types."""

from typing import Any

from kork.errors import BadRequest
from kork.settings import Settings
from pydantic import Field, model_validator

from orca.launching.graph import stages_of


class CustomStageParameter(Settings):
    """A value that a stage gives, as `${ parameterValues.name }` in the composed stages."""

    name: str = Field(min_length=1)
    label: str = ""
    description: str = ""
    default_value: Any = None
    required: bool = False


class CustomStage(Settings):
    """A stage type made of others.

    `stages` are written as a pipeline's; without references they run one after the other.
    """

    enabled: bool = True
    type: str = Field(min_length=1)
    label: str = ""
    description: str = ""
    parameters: list[CustomStageParameter] = Field(default_factory=list[CustomStageParameter])
    stages: list[dict[str, Any]] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_graph(self) -> "CustomStage":
        try:
            stages_of({"name": self.type, "application": "stages.custom", "stages": self.stages})
        except BadRequest as error:
            raise ValueError(error.message) from error
        return self
