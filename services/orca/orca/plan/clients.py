"""The clients by which a plan asks front50 and clouddriver."""

from typing import Any

from orca.clients import Clients
from orca.settings import OrcaSettings
from orca.stages.view import Services


class NotPlanned:
    """A service that a plan never calls."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        raise ValueError(f"a plan makes no calls to {self._name}")


def planning_services(settings: OrcaSettings, clients: Clients) -> Services:
    """Give the services of plans: front50 and clouddriver, nothing else."""
    other: Any = NotPlanned
    return Services(
        front50=clients.to("front50"),
        clouddriver=clients.to("clouddriver"),
        echo=other("echo"),
        orca=other("orca"),
        http=other("addresses of users"),
        settings=settings,
    )
