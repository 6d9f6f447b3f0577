"""`/auth`, `/version`, `/admin`: who one is, and whom one talks to."""

import asyncio
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from kork.caller import CurrentUser
from kork.errors import BadRequest, SpinnakerError
from kork.identity import Identity
from kork.settings import Settings
from starlette.responses import PlainTextResponse, RedirectResponse

from gate.access.origins import allows
from gate.backends import Backends
from gate.credentials.rules import may_use
from gate.settings import GateSettings


class Authority(Settings):
    """One thing that a user may do, by the name of a role."""

    authority: str


class User(Settings):
    """A user as Spinnaker's Gate shows it."""

    username: str
    email: str
    first_name: str | None = None
    last_name: str | None = None
    roles: list[str]
    authorities: list[Authority]
    allowed_accounts: list[str]
    is_admin: bool
    can_mint_api_tokens: bool = False
    enabled: bool = True
    account_non_expired: bool = True
    account_non_locked: bool = True
    credentials_non_expired: bool = True


class Version(Settings):
    """The version of this platform."""

    version: str


class Admin(Settings):
    """Whether a user is an administrator."""

    username: str
    is_admin: bool


def access_router(backends: Backends, settings: GateSettings) -> APIRouter:
    """Make the routes that say who one is."""
    router = APIRouter(tags=["access"])
    patience = settings.patience.merge_timeout_seconds

    @router.get("/auth/user")
    async def get_user(request: Request, user: CurrentUser) -> User:
        """Say who one is; without clouddriver's answer there are no accounts."""
        return present(user, await _usable_accounts(request, user))

    @router.get("/auth/rawUser")
    async def get_raw_user(request: Request, user: CurrentUser) -> User:
        """Say who one is."""
        return present(user, await _usable_accounts(request, user))

    @router.get("/auth/loggedOut")
    async def logged_out() -> Response:
        """Say that one has logged out."""
        return PlainTextResponse("You are logged out.")

    @router.get("/auth/logout", status_code=302)
    @router.post("/auth/logout", status_code=302, include_in_schema=False)
    async def log_out() -> Response:
        """End the session (there is none while everyone is anonymous) and go to `/auth/loggedOut`."""
        return RedirectResponse("/auth/loggedOut", status_code=302)

    @router.get("/auth/redirect", status_code=302)
    async def redirect(to: str) -> Response:
        """Go back to a page of an allowed origin. 400 for any other."""
        if not allows(settings.cors.allowed_origins_pattern, origin_of(to)):
            raise BadRequest("Requested redirect address not recognized.")
        return RedirectResponse(to, status_code=302)

    @router.get("/version")
    async def get_version() -> Version:
        """Say which version this is."""
        return Version(version=_version())

    @router.get("/admin")
    async def get_admin(user: CurrentUser) -> Admin:
        """Say whether one is an administrator."""
        return Admin(username=user.user, is_admin=user.admin)

    async def _usable_accounts(request: Request, user: Identity) -> list[str]:
        try:
            async with asyncio.timeout(patience):
                found = await backends.get(request, "clouddriver", "/credentials", params={"expand": "true"})
        except (TimeoutError, SpinnakerError):
            return list(user.accounts)
        accounts = cast(list[dict[str, Any]], found)
        return sorted(str(account["name"]) for account in accounts if may_use(account, user))

    return router


def origin_of(address: str) -> str:
    """Give the `scheme://host:port` of an address; empty when it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def present(user: Identity, accounts: list[str]) -> User:
    """Show a user. An anonymous one has the name for an address too."""
    return User(
        username=user.user,
        email=user.user,
        roles=list(user.roles),
        authorities=[Authority(authority=role) for role in user.roles],
        allowed_accounts=accounts,
        is_admin=user.admin,
    )


def _version() -> str:
    try:
        return version("gennaker-gate")
    except PackageNotFoundError:
        return "Unknown"
