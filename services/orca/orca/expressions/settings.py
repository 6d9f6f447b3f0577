"""The settings of what expressions ask."""

from kork.settings import Settings
from pydantic import Field


class KayentaSettings(Settings):
    """Where Kayenta answers (`kayenta`); only `#canaryConfigNameToId` asks it."""

    enabled: bool = False
    base_url: str = Field(default="http://localhost:8090", pattern=r"^https?://")
