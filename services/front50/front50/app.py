"""The front of front50."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from kork.app import background, database_check, service_app
from kork.bus import Relay
from kork.database import Database

from front50.applications.endpoints import application_router
from front50.notifications.endpoints import notification_router
from front50.permissions.endpoints import permission_router
from front50.pipelines.endpoints import pipeline_router
from front50.settings import Front50Settings
from front50.templates.endpoints import template_router


def create_app(settings: Front50Settings) -> FastAPI:
    """Make front50's API; while it serves, it relays the events of its outbox to Redis."""
    database = Database(settings.database, schema="front50")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with background(Relay(database, settings.redis.url).run()):
            yield
        database.dispose()

    names = settings.validation.application_name_validator
    return service_app(
        "front50",
        settings,
        routers=[
            application_router(database, names),
            permission_router(database),
            pipeline_router(database, "pipeline"),
            pipeline_router(database, "strategy"),
            notification_router(database),
            template_router(database),
        ],
        checks={"database": database_check(database)},
        lifespan=lifespan,
        description="Applications, pipelines and their history.",
    )
