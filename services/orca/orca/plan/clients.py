"""The clients by which a plan asks front50 and clouddriver."""

from typing import Any

from kork.http import SyncServiceClient
from kork.identity import Signer

from orca.settings import OrcaSettings
from orca.stages.view import Calls, Services


class NotPlanned:
    """A service that a plan never calls."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        raise ValueError(f"a plan makes no calls to {self._name}")


def planning_services(settings: OrcaSettings) -> Services:
    """Make the services of plans: front50 and clouddriver, nothing else."""
    signer, places = Signer(settings.identity.secret), settings.services

    def client(name: str) -> Calls:
        return SyncServiceClient(getattr(places, name).url(), service=name, signer=signer, settings=settings.http)

    other: Any = NotPlanned
    return Services(
        front50=client("front50"),
        clouddriver=client("clouddriver"),
        echo=other("echo"),
        orca=other("orca"),
        http=other("addresses of users"),
        settings=settings,
    )
