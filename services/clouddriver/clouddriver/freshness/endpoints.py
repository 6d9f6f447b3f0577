"""`/cache`."""

from typing import Any

from fastapi import APIRouter, Response
from kork.app import JSONResponse

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.states import AccountStates


def freshness_router(accounts: Accounts, states: AccountStates) -> APIRouter:
    """Make the routes of the cache."""
    router = APIRouter(prefix="/cache", tags=["cache"])

    @router.get("/introspection")
    def introspect() -> Response:
        """List what is watched, and since when each kind is in step."""
        found = states.read([account.name for account in accounts])
        listed: list[dict[str, Any]] = []
        for name, state in found.items():
            for kind in state.kinds:
                at = int(kind.synced_at.timestamp() * 1000) if kind.synced_at else None
                where = f"/{kind.namespace}" if kind.namespace else ""
                listed.append(
                    {
                        "id": f"{name}/{kind.kind}{where}",
                        "provider": "kubernetes",
                        "lastError": kind.reason or None,
                        "lastExecutionStartMs": at,
                        "details": {"state": kind.state, "account": name, "kind": kind.kind},
                    }
                )
        return JSONResponse(sorted(listed, key=lambda item: item["lastExecutionStartMs"] or 0, reverse=True))

    @router.post("/{provider}/{type}")
    def refresh(provider: str, type: str) -> Response:
        """Say that there is nothing to refresh: changes are watched, and our own are known at once."""
        return JSONResponse({"cachedIdentifiersByType": {}})

    @router.get("/{provider}/{type}")
    def list_pending(provider: str, type: str) -> Response:
        """List the refreshes that are still under way: none."""
        return JSONResponse([])

    return router
