"""`python -m clouddriver cache`: the process that watches the accounts, apart from the API."""

import asyncio
import contextlib
import signal

from kork.database import Database

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.cache import Cache
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.settings import ClouddriverSettings


def run_cache(settings: ClouddriverSettings, _: list[str]) -> None:
    """Watch the accounts until SIGTERM or SIGINT."""
    asyncio.run(_watch(settings))


async def _watch(settings: ClouddriverSettings) -> None:
    database = Database(settings.database, schema="clouddriver")
    accounts = Accounts(settings.kubernetes)
    cache = asyncio.ensure_future(Cache(accounts, ResourceStore(database), AccountStates(database)).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, cache.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await cache
    accounts.close()
    database.dispose()
