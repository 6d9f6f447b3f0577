"""Who may WRITE to an account. Pure.

Source: Fiat's model; permissions, where there are any, count instead of `requiredGroupMembership`.
"""

from typing import Any, cast

from kork.identity import Identity


def is_writer(permissions: Any, required_groups: Any, user: Identity) -> bool:
    """Say whether a user may change an account's cluster; `permissions` are `{READ: […], WRITE: […]}`, or nothing."""
    granted = cast(dict[str, Any], permissions) if isinstance(permissions, dict) else {}
    restricted = any(granted.values())
    roles = _roles(granted.get("WRITE")) if restricted else _roles(required_groups)
    if user.admin or not (restricted or roles):
        return True
    return bool(roles & {role.lower() for role in user.roles})


def _roles(value: Any) -> set[str]:
    return {str(role).lower() for role in cast(list[Any], value)} if isinstance(value, list) else set()
