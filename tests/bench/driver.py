"""Starts executions by HTTP and hears of their ends on the bus."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import orjson
from kork.ids import new_ulid
from redis import Redis

_STREAM = "orca.executions"
_ENDS = (b"orca:pipeline:complete", b"orca:pipeline:failed")
_CONNECTIONS = 4


class Ends:
    """The ends of executions, read from the stream since this was made."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(redis_url)
        newest: Any = self._redis.xrevrange(_STREAM, count=1)
        self._last = newest[0][0] if newest else b"0-0"

    def collect(self, ids: Sequence[str], timeout: float) -> dict[str, dict[str, Any]]:
        """Wait until all `ids` have ended; gives the event of each. Raises `TimeoutError` after `timeout` s."""
        missing, found = set(ids), dict[str, dict[str, Any]]()
        deadline = time.monotonic() + timeout
        while missing:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} of {len(ids)} executions have not ended after {timeout:g} s")
            answer: Any = self._redis.xread({_STREAM: self._last}, count=1000, block=1000)
            pages = answer.items() if isinstance(answer, dict) else answer or ()
            for _, messages in pages:
                while messages and isinstance(messages[0], list):
                    messages = [pair for page in messages for pair in page]
                for message_id, fields in messages:
                    self._last = message_id
                    if fields[b"type"] in _ENDS:
                        event = orjson.loads(fields[b"payload"])
                        if event["executionId"] in missing:
                            missing.discard(event["executionId"])
                            found[event["executionId"]] = event
        return found


def chain(application: str, stages: int, type: str = "wait") -> dict[str, Any]:
    """A pipeline of stages without I/O, one after the other."""
    made = [
        {"refId": str(n), "type": type, "name": f"stage {n}", "waitTime": 0, "requisiteStageRefIds": [str(n - 1)]}
        for n in range(1, stages + 1)
    ]
    made[0]["requisiteStageRefIds"] = []
    return pipeline(application, made)


def fan_out(application: str, width: int) -> dict[str, Any]:
    """A stage, `width` that wait for it, and one that waits for all of those."""
    branches = [
        {"refId": f"b{n}", "type": "wait", "name": f"branch {n}", "waitTime": 0, "requisiteStageRefIds": ["first"]}
        for n in range(width)
    ]
    first = {"refId": "first", "type": "wait", "name": "first", "waitTime": 0, "requisiteStageRefIds": []}
    join = first | {"refId": "join", "name": "join", "requisiteStageRefIds": [each["refId"] for each in branches]}
    return pipeline(application, [first, *branches, join])


def pipeline(application: str, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """A pipeline configuration as it is posted to orca."""
    return {
        "application": application,
        "name": f"{len(stages)} stages",
        "stages": stages,
        "trigger": {"type": "manual"},
    }


@dataclass(frozen=True, slots=True)
class Submission:
    """Executions that were started: their ids, when the first was sent (epoch ms), how long a start took (p50, s)."""

    ids: list[str]
    sent_at: float
    start_p50: float


async def submit(orca: str, body: Mapping[str, Any], count: int) -> Submission:
    """Start `count` executions over a few connections that are open already."""
    ids = [new_ulid() for _ in range(count)]
    waiting, times = list(ids), list[float]()
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    headers = {"Content-Type": "application/json", "X-SPINNAKER-USER": "bench"}
    async with httpx.AsyncClient(base_url=orca, limits=limits, headers=headers, timeout=60, verify=False) as client:

        async def feed() -> None:
            while waiting:
                content = orjson.dumps({**body, "executionId": waiting.pop()})
                started = time.perf_counter()
                (await client.post("/orchestrate", content=content)).raise_for_status()
                times.append(time.perf_counter() - started)

        await asyncio.gather(*(client.get("/health/liveness") for _ in range(_CONNECTIONS)))
        sent_at = time.time() * 1000
        await asyncio.gather(*(feed() for _ in range(_CONNECTIONS)))
    return Submission(ids, sent_at, sorted(times)[len(times) // 2])
