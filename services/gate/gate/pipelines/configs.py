"""Saved pipelines, found by name or id."""

from fastapi import Request
from kork.documents import Document
from kork.errors import NotFound, UpstreamError

from gate.backends import Backends, segment


class Configs:
    """Reads saved pipelines from front50."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def find_by_name(self, request: Request, application: str, name: str) -> Document | None:
        """Give a pipeline by its name, or None."""
        return await self._find(request, f"/pipelines/{segment(application)}/name/{segment(name)}")

    async def get(self, request: Request, application: str, name_or_id: str) -> Document:
        """Give a pipeline by its name, else by its id. Raises `NotFound`."""
        found = await self.find_by_name(request, application, name_or_id)
        if found is None and "/" not in name_or_id:
            by_id = await self._find(request, f"/pipelines/{segment(name_or_id)}/get")
            if by_id and str(by_id.get("application")).lower() == application.strip().lower():
                found = by_id
        if found is None:
            raise NotFound(
                f"Pipeline configuration not found (nameOrId: {name_or_id} in application {application}): "
                "there is none with this name or id"
            )
        return found

    async def of_application(self, request: Request, application: str) -> list[Document]:
        """List the pipelines of an application."""
        return await self._backends.get(request, "front50", f"/pipelines/{segment(application)}")

    async def _find(self, request: Request, path: str) -> Document | None:
        try:
            return await self._backends.get(request, "front50", path)
        except UpstreamError as error:
            if error.status == 404:
                return None
            raise
