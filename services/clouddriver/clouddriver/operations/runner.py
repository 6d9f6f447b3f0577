"""Doing operations: under a lease, step by step, each step where the one before it was left."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kork.database import Database, is_outage
from kork.ids import new_ulid
from kork.telemetry import counter, histogram, log
from kork.tracing import span
from kork.trail import follow
from pydantic import ValidationError

from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesSettings
from clouddriver.operations.catalogue import KUBERNETES, operation_named
from clouddriver.operations.context import MayWorkLater, OperationContext, OperationFailed, OperationType, Result
from clouddriver.operations.promises import VersionPromises
from clouddriver.operations.rules import read_description
from clouddriver.operations.store import LEASE_SECONDS, Claim, LeaseLost, OperationStore, Step

_log = log("clouddriver.operations")
_RENEW_SECONDS = LEASE_SECONDS / 3
_PAUSES_SECONDS = (1.0, 3.0)
_MOST_ATTEMPTS = 20

_ended = counter("clouddriver_operations_total", "Operations that ended", "operation", "result")
_seconds = histogram("clouddriver_operation_seconds", "How long the steps of operations took", "operation")


class OperationRunner:
    """Does the operations that a bell names. Thread-safe; any number may run."""

    def __init__(self, database: Database, accounts: Accounts, settings: KubernetesSettings) -> None:
        self._database = database
        self._store = OperationStore(database)
        self._accounts = accounts
        self._resources = ResourceStore(database)
        self._settings = settings
        self._owner = f"{new_ulid()}@{socket.gethostname()}:{os.getpid()}"

    def run(self, operation_id: str) -> None:
        """Do an operation, unless it has ended or another worker is at it.

        When Postgres is away, or another worker takes over, this just stops: what is left is done by the next
        one, after the lease.
        """
        claim = self._store.claim(operation_id, self._owner)
        if claim is None:
            return
        try:
            self._accounts.refresh()
            with follow(claim.trail, service="clouddriver"):
                self._work(claim)
        except LeaseLost:
            _log.warning("operation.taken_over", operation=operation_id)
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("operation.interrupted", operation=operation_id, error=str(error).splitlines()[0])

    def _work(self, claim: Claim) -> None:
        names = ", ".join(next(iter(step)) for step in claim.steps)
        about = {
            "gennaker.operation.id": claim.operation_id,
            "gennaker.operation.attempt": claim.attempt,
            "gennaker.execution.id": claim.trail.execution,
        }
        started = time.monotonic()
        with _kept_alive(self._store, claim), span(f"operation {names}", about) as traced:
            failure = self._do(claim)
            if failure is not None:
                traced.fail(failure.message)
        _log.info(
            "operation.ended",
            operation=claim.operation_id,
            type=names,
            failed=failure is not None,
            duration_ms=round(1000 * (time.monotonic() - started)),
        )

    def _do(self, claim: Claim) -> OperationFailed | None:
        """Do all steps; gives what made one fail, or None."""
        results: list[Any] = []
        for position, step in enumerate(claim.steps):
            [(name, body)] = step.items()
            try:
                if claim.attempt > _MOST_ATTEMPTS:
                    raise OperationFailed(f"{name} was interrupted {_MOST_ATTEMPTS} times, so it is given up.")
                result = self._step(claim, position, operation_named(KUBERNETES, name), body)
            except OperationFailed as failure:
                self._fail(claim, step, failure, results)
                return failure
            if result is not None:
                results.append(result)
        self._store.end(claim, failed=False, results=results, status="Orchestration completed.")
        for step in claim.steps:
            _ended.labels(next(iter(step)), "completed").inc()
        return None

    def _step(self, claim: Claim, position: int, operation: OperationType[Any], body: dict[str, Any]) -> Result | None:
        state = self._store.step(claim, position)
        if state.done:
            return state.result
        self._store.progress(claim, "ORCHESTRATION", f"Processing op: {operation.name}")
        started = time.monotonic()
        try:
            result = self._repeated(claim, position, operation, body)
        except (OperationFailed, LeaseLost):
            raise
        except ValidationError as error:
            raise OperationFailed(f"{operation.name}: {error}") from error
        except Exception as error:
            if is_outage(error):
                raise
            _log.exception("operation.crashed", operation=claim.operation_id, type=operation.name)
            raise OperationFailed(
                f"{operation.name} failed for a reason that was not foreseen ({type(error).__name__}); "
                f"the log of the clouddriver worker has it under operation {claim.operation_id}."
            ) from error
        finally:
            _seconds.labels(operation.name).observe(time.monotonic() - started)
        self._store.finish_step(claim, position, result)
        return result

    def _repeated(
        self, claim: Claim, position: int, operation: OperationType[Any], body: dict[str, Any]
    ) -> Result | None:
        """Do a step; when the cluster is away, again after a pause."""
        description = read_description(operation, body)
        account = self._account(description.account)
        for pause in (*_PAUSES_SECONDS, None):
            context = _Context(self._store, claim, position, operation.phase, account, self)
            try:
                return operation.run(context, description)
            except KubernetesError as error:
                failure = MayWorkLater(
                    f"{operation.name} in account '{account.name}' failed: {error.message} ({error.reason})",
                    reason=error.reason,
                )
                if not error.transient or pause is None:
                    raise failure from error
            except MayWorkLater as error:
                failure = error
                if pause is None:
                    raise
            context.say(f"{failure.message} Trying again in {pause:g} s...")
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            raise OperationFailed(
                f"This worker knows no account '{name}': it was deleted, or is in the API's settings only. "
                "Give the workers the same gennaker.yml as the API."
            )
        return self._accounts.get(name)

    def _fail(self, claim: Claim, step: Step, failure: OperationFailed, results: list[Any]) -> None:
        [(name, _)] = step.items()
        results = [
            *results,
            {
                "type": "EXCEPTION",
                "operation": name,
                "cause": str(failure.details.get("reason") or type(failure).__name__),
                "message": failure.message,
                "details": {key: value for key, value in failure.details.items() if key != "reason"},
            },
        ]
        status = f"Orchestration failed: {name} | {type(failure).__name__}: [{failure.message}]"
        self._store.end(claim, failed=True, results=results, status=status)
        _ended.labels(name, "failed").inc()
        _log.info("operation.failed", operation=claim.operation_id, type=name, error=failure.message)

    def context_parts(self, claim: Claim) -> tuple[ResourceStore, KubernetesSettings, VersionPromises]:
        """Give what every step of an operation works with."""
        return self._resources, self._settings, VersionPromises(self._database, claim.operation_id)


class _Context(OperationContext):
    def __init__(
        self, store: OperationStore, claim: Claim, position: int, phase: str, account: Account, runner: OperationRunner
    ) -> None:
        resources, settings, versions = runner.context_parts(claim)
        super().__init__(f"{claim.operation_id}.{position}", account, resources, settings, versions)
        self._store = store
        self._claim = claim
        self._position = position
        self._phase = phase

    def say(self, status: str) -> None:
        self._store.progress(self._claim, self._phase, status)

    def decide(self, make: Callable[[], Any]) -> Any:
        kept = self._store.step(self._claim, self._position).decision
        if kept is not None:
            return kept
        decision = make()
        self._store.decide(self._claim, self._position, decision)
        return decision


@contextmanager
def _kept_alive(store: OperationStore, claim: Claim) -> Iterator[None]:
    """Renew the lease until the block ends. When it can't be renewed, the next write of the block fails."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEW_SECONDS):
            try:
                store.renew(claim)
            except LeaseLost:
                return
            except Exception as error:
                _log.warning("operation.lease.not_renewed", operation=claim.operation_id, error=str(error))

    keeper = threading.Thread(target=renew, name=f"lease:{claim.operation_id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
