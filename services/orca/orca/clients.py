"""The clients by which orca asks the other services, and itself."""

import threading

from kork.http import SyncServiceClient
from kork.identity import Signer

from orca.settings import OrcaSettings


class Clients:
    """One client for each service, made when it is needed first. Calls carry the current identity."""

    def __init__(self, settings: OrcaSettings) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._made: dict[str, SyncServiceClient] = {}

    def to(self, service: str) -> SyncServiceClient:
        """Give the client of a service, by its name in the settings (`services.<name>`)."""
        settings = self._settings
        with self._making:
            if service not in self._made:
                self._made[service] = SyncServiceClient(
                    getattr(settings.services, service).url(),
                    service=service,
                    signer=Signer(settings.identity.secret),
                    settings=settings.http,
                )
            return self._made[service]

    def close(self) -> None:
        """Close the connections."""
        for client in self._made.values():
            client.close()
