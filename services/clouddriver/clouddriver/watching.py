"""`python -m clouddriver cache`: the process that watches the accounts, apart from the API."""

import asyncio
import contextlib
import signal

from kork.database import Database

from clouddriver.credentials.known import known_accounts
from clouddriver.kubernetes.cache import Cache
from clouddriver.settings import ClouddriverSettings


def run_cache(settings: ClouddriverSettings, _: list[str]) -> None:
    """Watch the accounts until SIGTERM or SIGINT."""
    asyncio.run(_watch(settings))


async def _watch(settings: ClouddriverSettings) -> None:
    database = Database(settings.database, schema="clouddriver")
    accounts = known_accounts(settings, database)
    cache = asyncio.ensure_future(
        Cache(accounts, database, lease_seconds=settings.kubernetes.cache_lease_seconds).run()
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, cache.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await cache
    accounts.close()
    database.dispose()
