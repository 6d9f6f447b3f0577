"""Taking up changes of accounts in a process that only serves the API."""

from kork.app import run_sync
from kork.database import Database

from clouddriver.kubernetes.accounts import ACCOUNTS_CHANNEL, Accounts
from clouddriver.kubernetes.inflow import persistently

_SWEEP_SECONDS = 60.0


async def follow_definitions(accounts: Accounts, database: Database) -> None:
    """Refresh the accounts whenever a definition changes, until cancelled."""
    async with database.listen(ACCOUNTS_CHANNEL) as inbox:
        while True:
            await persistently(lambda: run_sync(accounts.refresh))
            await inbox.next(_SWEEP_SECONDS)
