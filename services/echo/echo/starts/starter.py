"""Posts starts to orca, each until it is accepted or refused for good."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.documents import Document, object_in, write_json
from kork.errors import UpstreamError
from kork.http import ServiceClient
from kork.identity import identity_context
from kork.telemetry import counter, gauge, log
from kork.tracing import span
from kork.trail import follow

from echo.bells import Bell
from echo.settings import StartSettings
from echo.starts.body import with_parent
from echo.starts.store import Claimed, StartStore
from echo.work import Work, backoff_ms

_log = log("echo.starts")
_results = counter("echo_starts_total", "Attempts to start an execution in orca", "result")
_waiting = gauge("echo_starts_waiting", "Starts that orca has not accepted yet")

# What says nothing of the start itself: orca is away, too busy, or doesn't know who we are.
_PASSING = frozenset({401, 408, 425, 429, 502, 503, 504})
_LEASE_EXTRA_SECONDS = 3.0
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from orca's answer: `started`, try it `later`, or `refused`."""

    kind: Literal["started", "later", "refused"]
    failures: int = 0
    error: str | None = None


def judge(error: UpstreamError | None, failures: int, settings: StartSettings) -> Verdict:
    """Say what follows from orca's answer to a start that failed `failures` times by orca's own fault. Pure."""
    if error is None:
        return Verdict("started")
    if error.network or error.status in _PASSING:
        return Verdict("later", failures, error.message)
    if error.status >= 500 and failures < settings.retry_count:
        return Verdict("later", failures + 1, error.message)
    return Verdict("refused", failures, error.upstream_message)


class Starter:
    """Starts executions. Any number of processes may run it; a start is tried by one at a time."""

    def __init__(self, database: Database, orca: ServiceClient, settings: StartSettings, bell: Bell) -> None:
        self._database = database
        self._orca = orca
        self._settings = settings
        self._work = Work[Claimed](
            "starts",
            bell,
            limit=settings.concurrency,
            claim=self._claim,
            next_due=self._next_due,
            do=self._start,
        )

    async def run(self) -> None:
        """Start what is due until cancelled."""
        await self._work.run()

    def _claim(self, limit: int) -> list[Claimed]:
        # A start may take three calls: the parent's record, the start itself, making a refusal visible.
        lease = int((3 * self._settings.timeout_seconds + _LEASE_EXTRA_SECONDS) * 1000)
        with self._database.begin() as connection:
            return StartStore(connection).claim(limit, now_ms(), lease)

    def _next_due(self) -> EpochMillis | None:
        with self._database.connect() as connection:
            store = StartStore(connection)
            _waiting.set(store.waiting())
            return store.next_due()

    async def _start(self, start: Claimed) -> None:
        attributes = {
            "gennaker.execution.id": start.execution_id,
            "gennaker.application": str(start.body.get("application")),
            "gennaker.attempt": start.attempts,
        }
        with follow(start.trail.to(start.execution_id), service="echo"), span("start execution", attributes):
            await self._try(start)

    async def _try(self, start: Claimed) -> None:
        if start.refusal is None:
            with identity_context(start.run_as):
                verdict = judge(await self._post(start), start.failures, self._settings)
        else:
            verdict = Verdict("refused", start.failures, start.refusal)
        _results.labels(verdict.kind).inc()
        fields = {"application": start.body.get("application")}
        match verdict.kind:
            case "started":
                _log.info("start.accepted", name=start.body.get("name"), attempts=start.attempts, **fields)
                await asyncio.to_thread(self._finish, start.execution_id, "started", None)
            case "later":
                _log.warning("start.delayed", error=verdict.error, attempts=start.attempts, **fields)
                await asyncio.to_thread(self._later, start, verdict, None)
            case "refused":
                _log.warning("start.refused", error=verdict.error, **fields)
                await self._show_refusal(start, verdict)

    async def _post(self, start: Claimed) -> UpstreamError | None:
        try:
            async with asyncio.timeout(2 * self._settings.timeout_seconds):
                body = await self._complete(start.body)
                await self._orca.post("/orchestrate", content=write_json(body), headers=_JSON)
        except UpstreamError as error:
            return error
        except TimeoutError:
            return UpstreamError(
                "orca did not answer in time", status=504, method="POST", url="/orchestrate", network=True
            )
        return None

    async def _complete(self, body: Document) -> Document:
        """Add what only orca knows: the execution whose end started this one."""
        trigger = object_in(body.get("trigger"))
        parent_id = trigger.get("parentPipelineId")
        if trigger.get("type") != "pipeline" or not parent_id or "parentExecution" in trigger:
            return body
        try:
            parent = await self._orca.get(f"/pipelines/{parent_id}")
        except UpstreamError as error:
            if error.status == 404:
                return body
            raise
        return with_parent(body, object_in(parent))

    async def _show_refusal(self, start: Claimed, verdict: Verdict) -> None:
        """Have orca record a failed execution, unless it has done so itself, so that the user sees one."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                with identity_context(start.run_as):
                    if not await self._is_known(start.execution_id):
                        await self._fail(start.body | {"errorMessage": verdict.error})
        except TimeoutError:
            await asyncio.to_thread(self._later, start, verdict, verdict.error)
            return
        except UpstreamError as error:
            if error.network or error.status in _PASSING:
                await asyncio.to_thread(self._later, start, verdict, verdict.error)
                return
            _log.warning("start.refusal.not_shown", error=error.message)
        await asyncio.to_thread(self._finish, start.execution_id, "refused", verdict.error)

    async def _fail(self, body: Document) -> None:
        try:
            await self._orca.post("/fail", content=write_json(body), headers=_JSON)
        except UpstreamError as error:
            if error.status != 400 or not body.get("stages"):
                raise
            # The stages themselves are what orca can't read: the error is shown without them.
            await self._orca.post("/fail", content=write_json(body | {"stages": []}), headers=_JSON)

    async def _is_known(self, execution_id: str) -> bool:
        try:
            await self._orca.get(f"/pipelines/{execution_id}")
        except UpstreamError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _finish(self, execution_id: str, state: str, error: str | None) -> None:
        with self._database.begin() as connection:
            StartStore(connection).finish(execution_id, state, error)

    def _later(self, start: Claimed, verdict: Verdict, refusal: str | None) -> None:
        due = now_ms() + backoff_ms(start.attempts, self._settings.max_backoff_seconds)
        with self._database.begin() as connection:
            StartStore(connection).try_later(
                start.execution_id, due, verdict.error or "", failures=verdict.failures, refusal=refusal
            )
