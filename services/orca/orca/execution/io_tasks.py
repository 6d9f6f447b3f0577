"""Running I/O tasks: outside any lock, under a lease that is renewed while they run."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kork.database import Database
from kork.identity import identity_context
from kork.telemetry import counter, log
from kork.tracing import span
from kork.trail import follow

from orca.execution.advance import advance
from orca.execution.authentication import identity_of
from orca.execution.driver import Driver
from orca.execution.measures import measure_call
from orca.execution.model import Execution, StageExecution, TaskExecution
from orca.execution.store import ASK_TASK, CANCEL_TASK, ExecutionStore, IoKey
from orca.expressions.outside import Answers, asking, calling
from orca.stages.definition import OnCancel, Services, StageView
from orca.stages.results import TaskResult

_log = log("orca.io")
_runs = counter("orca_io_tasks_total", "I/O tasks run", "task", "result")
_LONGEST_CHAIN = 100

ServicesFor = Callable[[Execution, StageExecution], Services]


class LeaseKeeper:
    """Renews the leases that this process holds, as long as it holds any."""

    def __init__(self, database: Database, lease_ms: int) -> None:
        self._database = database
        self._lease_ms = lease_ms
        self._held: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, owner: str) -> Iterator[None]:
        """Keep the lease of `owner` alive during a block."""
        with self._changed:
            self._held.add(owner)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, name="orca-leases", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(owner)

    def _renew(self) -> None:
        pause = self._lease_ms / 4000
        while True:
            with self._changed:
                while not self._held:
                    self._changed.wait()
                self._changed.wait(pause)
                held = list(self._held)
            if not held:
                continue
            try:
                with self._database.begin() as connection:
                    ExecutionStore(connection).renew(held, self._lease_ms)
            except Exception as error:
                _log.warning("leases.not_renewed", count=len(held), error=str(error).splitlines()[0])


class IoTasks:
    """Runs I/O tasks and clean-ups on behalf of a driver; after `longest_chain` in a row others get their turn."""

    def __init__(self, driver: Driver, services_for: ServicesFor, longest_chain: int = _LONGEST_CHAIN) -> None:
        self._longest_chain = longest_chain
        self._driver = driver
        self._services_for = services_for
        self._keeper = LeaseKeeper(driver.database, driver.lease_ms)

    def run(self, execution_id: str, stage_id: str, task_id: str, attempt: int) -> None:
        """Run an attempt if nobody has taken it; then those that follow from it in the same execution."""
        key: IoKey = (stage_id, task_id, attempt)
        claimed = self._driver.claim(execution_id, key)
        if claimed is None:
            return
        owner, loaded = claimed
        execution = loaded.execution
        with self._keeper.keep(owner), follow(loaded.trail, service="orca"):
            if task_id == CANCEL_TASK:
                self._driver.cleaned_up(execution_id, key, owner, self._clean_up(execution, stage_id))
                return
            if task_id == ASK_TASK:
                following = self._driver.answered(execution_id, key, owner, self._ask(execution, stage_id))
                if following is None:
                    return
                key, execution = following
            for _ in range(self._longest_chain):
                outcome = self._outcome(execution, key)
                following = self._driver.answer(execution_id, key, owner, outcome)
                if following is None:
                    return
                key, execution = following
            self._driver.hand_on(execution_id, key, owner)

    def _outcome(self, execution: Execution, key: IoKey) -> TaskResult | BaseException:
        stage_id, task_id, _ = key
        stage = execution.stage_by_id(stage_id)
        task = stage.task(task_id) if stage else None
        if stage is None or task is None:
            return LookupError(f"There is no task {task_id} in stage {stage_id}.")
        with span(f"{stage.type} {task.name}", _about(execution, stage, task)) as traced:
            outcome = self._run(execution, stage, task)
            if isinstance(outcome, TaskResult):
                traced.note({"gennaker.task.status": outcome.status.value})
            else:
                traced.fail(str(outcome))
            return outcome

    def _run(self, execution: Execution, stage: StageExecution, task: TaskExecution) -> TaskResult | BaseException:
        name = task.implementing_class.rsplit(".", 1)[-1]
        started = time.monotonic()
        try:
            spec = self._driver.catalogue.task(task.implementing_class)
            assert spec.io is not None, f"{task.implementing_class} does no I/O"
            view = self._view(execution, stage)
            services = self._services_for(execution, stage)
            with identity_context(view.identity), calling(services):
                result = spec.io(view, services)
            _runs.labels(name, result.status.value).inc()
            measure_call(name, result.status.value, time.monotonic() - started)
            return result
        except Exception as error:
            _runs.labels(name, "error").inc()
            measure_call(name, "error", time.monotonic() - started)
            _log.info("task.failed", execution=execution.id, stage=stage.id, task=name, error=str(error))
            return error

    def _ask(self, execution: Execution, stage_id: str) -> Answers:
        """Ask what a stage's expressions need: advance a copy of the execution, with real calls for this stage.

        The core is pure, so the copy shows which expressions will be evaluated, and is then dropped.
        """
        answers = Answers()
        stage = execution.stage_by_id(stage_id)
        if stage is None:
            return answers
        services = self._services_for(execution, stage)
        now = max([services.now(), *(task.due_at or 0 for task in stage.tasks)])
        with identity_context(identity_of(execution, stage)), asking(stage_id, services, answers):
            try:
                advance(execution, now, self._driver.catalogue, self._driver.evaluator)
            except Exception as error:
                _log.warning("expressions.not_asked", execution=execution.id, stage=stage_id, error=str(error))
        return answers

    def _clean_up(self, execution: Execution, stage_id: str) -> TaskResult | BaseException | None:
        stage = execution.stage_by_id(stage_id)
        if stage is None:
            return None
        try:
            view = self._view(execution, stage)
            hook: OnCancel | None = type(self._driver.catalogue.type_of(stage)).on_cancel
            with identity_context(view.identity):
                return hook(view, self._services_for(execution, stage)) if hook else None
        except Exception as error:
            _log.warning("stage.not_cleaned_up", execution=execution.id, stage=stage_id, error=str(error))
            return error

    def _view(self, execution: Execution, stage: StageExecution) -> StageView[Any]:
        return self._driver.catalogue.definition_of(execution, stage).view(execution, stage)


def _about(execution: Execution, stage: StageExecution, task: TaskExecution) -> dict[str, str | int | bool]:
    return {
        "gennaker.execution.id": execution.id,
        "gennaker.application": execution.application,
        "gennaker.stage.id": stage.id,
        "gennaker.stage.name": stage.name,
        "gennaker.stage.type": stage.type,
        "gennaker.task": task.name,
        "gennaker.attempt": task.attempt,
    }
