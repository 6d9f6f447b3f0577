"""Clusters one by one, and the search."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse
from kork.documents import Document
from kork.errors import UpstreamError

from gate.backends import Backends, is_missing_path, relayed, segment

_SHORTEST_QUERY = 3
_SEARCH_PARAMETERS = frozenset({"q", "type", "platform", "pageSize", "page", "allowShortQuery"})


def infrastructure_router(backends: Backends) -> APIRouter:
    """Make the routes whose answers gate shapes itself."""
    router = APIRouter(tags=["infrastructure"])

    async def clusters(request: Request, application: str, account: str, name: str) -> list[Document]:
        path = f"/applications/{segment(application)}/clusters/{segment(account)}/{segment(name)}"
        try:
            found = await backends.get(request, "clouddriver", path)
        except UpstreamError as error:
            if error.status == 404:
                return []
            raise
        return cast(list[Document], found)

    @router.get("/applications/{application}/clusters/{account}/{clusterName}")
    async def get_cluster(request: Request, application: str, account: str, clusterName: str) -> Document:
        """Give a cluster; `{}` when there is none."""
        found = await clusters(request, application, account, clusterName)
        return found[0] if found else {}

    @router.get("/applications/{application}/clusters/{account}/{clusterName}/serverGroups")
    async def cluster_server_groups(
        request: Request, application: str, account: str, clusterName: str
    ) -> list[Document]:
        """List the server groups of a cluster."""
        return server_groups(await clusters(request, application, account, clusterName))

    @router.get("/applications/{application}/clusters/{account}/{clusterName}/serverGroups/{serverGroupName}")
    async def cluster_server_group(
        request: Request, application: str, account: str, clusterName: str, serverGroupName: str
    ) -> list[Document]:
        """List the server groups of a cluster that have a name, one for each region."""
        groups = server_groups(await clusters(request, application, account, clusterName))
        return [group for group in groups if group.get("name") == serverGroupName]

    @router.get("/search")
    async def search(
        request: Request,
        type: Annotated[list[str], Query()],
        q: str = "",
        platform: str | None = None,
        page_size: Annotated[int, Query(alias="pageSize", ge=1)] = 10_000,
        page: Annotated[int, Query(ge=1)] = 1,
        allow_short_query: Annotated[bool, Query(alias="allowShortQuery")] = False,
    ) -> Response:
        """Search the cache; a text shorter than three characters finds nothing unless `allowShortQuery`."""
        if len(q) < _SHORTEST_QUERY and not allow_short_query:
            return JSONResponse([])
        types = [one for part in type for one in part.split(",") if one]
        filters = {name: value for name, value in request.query_params.items() if name not in _SEARCH_PARAMETERS}
        params: dict[str, Any] = filters | {"q": q, "type": types, "pageSize": page_size, "page": page}
        if platform:
            params["platform"] = platform
        try:
            return relayed(await backends.call(request, "clouddriver", "GET", "/search", params=params))
        except UpstreamError as error:
            if is_missing_path(error):
                return JSONResponse([])
            raise

    return router


def server_groups(clusters: list[Document]) -> list[Document]:
    """Give the server groups of clusters, one list."""
    return [group for cluster in clusters for group in cluster.get("serverGroups") or []]
