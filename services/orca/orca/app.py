"""The front of orca."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from kork.app import WaitingThreads, background, database_check, service_app
from kork.bus import Relay
from kork.database import Database
from kork.http import ServiceClient
from kork.identity import Signer

from orca.admin.endpoints import admin_router
from orca.bell import Bell, CeleryBell
from orca.capabilities.endpoints import capability_router
from orca.clients import Clients
from orca.clock import Clock
from orca.custom.endpoints import custom_stage_router
from orca.execution.backlog import counted
from orca.execution.service import ExecutionService
from orca.launching.endpoints import launching_router
from orca.launching.service import Launcher
from orca.pipelines.endpoints import pipeline_router
from orca.pipelines.evaluation import Evaluations
from orca.pipelines.failed_stages import failed_stages_router
from orca.pipelines.listing import PipelineLists
from orca.pipelines.projects import project_router
from orca.plan.clients import planning_services
from orca.plan.endpoints import plan_router
from orca.plan.service import Planner
from orca.retention.endpoints import import_router
from orca.retention.store import History
from orca.retention.sweep import Retention
from orca.settings import OrcaSettings
from orca.stages.installed import catalogue_for
from orca.tasks.endpoints import task_router
from orca.templates import Templates
from orca.templates.endpoints import template_router


def create_app(settings: OrcaSettings, bell: Bell | None = None) -> FastAPI:
    """Make orca's API; while it serves, it relays its events, and when embedded it keeps the clock too."""
    database = Database(settings.database, schema="orca")
    bell = bell or CeleryBell(settings.redis.url)
    catalogue = catalogue_for(settings)
    signer = Signer(settings.identity.secret)
    front50 = ServiceClient(settings.services.front50.url(), service="front50", signer=signer, settings=settings.http)
    clients = Clients(settings)
    launcher = Launcher(database, settings, bell, Templates(clients.to("clouddriver")))
    planner = Planner(database, settings, catalogue, launcher, planning_services(settings, clients))
    executions = ExecutionService(database, settings, bell, catalogue)
    evaluations = Evaluations(executions, settings, clients)
    waiting = WaitingThreads()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        work: list[Awaitable[None]] = [Relay(database, settings.redis.url).run()]
        if settings.embedded:
            work += [Clock(settings, bell).run(), Retention(database, settings).run()]
        with counted(database):
            async with background(*work):
                yield
        await front50.aclose()
        evaluations.close()
        clients.close()
        database.dispose()

    lists = PipelineLists(database, settings)
    return service_app(
        "orca",
        settings,
        routers=[
            launching_router(launcher, front50, waiting),
            plan_router(planner, waiting),
            template_router(launcher, waiting),
            failed_stages_router(executions, settings),
            pipeline_router(settings, executions, lists, evaluations, waiting),
            project_router(lists, front50),
            custom_stage_router(settings),
            task_router(database, settings, executions),
            admin_router(executions),
            import_router(History(database), settings.executions.import_),
            capability_router(settings),
        ],
        checks={"database": database_check(database)},
        lifespan=lifespan,
        description="Orchestration: executions, stages and tasks.",
    )
