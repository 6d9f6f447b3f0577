"""`/artifacts`."""

from typing import Any

from fastapi import APIRouter, Response
from kork.app import WaitingThreads
from kork.bodies import JsonObject
from kork.errors import BadRequest

from clouddriver.artifacts.fetching import ArtifactAccount, ArtifactAccounts
from clouddriver.artifacts.settings import ArtifactsSettings
from clouddriver.kubernetes.artifact import Artifact


def artifact_router(settings: ArtifactsSettings, *more: ArtifactAccount) -> APIRouter:
    """Make the routes of artifacts; `more` are accounts beside those of the settings."""
    router = APIRouter(prefix="/artifacts", tags=["artifacts"])
    accounts, waiting = ArtifactAccounts(settings, *more), WaitingThreads()

    @router.get("/credentials")
    def credentials() -> list[dict[str, Any]]:
        """List the artifact accounts."""
        return [account.to_json() for account in accounts.all()]

    @router.put("/fetch")
    async def fetch(body: JsonObject) -> Response:
        """Give the contents of an artifact, as bytes. 404 when no account fetches it, 502 when it isn't given."""
        artifact = Artifact.from_json(body)
        if not artifact.type:
            raise BadRequest("The artifact has no 'type'.")
        if not artifact.reference:
            raise BadRequest(f"The artifact of type '{artifact.type}' has no 'reference'.")
        return Response(await waiting.run(accounts.fetch, artifact), media_type="application/octet-stream")

    return router
