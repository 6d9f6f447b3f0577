"""`/manifests`: one object as it is, and the objects of a cluster by age or size."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse

from clouddriver.manifests.service import ManifestService

Events = Annotated[bool, Query(alias="includeEvents")]


def manifest_router(service: ManifestService) -> APIRouter:
    """Make the routes of manifests."""
    router = APIRouter(prefix="/manifests", tags=["manifests"])

    @router.get("/{account}/{location}/{kind}/cluster/{app}/{cluster}/dynamic/{criteria}")
    def get_target(account: str, location: str, kind: str, app: str, cluster: str, criteria: str) -> Response:
        """Name the oldest, newest, second_newest, largest or smallest object of a cluster. 404 when there is none."""
        return JSONResponse(service.target(account, location, kind, app, cluster, criteria))

    @router.get("/{account}/{location}/{kind}/cluster/{app}/{cluster}")
    def list_cluster(account: str, location: str, kind: str, app: str, cluster: str) -> Response:
        """Name the objects of a cluster."""
        return JSONResponse(service.members(account, location, kind, app, cluster))

    @router.get("/{account}/{location}/{name:path}")
    def get_manifest(account: str, location: str, name: str, events: Events = True) -> Response:
        """Give an object (`<kind> <name>`; location `_` for one without namespace). 404 when there is none."""
        return JSONResponse(service.read(account, "" if location == "_" else location, name, with_events=events))

    @router.get("/{account}/{name}")
    def get_cluster_wide_manifest(account: str, name: str, events: Events = True) -> Response:
        """Give an object that is in no namespace. 404 when there is none."""
        return JSONResponse(service.read(account, "", name, with_events=events))

    return router
