"""`/webhooks`, `/cron`, callbacks of chat systems."""

from typing import Any

from fastapi import APIRouter, Request, Response
from kork.documents import Document
from kork.errors import UpstreamError
from kork.identity import Identity, identity_context

from gate.backends import Backends, relayed, segment
from gate.bodies import OptionalObjectBody
from gate.passthrough import Pass

LISTS = (
    Pass(
        "GET", "/webhooks/preconfigured", "orca", "webhooks/preconfigured", "Webhook stages set up here", otherwise=[]
    ),
    Pass("GET", "/jobs/preconfigured", "orca", "jobs/preconfigured", "Job stages set up here", otherwise=[]),
    Pass("GET", "/pubsub/subscriptions", "echo", "pubsub/subscriptions", "Subscriptions set up here", otherwise=[]),
    Pass(
        "GET",
        "/capabilities/deploymentMonitors",
        "orca",
        "capabilities/deploymentMonitors",
        "Deployment monitors",
        otherwise=[],
    ),
    Pass("GET", "/capabilities/expressions", "orca", "capabilities/expressions", "What expressions can do"),
    Pass(
        "GET",
        "/capabilities/quietPeriod",
        "echo",
        "quietPeriod",
        "The time in which triggers are held back",
        otherwise={"enabled": False, "inQuietPeriod": False, "startTime": 0, "endTime": 0},
    ),
)

_OUR_OWN = ("x-spinnaker-", "x-gennaker-", "x-forwarded-", "x-real-ip", "x-ratelimit-")
_PASSED = frozenset({"content-type", "idempotency-key", "x-gennaker-delivery"})


def trigger_router(backends: Backends) -> APIRouter:
    """Make the routes of events that come in."""
    router = APIRouter(tags=["triggers"])

    @router.post("/webhooks/{type}/{source}")
    async def webhook(request: Request, type: str, source: str, body: OptionalObjectBody) -> Response:
        """Take an event in; gives `{eventProcessed, eventId}`. The body, if there is one, is a JSON object.

        What the sender says about it in headers (signatures, delivery ids, `X-…`, `Ce-…`) goes on to echo.
        """
        with identity_context(Identity()):
            response = await backends.call(
                request,
                "echo",
                "POST",
                f"/webhooks/{segment(type)}/{segment(source)}",
                content=body.content if body.content.strip() else b"{}",
                params=dict(request.query_params),
                headers={"content-type": "application/json"} | sender_headers(request.headers.items()),
            )
        return relayed(response, 200)

    @router.post("/notifications/callbacks/{source}")
    async def callback(request: Request, source: str) -> Response:
        """Take the answer of a person in a chat; echo checks its signature."""
        headers = sender_headers(request.headers.items())
        with identity_context(Identity()):
            path = f"/notifications/callbacks/{segment(source)}"
            response = await backends.call(request, "echo", "POST", path, content=await request.body(), headers=headers)
        return relayed(response)

    @router.get("/cron/validate")
    async def validate_cron(request: Request, expression: str) -> Document:
        """Say whether a cron expression is right, and what it means or what is wrong with it."""
        params = {"cronExpression": expression}
        try:
            known = await backends.get(request, "echo", "/validateCronExpression", params=params)
        except UpstreamError as error:
            if error.status == 400:
                return {"valid": False, "message": error.upstream_message}
            raise
        return {"valid": True, "description": _description(known)}

    return router


def sender_headers(headers: Any) -> dict[str, str]:
    """Keep the headers in which the sender of an event speaks of it; none of ours, none of a proxy's."""
    return {
        name: value
        for name, value in headers
        if value.isascii() and (name in _PASSED or (name.startswith(("x-", "ce-")) and not name.startswith(_OUR_OWN)))
    }


def _description(known: Any) -> str:
    if isinstance(known, dict):
        described: Document = {str(key): value for key, value in known.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]
        return str(described.get("description") or described.get("response") or "")
    return str(known or "")
