"""The shell around the core: locks, loads, lets the core decide, writes, and rings what has to run.

Whatever is rung here may be rung twice, late, or never: the rows decide.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from kork.clock import EpochMillis, now_ms
from kork.database import Database
from kork.ids import new_ulid
from kork.telemetry import counter, log
from kork.tracing import span
from kork.trail import follow
from sqlalchemy import Connection

from orca.bell import Bell
from orca.execution.advance import advance, answer
from orca.execution.changes import Advance, execution_event, updated_event
from orca.execution.concurrency import Turn, Turns, decide
from orca.execution.failures import is_worth_retrying
from orca.execution.forced import force_cancel
from orca.execution.measures import given_up, measure
from orca.execution.model import Execution
from orca.execution.parents import embed_parent_for_expressions
from orca.execution.rows import Loaded
from orca.execution.status import Status
from orca.execution.store import ASK_TASK, CANCEL_TASK, ExecutionStore, IoKey, Locked
from orca.expressions.outside import Answers, asking_later, knowing
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import Evaluator
from orca.stages.results import TaskResult

_log = log("orca.driver")
_advances = counter("orca_advances_total", "Advances of executions", "result")
_completed = counter("orca_executions_completed_total", "Executions that ended", "type", "status")
_SYSTEM = "spinnaker"
_TRIES = 5

Outcome = TaskResult | BaseException


def _ids() -> list[str]:
    return []


def _keys() -> list[IoKey]:
    return []


@dataclass(slots=True)
class Effects:
    """What to do once the transaction has been committed."""

    advance: list[str] = field(default_factory=_ids)
    run: list[IoKey] = field(default_factory=_keys)
    mine: IoKey | None = None


class Driver:
    """Drives executions. One per process; any number of threads."""

    def __init__(
        self,
        database: Database,
        settings: OrcaSettings,
        bell: Bell,
        catalogue: StageCatalogue,
        evaluator: Evaluator,
    ) -> None:
        self.database = database
        self.settings = settings
        self.bell = bell
        self.catalogue = catalogue
        self.evaluator = evaluator
        self._again_ms = round(settings.executions.ring_again_seconds * 1000)
        self.lease_ms = round(settings.executions.lease_seconds * 1000)
        self._name = f"{socket.gethostname()}-{os.getpid()}"

    # --- advancing

    def advance(self, execution_id: str) -> None:
        """Apply all transitions that are possible now.

        When somebody else holds the execution, nothing is lost by leaving: who changes one rings after
        the change, and what is only a matter of time stays in the due table.
        """
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            locked = store.lock(execution_id, wait=False)
            if locked is None:
                _advances.labels("busy").inc()
                return
            with follow(locked.loaded.trail, service="orca"):
                effects = self.advance_locked(connection, store, locked)
        self.ring(execution_id, effects)

    def advance_locked(
        self,
        connection: Connection,
        store: ExecutionStore,
        locked: Locked,
        apply: Callable[[], Advance] | None = None,
        owner: str | None = None,
    ) -> Effects:
        """Advance a locked execution (`apply` does it with an answer) and write what changed.

        An I/O task that becomes ready is left to `owner` when there is one, else it has to be rung.
        """
        execution = locked.execution
        about = {"gennaker.execution.id": execution.id, "gennaker.application": execution.application}
        with span("advance", about) as traced:
            effects = self._advance(connection, store, locked, apply, owner)
            traced.note({"gennaker.execution.status": execution.status.value, "gennaker.tasks.ready": len(effects.run)})
        return effects

    def _advance(
        self,
        connection: Connection,
        store: ExecutionStore,
        locked: Locked,
        apply: Callable[[], Advance] | None,
        owner: str | None,
    ) -> Effects:
        execution, now = locked.execution, locked.now
        effects = Effects()
        if execution.status is Status.NOT_STARTED and not self._its_turn(connection, store, locked, effects):
            return effects
        embed_parent_for_expressions(store, locked.loaded)
        found_lost = self._take_back_lost(locked)
        with asking_later():
            out = apply() if apply else advance(execution, now, self.catalogue, self.evaluator)
        out.dirty |= found_lost
        self._write(store, locked, out)
        keys = [(run.stage_id, run.task_id, run.attempt) for run in out.runs]
        if owner and keys:
            effects.mine = keys.pop(0)
            store.offer(execution.id, [effects.mine], 0, (owner, now + self.lease_ms))
        keys += [(stage_id, CANCEL_TASK, 1) for stage_id in dict.fromkeys(out.cancels)]
        keys += [key for stage_id in out.asks if (key := (stage_id, ASK_TASK, 1)) not in locked.io]
        store.offer(execution.id, keys, now + self._again_ms, None)
        effects.run = keys
        if execution.status.is_complete:
            self._ended(connection, store, locked, out, effects)
        _advances.labels("changed" if out.changed else "unchanged").inc()
        return effects

    def give_up(self, execution_id: str, error: Exception) -> bool:
        """End an execution that the engine fails to advance again and again; says whether it was the last try."""
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            if store.rings(execution_id) < _TRIES:
                return False
            locked = store.lock(execution_id, wait=False)
            if locked is None:
                return False
            execution = locked.execution
            ended = force_cancel(execution, _SYSTEM, locked.now)
            execution.status = Status.TERMINAL
            execution.cancellation_reason = f"The engine could not go on: {type(error).__name__}: {error}"
            store.drop_io(execution_id, [stage.id for stage in execution.stages])
            store.save(locked.loaded, [stage.id for stage in ended], [], head=True)
            store.set_due(execution_id, None, locked.now)
            store.publish([execution_event(execution, "failed"), updated_event(execution)])
            given_up.inc()
            return True

    def ring(self, execution_id: str, effects: Effects) -> None:
        """Ring the bells of a committed change."""
        self.bell.run([(execution_id, *key) for key in effects.run])
        self.bell.advance(effects.advance)

    def _write(self, store: ExecutionStore, locked: Locked, out: Advance) -> None:
        execution = locked.execution
        due = None if execution.status.is_complete else out.wake_at
        with store.together():
            store.save(locked.loaded, out.dirty, out.removed, head=out.execution_changed)
            store.publish(out.events)
            store.set_due(execution.id, due, locked.now)
        measure(execution, out.events, self.catalogue.types)

    def _take_back_lost(self, locked: Locked) -> set[str]:
        """Find tasks under way that no worker has any more: they run again, as a new attempt."""
        lost: set[str] = set()
        for stage in locked.execution.stages:
            for task in stage.tasks if stage.status in (Status.RUNNING, Status.PAUSED) else ():
                if task.in_flight and (stage.id, task.id, task.attempt) not in locked.io:
                    task.in_flight = False
                    lost.add(stage.id)
                    _log.info("task.taken_back", execution=locked.execution.id, stage=stage.id, attempt=task.attempt)
        return lost

    # --- starting and ending

    def _its_turn(self, connection: Connection, store: ExecutionStore, locked: Locked, effects: Effects) -> bool:
        """Decide whether a NOT_STARTED execution goes on; if not, it stays in the pipeline's queue."""
        execution = locked.execution
        config_id = execution.pipeline_config_id
        if config_id is None or not (execution.limit_concurrent or execution.max_concurrent > 0):
            return True
        turns = Turns(connection)
        locked.now = turns.lock(config_id)
        if execution.canceled:
            turns.leave(execution.id)
            return True
        decision = decide(execution, turns.queue_for(execution), self.settings.executions.max_waiting)
        if decision.turn is Turn.WAIT:
            turns.join(execution)
            store.set_due(execution.id, None, locked.now)
            return False
        turns.leave(execution.id)
        if decision.turn is Turn.GIVE_UP:
            execution.canceled, execution.canceled_by = True, _SYSTEM
            execution.cancellation_reason = decision.reason
        elif decision.supersedes:
            turns.supersede(decision.supersedes)
        self._call_waiting(store, turns.waiting(config_id), locked.now, effects)
        return True

    def _ended(
        self, connection: Connection, store: ExecutionStore, locked: Locked, out: Advance, effects: Effects
    ) -> None:
        execution = locked.execution
        if not out.execution_changed:
            return
        _completed.labels(execution.type, execution.status.value).inc()
        _log.info(
            "execution.completed",
            execution=execution.id,
            application=execution.application,
            status=execution.status.value,
            duration_ms=(execution.end_time or locked.now) - (execution.start_time or locked.now),
        )
        if execution.pipeline_config_id is not None:
            turns = Turns(connection)
            self._call_waiting(store, turns.lock_to_call(execution.pipeline_config_id), locked.now, effects)

    def _call_waiting(self, store: ExecutionStore, waiting: list[str], now: EpochMillis, effects: Effects) -> None:
        if waiting:
            store.make_due(waiting, now)
            effects.advance += waiting

    # --- I/O tasks

    def claim(self, execution_id: str, key: IoKey) -> tuple[str, Loaded] | None:
        """Take an I/O task: gives our name for it and the execution to run it on; `None` if it isn't to be had."""
        owner = f"{self._name}/{new_ulid()}"
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            if not store.claim(execution_id, key, owner, self.lease_ms):
                return None
            loaded = store.load(execution_id)
            if loaded is None:
                return None
            embed_parent_for_expressions(store, loaded)
            return owner, loaded

    def answer(self, execution_id: str, key: IoKey, owner: str, outcome: Outcome) -> tuple[IoKey, Execution] | None:
        """Write what an I/O task answered, and advance. A task that was taken from us changes nothing.

        Gives the next I/O task of the execution when there is one: it is taken under the same name.
        """
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            locked = store.lock(execution_id, wait=True)
            if locked is None or not store.release(execution_id, key, owner):
                _log.info("task.answer.dropped", execution=execution_id, stage=key[0], attempt=key[2])
                return None

            def apply() -> Advance:
                execution, now = locked.execution, locked.now
                return answer(execution, *key, outcome, now, self.catalogue, self.evaluator)

            effects = self.advance_locked(connection, store, locked, apply, owner)
        self.ring(execution_id, effects)
        return (effects.mine, locked.execution) if effects.mine else None

    def answered(self, execution_id: str, key: IoKey, owner: str, answers: Answers) -> tuple[IoKey, Execution] | None:
        """Advance with what others answered to a stage's expressions. An ask that was taken from us changes nothing.

        Gives the next I/O task of the execution when there is one: it is taken under the same name.
        """
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            locked = store.lock(execution_id, wait=True)
            if locked is None or not store.release(execution_id, key, owner):
                return None
            locked.io.discard(key)

            def apply() -> Advance:
                with knowing(answers):
                    return advance(locked.execution, locked.now, self.catalogue, self.evaluator)

            effects = self.advance_locked(connection, store, locked, apply, owner)
        self.ring(execution_id, effects)
        return (effects.mine, locked.execution) if effects.mine else None

    def hand_on(self, execution_id: str, key: IoKey, owner: str) -> None:
        """Let another worker go on with an I/O task that was left to us."""
        with self.database.begin() as connection:
            ExecutionStore(connection).hand_on(execution_id, key, owner, now_ms() + self._again_ms)
        self.bell.run([(execution_id, *key)])

    def cleaned_up(self, execution_id: str, key: IoKey, owner: str, outcome: Outcome | None) -> None:
        """Note that a stage's clean-up has run, with what it has to tell; one that may work later is tried again."""
        with self.database.begin() as connection:
            store = ExecutionStore(connection)
            if isinstance(outcome, BaseException) and is_worth_retrying(outcome):
                store.put_back(execution_id, key, owner, self._again_ms)
                return
            locked = store.lock(execution_id, wait=True)
            if locked is None or not store.release(execution_id, key, owner):
                return
            stage = locked.execution.stage_by_id(key[0])
            if stage is not None and isinstance(outcome, TaskResult) and (outcome.context or outcome.outputs):
                stage.context.update(outcome.context)
                stage.outputs.update(outcome.outputs)
                store.save(locked.loaded, [stage.id], [], head=False)
