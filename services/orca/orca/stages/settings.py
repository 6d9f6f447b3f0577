"""The settings of stage types."""

from kork.settings import Settings
from pydantic import Field

from orca.custom.settings import CustomStage


class PipelineStageSettings(Settings):
    """The `pipeline` stage."""

    default_skip_downstream_output: bool = Field(
        default=False, description="whether a child's outputs stay away from its parent unless a stage says otherwise"
    )


class StagesSettings(Settings):
    """How stage types behave."""

    pipeline: PipelineStageSettings = Field(default_factory=PipelineStageSettings)
    custom: list[CustomStage] = Field(default_factory=list[CustomStage], description="stage types composed of others")
