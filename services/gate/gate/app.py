"""The front of gate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from kork.app import JSONResponse, background, service_app
from kork.errors import UpstreamError
from kork.identity import Signer

from gate.access.authentication import chain, methods_of
from gate.access.endpoints import access_router
from gate.access.origins import Origins
from gate.access.paths import Paths, refuse_encoded_slashes
from gate.applications.endpoints import HISTORY, application_router
from gate.applications.service import ApplicationService
from gate.backends import Backends, upstream_body
from gate.credentials.endpoints import DEFINITIONS, credentials_router
from gate.executions.endpoints import execution_router
from gate.executions.routes import LISTS as EXECUTION_LISTS
from gate.executions.routes import STEERING
from gate.features.absent import PROJECTS, absent_router
from gate.infrastructure.endpoints import infrastructure_router
from gate.infrastructure.routes import ARTIFACTS, CLUSTERS, LOAD_BALANCERS, LOOKUPS, MANIFESTS
from gate.notifications.routes import NOTIFICATIONS
from gate.passthrough import passing_router
from gate.pipelines.configs import Configs
from gate.pipelines.endpoints import CONFIGS, pipeline_router
from gate.settings import GateSettings
from gate.streams.endpoints import stream_router
from gate.streams.hub import Hub
from gate.tasks.endpoints import TASKS, task_router
from gate.tasks.operations import Operations
from gate.templates.endpoints import template_router
from gate.templates.routes import TEMPLATES
from gate.triggers.endpoints import LISTS as TRIGGER_LISTS
from gate.triggers.endpoints import trigger_router


def create_app(settings: GateSettings) -> FastAPI:
    """Make gate's API. Raises `SettingsError` when it would let in anyone from anywhere without being told to."""
    signer = Signer(settings.identity.secret)
    methods = methods_of(settings, signer)
    backends = Backends(settings, signer)
    streams = settings.streams
    hub = Hub(settings.redis.url, queue_length=streams.queue_length, max_connections=streams.max_connections)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with background(hub.run()):
            yield
        await backends.aclose()

    app = service_app(
        "gate",
        settings,
        routers=[_routes(settings, backends, hub)],
        checks=backends.checks() | {"redis": hub.check},
        lifespan=lifespan,
        authenticate=chain(methods),
        max_body_bytes=settings.http.max_public_body_bytes,
        description="The door: Spinnaker's Gate API, webhooks in, live streams.",
    )
    app.add_exception_handler(UpstreamError, _upstream_error)
    app.add_middleware(Paths)
    app.add_middleware(Origins, allowed=settings.cors.allowed_origins_pattern)
    app.state.before_shutdown = lambda: hub.end_all("gate is stopping; connect again later")
    return app


def _routes(settings: GateSettings, backends: Backends, hub: Hub) -> APIRouter:
    """All routes, those with fixed segments before those with names in the same place."""
    operations = Operations(backends, settings.patience.task_timeout_seconds)
    configs = Configs(backends)
    applications = ApplicationService(backends, settings.patience.merge_timeout_seconds)
    routes = APIRouter(dependencies=[Depends(refuse_encoded_slashes)])
    for router in (
        access_router(backends, settings),
        stream_router(hub, settings.streams),
        application_router(applications),
        passing_router(backends, "applications", HISTORY),
        task_router(backends, operations),
        passing_router(backends, "tasks", TASKS),
        execution_router(backends, configs),
        passing_router(backends, "executions", (*EXECUTION_LISTS, *STEERING)),
        passing_router(backends, "pipelines", CONFIGS),
        pipeline_router(backends, configs, operations, settings.patience),
        passing_router(backends, "credentials", DEFINITIONS),
        credentials_router(backends),
        infrastructure_router(backends),
        passing_router(backends, "infrastructure", (*CLUSTERS, *MANIFESTS, *LOAD_BALANCERS, *LOOKUPS)),
        passing_router(backends, "artifacts", ARTIFACTS),
        passing_router(backends, "triggers", TRIGGER_LISTS),
        trigger_router(backends),
        passing_router(backends, "notifications", NOTIFICATIONS),
        passing_router(backends, "templates", TEMPLATES),
        template_router(backends, operations),
        passing_router(backends, "projects", PROJECTS),
        absent_router(),
    ):
        routes.include_router(router)
    return routes


async def _upstream_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, UpstreamError)
    return JSONResponse(upstream_body(error), status_code=error.status, headers=error.headers)
