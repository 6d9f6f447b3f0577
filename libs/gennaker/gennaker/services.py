"""The five services, by name; their code is imported when it is asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI
    from kork.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the platform: its package's name, its settings' class."""

    name: str
    settings_class: str
    has_database: bool = True

    def settings_type(self) -> "type[ServiceSettings]":
        """Import the class of its settings."""
        return getattr(import_module(f"{self.name}.settings"), self.settings_class)

    def create_app(self, settings: "ServiceSettings") -> "FastAPI":
        """Import the service and make its application."""
        app: Any = import_module(f"{self.name}.app")
        return app.create_app(settings)


SERVICES = (
    Service("front50", "Front50Settings"),
    Service("clouddriver", "ClouddriverSettings"),
    Service("orca", "OrcaSettings"),
    Service("echo", "EchoSettings"),
    Service("gate", "GateSettings", has_database=False),
)
