"""The answers for features that are off.

Source of the empty answers: what Gate answers with the feature disabled, as Deck needs it.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from kork.app import JSONResponse

from gate.backends import not_implemented
from gate.passthrough import Pass

_NO_CI = "CI systems (igor) are not served yet; use a webhook trigger and the webhook stage."
_NO_BAKES = "Bakes (rosco) are not served yet; deploy rendered manifests."
_NO_CANARY = "Canary analysis (kayenta) is not served yet."
_NO_KEEL = "Managed delivery (keel) is not part of this platform; use pipelines."
_NO_TOKENS = "API tokens are not served yet; gate takes anonymous callers on loopback."
_NO_PLUGINS = "Plugins in Spinnaker's format are not supported; a stage is a Python class found by an entry point."


@dataclass(frozen=True, slots=True)
class Empty:
    """A path that answers with what says "nothing here"."""

    path: str
    answer: Any
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Missing:
    """A path, and all below it, that answers 501 with what to do instead."""

    path: str
    instead: str
    methods: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE", "PATCH")
    below: bool = True


EMPTY = (
    *(
        Empty(path, [])
        for path in (
            "/plugins/deck/plugin-manifest.json",
            "/banners",
            "/v2/builds",
            "/v3/builds",
            "/bakery/options",
            "/auth/user/serviceAccounts",
            "/slack/channels",
            "/pagerDuty/services",
            "/gcb/accounts",
            "/codebuild/accounts",
            "/artifactory/names",
            "/nexus/names",
            "/v2/canaryConfig",
            "/v2/canaries/credentials",
            "/v2/canaries/judges",
            "/proxies",
        )
    ),
    Empty(
        "/managed/application/{application}",
        {"applicationPaused": False, "hasManagedResources": False, "resources": []},
    ),
)

PROJECTS = (
    Pass("GET", "/projects", "front50", "v2/projects", "Projects", otherwise=[]),
    Pass(
        "GET",
        "/projects/{idOrName}",
        "front50",
        "v2/projects/{idOrName}",
        "One project",
        not_found="Project not found (id: {idOrName})",
    ),
)

_CHANGES = ("POST", "PUT", "DELETE")
MISSING = (
    Missing("/v2/builds", _NO_CI),
    Missing("/v3/builds", _NO_CI),
    Missing("/concourse", _NO_CI),
    Missing("/gcb", _NO_CI),
    Missing("/codebuild", _NO_CI),
    Missing("/ci", _NO_CI),
    Missing("/bakery", _NO_BAKES),
    Missing("/v2/canaryConfig", _NO_CANARY),
    Missing("/v2/canaries", _NO_CANARY),
    Missing("/canaries", _NO_CANARY),
    Missing("/canaryConfigs", _NO_CANARY),
    Missing("/canaryConfig", _NO_CANARY),
    Missing("/canaryDeployments", _NO_CANARY),
    Missing("/managed", _NO_KEEL),
    Missing("/history", _NO_KEEL),
    Missing("/auth/apiTokens", _NO_TOKENS),
    Missing("/plugins", _NO_PLUGINS),
    Missing("/extensions", _NO_PLUGINS),
    Missing("/proxies", "Gate passes nothing on to other sites; call them directly."),
    Missing("/banners", "Banners are not served yet.", ("POST", "PUT", "DELETE")),
    Missing("/pagerDuty", "PagerDuty is not served yet; use a webhook notification."),
    Missing("/integrations/gremlin", "Gremlin is not supported; use the webhook stage."),
    Missing("/cleanup", "Cleaning up (swabbie) is not part of this platform."),
    Missing("/snapshots", "Snapshots are not supported; keep pipelines and manifests in git."),
    Missing("/applications/{application}/snapshots", "Snapshots are not supported; keep manifests in git.", ("GET",)),
    Missing("/cloudMetrics", "Metrics of clouds are not served; ask the cloud's own API.", ("GET",)),
    Missing("/servicebroker", "Cloud Foundry's service brokers are not supported.", ("GET",)),
    Missing("/ecs", "ECS is not supported yet.", ("GET",)),
    Missing("/v1/data", "Data of clouddriver's buckets is not served.", ("GET",)),
    Missing("/mcp", "The MCP endpoint is not served yet; this API's description is at /openapi.json.", ("POST",)),
    Missing("/batch/tags", "Entity tags can't be changed yet.", ("POST",)),
    Missing("/tags", "Entity tags can't be changed yet.", _CHANGES),
)


def absent_router() -> APIRouter:
    """Make the routes of what is off. To be added after all others: what they serve goes before."""
    router = APIRouter(tags=["not served"])
    for empty in EMPTY:
        router.add_api_route(
            empty.path, _answers(empty.answer), methods=[empty.method], summary="Nothing: the feature is off"
        )
    for missing in MISSING:
        for path in (missing.path, missing.path + "/{rest:path}")[: 2 if missing.below else 1]:
            router.add_api_route(
                path, _says(missing.instead), methods=list(missing.methods), include_in_schema=False, status_code=501
            )
    return router


def _answers(value: Any) -> Any:
    async def endpoint() -> Response:
        return JSONResponse(value)

    return endpoint


def _says(instead: str) -> Any:
    async def endpoint(request: Request) -> Response:
        raise not_implemented(f"{request.method} {request.url.path} is not available. {instead}")

    return endpoint
