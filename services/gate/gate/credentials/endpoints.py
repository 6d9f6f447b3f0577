"""`/credentials`."""

from typing import cast

from fastapi import APIRouter, Request
from kork.caller import CurrentUser
from kork.documents import Document
from kork.errors import UpstreamError

from gate.backends import Backends, not_found_or, segment
from gate.credentials.rules import present
from gate.passthrough import Param, Pass

_VALIDATE = Param("validate", "flag", description="say only what is wrong, and whether the cluster answers")

DEFINITIONS = (
    Pass(
        "GET",
        "/credentials/type/{accountType}",
        "clouddriver",
        "credentials/type/{accountType}",
        "Definitions of accounts",
        (Param("limit", "number", default=100), Param("startingAccountName")),
        otherwise=[],
    ),
    Pass(
        "POST",
        "/credentials",
        "clouddriver",
        "credentials",
        "Add a definition of an account",
        (_VALIDATE,),
        body="object",
    ),
    Pass(
        "PUT",
        "/credentials",
        "clouddriver",
        "credentials",
        "Add or change a definition of an account",
        (_VALIDATE,),
        body="object",
    ),
    Pass(
        "PUT",
        "/credentials/{accountName}",
        "clouddriver",
        "credentials/{accountName}",
        "Change a definition of an account",
        body="object",
    ),
    Pass(
        "GET",
        "/credentials/{accountName}/history",
        "clouddriver",
        "credentials/{accountName}/history",
        "Versions of an account's definition",
    ),
    Pass(
        "GET",
        "/credentials/{accountName}/check",
        "clouddriver",
        "credentials/{accountName}/check",
        "What an account may do in its cluster, and what it lacks",
        (Param("purpose", description="view or deploy (the default)"),),
    ),
    Pass(
        "DELETE",
        "/credentials/{accountName}",
        "clouddriver",
        "credentials/{accountName}",
        "Delete a definition of an account",
        void=True,
    ),
    Pass("GET", "/accounts/health", "clouddriver", "accounts/health", "How each account is, and what would mend it"),
)


def credentials_router(backends: Backends) -> APIRouter:
    """Make the routes of accounts."""
    router = APIRouter(tags=["credentials"])

    @router.get("/credentials")
    async def list_accounts(request: Request, user: CurrentUser, expand: bool = False) -> list[Document]:
        """List the accounts; `expand` gives all of what is known about each."""
        found = await backends.get(request, "clouddriver", "/credentials", params={"expand": "true"})
        return [present(account, user, expanded=expand) for account in cast(list[Document], found)]

    @router.get("/credentials/{account}")
    async def get_account(request: Request, account: str, user: CurrentUser) -> Document:
        """Give one account. 404 when there is none of that name."""
        try:
            found = await backends.get(request, "clouddriver", f"/credentials/{segment(account)}")
        except UpstreamError as error:
            raise not_found_or(error, f"Account not found (name: {account})") from error
        return present(found, user, expanded=True)

    return router
