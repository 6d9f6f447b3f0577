"""How the services are on which echo depends. None of them being away stops echo from taking events."""

import asyncio

from kork.app import Health, HealthCheck
from kork.errors import UpstreamError
from kork.http import ServiceClient
from redis.asyncio import Redis
from redis.exceptions import RedisError

_SECONDS = 2.0


def service_check(client: ServiceClient, effect: str) -> HealthCheck:
    """Make the check of another service: DEGRADED, with what that means, when it doesn't answer."""

    async def check() -> Health:
        try:
            async with asyncio.timeout(_SECONDS):
                await client.request("GET", "/health/liveness")
        except (UpstreamError, TimeoutError) as error:
            reason = error.upstream_message if isinstance(error, UpstreamError) else f"no answer within {_SECONDS:g} s"
            return Health("DEGRADED", {"error": reason, "effect": effect})
        return Health("UP")

    return check


def redis_check(redis: "Redis") -> HealthCheck:
    """Make the check of Redis: DEGRADED when it doesn't answer."""

    async def check() -> Health:
        try:
            async with asyncio.timeout(_SECONDS):
                await redis.execute_command("PING")
        except (RedisError, OSError, TimeoutError) as error:
            effect = "changes of pipelines and ends of executions arrive late"
            return Health("DEGRADED", {"error": str(error) or type(error).__name__, "effect": effect})
        return Health("UP")

    return check
