"""The settings of all services of one platform: one file, and what the platform itself decides."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kork.settings import ServiceSettings, SettingsError, load_settings, merge

from gennaker.exits import Exit, PlatformError
from gennaker.services import SERVICES

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Configuration:
    """A settings file (or what `GENNAKER_CONFIG` names) under overrides, as `kork.settings` layers them."""

    file: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def settings(self, model: type[S]) -> S:
        """Load one service's settings. Raises `PlatformError`, exit code 2, with every fault, one a line."""
        try:
            return load_settings(model, file=self.file, overrides=self.overrides)
        except SettingsError as error:
            failure = PlatformError(str(error))
            failure.code = Exit.USAGE
            raise failure from error

    def all_settings(self) -> dict[str, ServiceSettings]:
        """Load the settings of each service, by its name."""
        return {service.name: self.settings(service.settings_type()) for service in SERVICES}

    def with_overrides(self, *more: Mapping[str, Any]) -> "Configuration":
        """Add overrides, the later ones above."""
        merged = dict(self.overrides)
        for layer in more:
            merged = merge(merged, layer)
        return Configuration(self.file, merged)

    def save(self, path: Path) -> None:
        """Write it for a process of this platform; readable by the owner only, for it holds the secret."""
        document = {"file": str(self.file) if self.file else None, "overrides": self.overrides}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
            json.dump(document, sink)

    @classmethod
    def load(cls, path: Path) -> "Configuration":
        """Read what `save` wrote."""
        document = json.loads(path.read_text())
        return cls(Path(document["file"]) if document["file"] else None, document["overrides"])
