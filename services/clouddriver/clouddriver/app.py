"""The front of clouddriver."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from kork.app import Health, HealthCheck, background, database_check, run_sync, service_app
from kork.database import Database
from kork.http import SyncServiceClient
from kork.identity import Signer

from clouddriver.applications.endpoints import application_router, placed_router
from clouddriver.applications.service import ApplicationService
from clouddriver.artifacts.endpoints import artifact_router
from clouddriver.artifacts.front50 import Front50Account
from clouddriver.credentials.definition_endpoints import definitions_router
from clouddriver.credentials.endpoints import credentials_router
from clouddriver.credentials.following import follow_definitions
from clouddriver.credentials.known import StoredAccounts, sealer_of
from clouddriver.credentials.service import DefinitionService
from clouddriver.credentials.store import DefinitionStore
from clouddriver.freshness.endpoints import freshness_router
from clouddriver.instances.endpoints import console_router
from clouddriver.jobs.endpoints import job_router
from clouddriver.jobs.service import JobService
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.cache import Cache
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.manifests.endpoints import manifest_router
from clouddriver.manifests.service import ManifestService
from clouddriver.operations.bells import BellSweep, celery_bell
from clouddriver.operations.endpoints import operations_router
from clouddriver.planning.endpoints import planning_router
from clouddriver.search.endpoints import search_router
from clouddriver.settings import ClouddriverSettings


def create_app(settings: ClouddriverSettings) -> FastAPI:
    """Make clouddriver's API. When embedded, the accounts are watched while it serves."""
    database = Database(settings.database, schema="clouddriver")
    definitions, sealer = DefinitionStore(database), sealer_of(settings)
    accounts = Accounts(settings.kubernetes, StoredAccounts(definitions, sealer))
    resources = ResourceStore(database)
    states = AccountStates(database)
    applications = ApplicationService(resources)
    ring = celery_bell(settings)
    front50 = SyncServiceClient(
        settings.services.front50.url(),
        service="front50",
        signer=Signer(settings.identity.secret),
        settings=settings.http,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(database.dispose)
            stack.callback(accounts.close)
            stack.callback(front50.close)
            await stack.enter_async_context(background(BellSweep(database, ring).run()))
            if settings.embedded:
                lease = settings.kubernetes.cache_lease_seconds
                cache = Cache(accounts, database, owner="embedded", lease_seconds=lease)
                await stack.enter_async_context(background(cache.run()))
            else:
                await stack.enter_async_context(background(follow_definitions(accounts, database)))
            yield

    return service_app(
        "clouddriver",
        settings,
        routers=[
            definitions_router(
                DefinitionService(definitions, sealer, accounts, resources, settings.credentials.account_managers)
            ),
            credentials_router(accounts, resources, states, settings.credentials),
            manifest_router(ManifestService(accounts, resources)),
            application_router(applications),
            placed_router(applications),
            console_router(accounts),
            job_router(JobService(accounts, detailed=settings.kubernetes.jobs.detailed_pod_status)),
            search_router(resources),
            freshness_router(accounts, states),
            artifact_router(settings.artifacts, Front50Account(front50)),
            operations_router(database, accounts, ring),
            planning_router(database, accounts, resources, settings.kubernetes),
        ],
        checks={"database": database_check(database), "kubernetes": accounts_check(accounts, states)},
        lifespan=lifespan,
        description="Accounts, what is in their clusters, and changes to it.",
    )


def accounts_check(accounts: Accounts, states: AccountStates) -> HealthCheck:
    """Make the check of the accounts: an account in trouble degrades the service, and never stops it."""

    async def check() -> Health:
        found = await run_sync(states.read, [account.name for account in accounts])
        troubled: dict[str, Any] = {
            name: {"status": state.health.status, "reason": state.health.reason, "fix": state.health.fix}
            for name, state in found.items()
            if state.health.status != "UP"
        }
        for name, fault in accounts.faults.items():
            troubled[name] = {"status": "DOWN", "reason": f"Its definition can't be used: {fault}"}
        return Health("DEGRADED" if troubled else "UP", troubled or None)

    return check
