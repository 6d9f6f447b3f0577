"""`/search`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from kork.app import JSONResponse

from clouddriver.applications.landscape import BALANCER_KINDS, CLUSTER_KINDS, FIREWALL_KINDS, GROUP_KINDS
from clouddriver.kubernetes.kinds import kind_named
from clouddriver.kubernetes.resources import Found, ResourceStore

_KINDS: dict[str, tuple[list[str], str]] = {
    "servergroups": (GROUP_KINDS, "serverGroup"),
    "instances": (["Pod"], "instanceId"),
    "loadbalancers": (BALANCER_KINDS, "loadBalancer"),
    "securitygroups": (FIREWALL_KINDS, "id"),
}
_SPELLED = {
    "servergroups": "serverGroups",
    "loadbalancers": "loadBalancers",
    "securitygroups": "securityGroups",
}
_PARAMETERS = frozenset({"q", "type", "platform", "pageSize", "page", "allowShortQuery"})
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=10_000)]


def search_router(resources: ResourceStore) -> APIRouter:
    """Make the route of the search."""
    router = APIRouter(tags=["search"])

    @router.get("/search")
    def search(
        request: Request,
        type: Annotated[list[str], Query()],
        q: str = "",
        platform: str | None = None,
        page_size: PageSize = 10_000,
        page: Annotated[int, Query(ge=1)] = 1,
    ) -> Response:
        """Find by a part of the name or of the application, ignoring case; other parameters narrow by a field."""
        types = [one for part in type for one in part.split(",") if one]
        results = [found for one in types for found in _find(one.lower(), q)] if platform in _OURS else []
        wanted = {key: value for key, value in request.query_params.items() if key not in _PARAMETERS}
        wanted["provider"] = wanted.pop("cloudProvider", None) or wanted.pop("provider", None) or "kubernetes"
        kept = [one for one in results if all(str(one.get(key)) == value for key, value in wanted.items())]
        start = (page - 1) * page_size
        return JSONResponse(
            [
                {
                    "totalMatches": len(kept),
                    "pageNumber": page,
                    "pageSize": page_size,
                    "platform": platform or "aws",
                    "query": q,
                    "results": kept[start : start + page_size],
                }
            ]
        )

    def _find(type: str, query: str) -> list[dict[str, Any]]:
        if type in ("applications", "clusters"):
            return _named(type, query)
        if type not in _KINDS:
            return []
        kinds, field = _KINDS[type]
        return [_shown(found, _SPELLED.get(type, type), field) for found in resources.search(query, kinds)]

    def _named(type: str, query: str) -> list[dict[str, Any]]:
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        for application, account, cluster in resources.clusters(CLUSTER_KINDS):
            base = {"provider": "kubernetes", "type": type, "application": application}
            if type == "applications" and query.lower() in application.lower():
                found[(application,)] = base
            elif type == "clusters" and query.lower() in cluster.lower():
                found[application, account, cluster] = base | {"account": account, "cluster": cluster}
        return list(found.values())

    return router


_OURS = (None, "", "kubernetes", "aws")


def _shown(found: Found, type: str, field: str) -> dict[str, Any]:
    kind = kind_named(found.kind)
    name = f"{kind.name} {found.name}"
    return {
        "provider": "kubernetes",
        "type": type,
        "group": kind.name,
        "kubernetesKind": kind.name,
        "account": found.account,
        "namespace": found.namespace,
        "region": found.namespace,
        "name": name,
        "application": found.application,
        "cluster": found.cluster,
        field: name,
    }
