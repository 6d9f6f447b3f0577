"""Who may use an account, and what of it a list shows. Pure."""

from typing import Any, cast

from kork.documents import Document
from kork.identity import Identity

_BRIEF = ("name", "accountId", "type", "requiredGroupMembership", "permissions")


def may_use(account: Document, user: Identity) -> bool:
    """Say whether `user` may deploy with an account: it is open to all, or one of the user's roles has WRITE.

    Source: Fiat's model; an account without permissions is open to everyone.
    """
    permissions = account.get("permissions")
    writers = _names(cast(Document, permissions).get("WRITE")) if isinstance(permissions, dict) else set[str]()
    wanted = writers | _names(account.get("requiredGroupMembership"))
    restricted = bool(wanted) or (isinstance(permissions, dict) and any(cast(Document, permissions).values()))
    return not restricted or user.admin or bool(wanted & {role.lower() for role in user.roles})


def _names(value: Any) -> set[str]:
    return {str(item).lower() for item in cast(list[Any], value)} if isinstance(value, list) else set()


def present(account: Document, user: Identity, *, expanded: bool) -> Document:
    """Give an account as Gate answers it, with `authorized` for this user."""
    shown = account if expanded else {key: account[key] for key in _BRIEF if key in account}
    return shown | {"authorized": may_use(account, user)}
