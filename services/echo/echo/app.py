"""The front of echo."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from kork.app import background, database_check, service_app
from kork.bus import Consumer
from kork.database import Database
from kork.http import ServiceClient
from kork.identity import Signer
from redis.asyncio import Redis

from echo.bells import DELIVERIES, NOTICES, PIPELINES, SCHEDULE, STARTS, Bells
from echo.events.endpoints import event_router
from echo.events.service import EventService
from echo.executions.handler import GROUP, STREAMS, BusHandler
from echo.health import redis_check, service_check
from echo.notifications.announcer import Announcer
from echo.notifications.applications import ApplicationReceivers
from echo.notifications.catalogue import SenderCatalogue
from echo.notifications.deliverer import Deliverer
from echo.notifications.endpoints import notification_router
from echo.pipelines.sync import PipelineSync
from echo.pipelines.templates import TemplatePlanner
from echo.retention import forget_old
from echo.schedule.endpoints import schedule_router
from echo.schedule.scheduler import Scheduler
from echo.settings import EchoSettings
from echo.starts.endpoints import start_router
from echo.starts.manual import ManualStarts
from echo.starts.starter import Starter
from echo.triggers.catalogue import TriggerCatalogue


def create_app(settings: EchoSettings) -> FastAPI:
    """Make echo's API. While it serves, it starts, schedules and notifies, beside any other instance."""
    database = Database(settings.database, schema="echo")
    signer = Signer(settings.identity.secret)
    front50 = ServiceClient(settings.services.front50.url(), service="front50", signer=signer, settings=settings.http)
    orca = ServiceClient(settings.services.orca.url(), service="orca", signer=signer, settings=settings.http)
    outside = ServiceClient("", service="the receiver", settings=settings.http)
    redis = Redis.from_url(settings.redis.url, socket_timeout=2, socket_connect_timeout=2)
    triggers, senders, bells = TriggerCatalogue.load(), SenderCatalogue.load(), Bells(database)
    events = EventService(database, settings, triggers)
    templates = TemplatePlanner(orca)
    pipelines = PipelineSync(database, front50, templates, settings, triggers, events, bells[PIPELINES])
    manual = ManualStarts(database, front50, settings, triggers)
    applications = ApplicationReceivers(front50)
    handler = BusHandler(settings, triggers, events, applications)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        consumer = Consumer(
            database, settings.redis.url, group=GROUP, streams=STREAMS, handler=handler.handle, wanted=handler.wants
        )
        async with background(
            bells.run(),
            consumer.run(),
            pipelines.run(),
            Starter(database, orca, settings.starts, bells[STARTS]).run(),
            Scheduler(database, settings, triggers, bells[SCHEDULE]).run(),
            Announcer(database, applications, settings, senders, bells[NOTICES]).run(),
            Deliverer(database, outside, settings, senders, bells[DELIVERIES]).run(),
            forget_old(database, settings.retention),
        ):
            yield
        for client in (front50, orca, outside):
            await client.aclose()
        await redis.aclose()
        database.dispose()

    return service_app(
        "echo",
        settings,
        routers=[
            event_router(events, pipelines, manual, settings),
            start_router(database, manual),
            schedule_router(database, settings, triggers),
            notification_router(database, senders),
        ],
        checks={
            "database": database_check(database),
            "redis": redis_check(redis),
            "front50": service_check(front50, "what echo remembers of the pipelines is used"),
            "orca": service_check(orca, "executions start when orca is back"),
        },
        lifespan=lifespan,
        max_body_bytes=settings.http.max_public_body_bytes,
        description="Triggers in, notifications out.",
    )
