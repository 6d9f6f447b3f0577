"""The front of clouddriver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from kork.app import database_check, service_app
from kork.database import Database

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.settings import ClouddriverSettings


def create_app(settings: ClouddriverSettings) -> FastAPI:
    """Make clouddriver's API. When embedded, the accounts are watched while it serves."""
    database = Database(settings.database, schema="clouddriver")
    accounts = Accounts(settings.kubernetes)
    resources = ResourceStore(database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.accounts, app.state.resources = accounts, resources
        yield
        accounts.close()
        database.dispose()

    return service_app(
        "clouddriver",
        settings,
        routers=[],
        checks={"database": database_check(database)},
        lifespan=lifespan,
        description="Accounts, what is in their clusters, and changes to it.",
    )
