"""`/credentials`, and how the accounts are."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse
from kork.caller import CurrentUser
from kork.errors import Forbidden

from clouddriver.credentials.views import account_health, broken_account, collapsed, expanded
from clouddriver.kubernetes.access.check import check_account, present
from clouddriver.kubernetes.access.needs import Purpose
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.states import AccountStates
from clouddriver.operations.rules import may_write
from clouddriver.settings import CredentialsSettings

Expand = Annotated[bool, Query()]


def credentials_router(
    accounts: Accounts, resources: ResourceStore, states: AccountStates, settings: CredentialsSettings
) -> APIRouter:
    """Make the routes of accounts."""
    router = APIRouter(tags=["credentials"])

    def namespaces(account: Account) -> list[str]:
        return account.settings.namespaces or resources.names(account.name, "Namespace")

    @router.get("/credentials")
    def list_credentials(expand: Expand = False) -> Response:
        """List the accounts; `expand=true` adds what their provider says of them."""
        if not expand:
            return JSONResponse([collapsed(account.settings, settings) for account in accounts])
        return JSONResponse([expanded(account.settings, settings, namespaces(account)) for account in accounts])

    @router.get("/credentials/{name}")
    def get_credentials(name: str) -> Response:
        """Give one account. 404 when there is none of that name."""
        account = accounts.get(name)
        state = states.read([name])[name]
        return JSONResponse(
            expanded(account.settings, settings, namespaces(account)) | {"health": account_health(account, state)}
        )

    @router.get("/credentials/{name}/check")
    def check_credentials(name: str, user: CurrentUser, purpose: Purpose = "deploy") -> Response:
        """Ask the account's cluster what the account may do there, and give the RBAC objects that are missing.

        `purpose=view` leaves out what only deploying needs. 404 when there is no account of that name.
        """
        account = accounts.get(name)
        if not may_write(account, user):
            raise Forbidden(f"'{user.user}' may not WRITE to account '{name}'.")
        return JSONResponse(present(check_account(account, purpose)))

    @router.get("/credentials/{name}/authorized")
    def check_authorized(name: str, user: CurrentUser) -> Response:
        """Say that the caller may WRITE to an account: 403 when not, 404 when there is none."""
        account = accounts.get(name)
        if not may_write(account, user):
            raise Forbidden(f"'{user.user}' may not WRITE to account '{name}'.")
        return JSONResponse(collapsed(account.settings, settings))

    @router.get("/accounts/health")
    def accounts_health() -> Response:
        """Say of every account how it is, why, and what to do."""
        found = states.read([account.name for account in accounts])
        listed = [account_health(account, found[account.name]) for account in accounts]
        listed += [broken_account(name, fault) for name, fault in accounts.faults.items()]
        return JSONResponse(listed)

    return router
