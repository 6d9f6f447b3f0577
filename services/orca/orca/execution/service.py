"""Changing executions: each change is one transaction under the execution's lock, and rings afterwards."""

import time
from collections.abc import Callable
from typing import Any

from kork.clock import now_ms
from kork.database import Database
from kork.errors import Conflict, NotFound
from kork.identity import Identity

from orca.bell import Bell, Run
from orca.execution import operations
from orca.execution.changes import Event, end_phase, execution_event, stage_event, updated_event
from orca.execution.concurrency import Turns
from orca.execution.explain import explain
from orca.execution.forced import force_cancel, force_complete
from orca.execution.listing import Executions
from orca.execution.model import Execution, ExecutionType, JsonMap, StageExecution
from orca.execution.parents import embed_parents
from orca.execution.rules import must_wait_for_others
from orca.execution.situation import read_situation
from orca.execution.status import Status
from orca.execution.store import CANCEL_TASK, ExecutionStore, IoKey, Locked
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue

_PATIENCE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.1
_KINDS: dict[ExecutionType, str] = {"PIPELINE": "pipeline", "ORCHESTRATION": "orchestration"}


class StillCleaningUp(Conflict):
    """409: a stage can't begin again before the clean-up of its last run has ended."""


def missing(kind: ExecutionType | None, execution_id: str) -> NotFound:
    """The error for an execution that doesn't exist."""
    return NotFound(
        f"No {kind or 'execution'} found for {execution_id}",
        exception="com.netflix.spinnaker.orca.pipeline.persistence.ExecutionNotFoundException",
    )


class ExecutionService:
    """Reads and changes single executions."""

    def __init__(self, database: Database, settings: OrcaSettings, bell: Bell, catalogue: StageCatalogue) -> None:
        self._database = database
        self._settings = settings
        self._bell = bell
        self._catalogue = catalogue

    def get(self, kind: ExecutionType | None, execution_id: str) -> Execution:
        """Give an execution with its parents; raises `NotFound`."""
        with self._database.connect() as connection:
            store = ExecutionStore(connection)
            loaded = store.load(execution_id)
            if loaded is None or (kind and loaded.execution.type != kind):
                raise missing(kind, execution_id)
            embed_parents(store, loaded)
            return loaded.execution

    def delete(self, kind: ExecutionType, execution_id: str) -> None:
        """Delete an execution that has ended; raises `Conflict` while it hasn't."""
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            execution = _locked(store, kind, execution_id).execution
            if not execution.status.is_complete:
                raise Conflict(
                    f"Not deleting {_KINDS[kind]} {execution_id}: it is {execution.status.value}; cancel it first"
                )
            store.delete(execution_id)

    def cancel(self, kind: ExecutionType, execution_id: str, user: str, reason: str | None) -> None:
        """Cancel an execution; nothing happens to one that has ended."""
        self._change(kind, execution_id, lambda locked: operations.cancel(locked.execution, user, reason))

    def cancel_all(self, kind: ExecutionType, execution_ids: list[str], user: str) -> None:
        """Cancel several executions; unknown ones are passed over."""
        for execution_id in execution_ids:
            try:
                self.cancel(kind, execution_id, user, None)
            except NotFound:
                continue

    def pause(self, execution_id: str, user: str) -> None:
        """Pause a RUNNING pipeline."""
        self._change("PIPELINE", execution_id, lambda locked: operations.pause(locked.execution, user, locked.now))

    def resume(self, execution_id: str, user: str) -> None:
        """Let a PAUSED pipeline go on."""
        self._change("PIPELINE", execution_id, lambda locked: operations.resume(locked.execution, user, locked.now))

    def change_stage(
        self, kind: ExecutionType, execution_id: str, stage_id: str, change: JsonMap, user: Identity
    ) -> Execution:
        """Merge keys into a stage's context (a judgment, `skipRemainingWait`, `manualSkip`)."""
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            locked = _locked(store, kind, execution_id)
            stage = operations.change_stage(locked.execution, stage_id, change, user, locked.now, self._catalogue)
            store.save(locked.loaded, [stage.id], [], head=False)
            store.publish([updated_event(locked.execution)])
            store.make_due([execution_id], locked.now)
            embed_parents(store, locked.loaded)
        self._bell.advance([execution_id])
        return locked.execution

    def restart_stage(self, execution_id: str, stage_id: str, config: JsonMap, user: str) -> Execution:
        """Run a stage, and those after it, again; the parent pipeline's stage that waited for it too.

        Raises `Conflict` when what the stage started is still being cleaned up, or when too many executions
        of the pipeline wait already.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._restart_now(execution_id, stage_id, config, user)
            except StillCleaningUp:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK_AGAIN_SECONDS)

    def _restart_now(self, execution_id: str, stage_id: str, config: JsonMap, user: str) -> Execution:
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            locked = _locked(store, "PIPELINE", execution_id)
            self._restart(store, locked, stage_id, user, config, None)
            if self._waits_for_turn(Turns(connection), locked):
                store.save(locked.loaded, [], [], head=True)
            rung = [execution_id, *self._restart_parent(store, locked.execution, user)]
            embed_parents(store, locked.loaded)
        self._bell.advance(rung)
        return locked.execution

    def force_cancel(self, kind: ExecutionType, execution_id: str, user: str, reason: str | None = None) -> None:
        """Mark an execution CANCELED with all that runs in it, without waiting for its tasks."""
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            locked = _locked(store, kind, execution_id)
            execution = locked.execution
            if execution.status.is_complete:
                return
            ended = force_cancel(execution, user, locked.now, reason)
            store.drop_io(execution_id, [stage.id for stage in execution.stages])
            store.save(locked.loaded, [stage.id for stage in ended], [], head=True)
            store.set_due(execution_id, None, locked.now)
            store.publish([*_ends(execution, ended), execution_event(execution, "failed"), updated_event(execution)])
            clean_ups = self._offer_clean_ups(store, locked, ended)
            turns = Turns(connection)
            turns.leave(execution_id)
            waiting = turns.lock_to_call(execution.pipeline_config_id) if execution.pipeline_config_id else []
            if waiting:
                store.make_due(waiting, locked.now)
        self._bell.run(clean_ups)
        self._bell.advance(waiting)

    def force_complete_stage(self, execution_id: str, stage_id: str, status: Status, user: str) -> Execution:
        """End a stage as `status`, whatever its tasks do; what comes after it goes on."""
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            locked = _locked(store, None, execution_id)
            execution = locked.execution
            ended = force_complete(execution, stage_id, status, user, locked.now)
            store.drop_io(execution_id, [stage.id for stage in ended])
            store.save(locked.loaded, [stage.id for stage in ended], [], head=False)
            store.publish([*_ends(execution, ended), updated_event(execution)])
            clean_ups = self._offer_clean_ups(store, locked, ended)
            store.make_due([execution_id], locked.now)
        self._bell.run(clean_ups)
        self._bell.advance([execution_id])
        return execution

    def explain(self, kind: ExecutionType | None, execution_id: str) -> JsonMap:
        """Say why an execution is where it is, and what would move it."""
        with self._database.connect() as connection:
            loaded = ExecutionStore(connection).load(execution_id)
            if loaded is None or (kind and loaded.execution.type != kind):
                raise missing(kind, execution_id)
            situation = read_situation(connection, loaded.execution)
        now = now_ms()
        return explain(loaded.execution, situation, self._catalogue, now).document(now)

    def _offer_clean_ups(self, store: ExecutionStore, locked: Locked, ended: list[StageExecution]) -> list[Run]:
        """Have the stages that an operator has ended clean up what they started."""
        execution = locked.execution
        wanted = [stage.id for stage in ended if stage.status.is_halt and self._catalogue.cleans_up(execution, stage)]
        keys: list[IoKey] = [(stage_id, CANCEL_TASK, 1) for stage_id in wanted]
        again = locked.now + round(self._settings.executions.ring_again_seconds * 1000)
        store.offer(execution.id, keys, again, None)
        return [(execution.id, *key) for key in keys]

    def correlated(self, correlation_id: str) -> list[str]:
        """List the executions with this correlation id."""
        with self._database.connect() as connection:
            return Executions(connection).correlated(correlation_id)

    def _change(self, kind: ExecutionType, execution_id: str, change: Callable[[Locked], Any]) -> None:
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            locked = _locked(store, kind, execution_id)
            if change(locked) is False:
                return
            store.save(locked.loaded, [], [], head=True)
            store.publish([updated_event(locked.execution)])
            store.make_due([execution_id], locked.now)
        self._bell.advance([execution_id])

    def _restart(
        self, store: ExecutionStore, locked: Locked, stage_id: str, user: str, config: JsonMap, extra: JsonMap | None
    ) -> None:
        execution = locked.execution
        reset, gone = operations.restart(execution, stage_id, user, locked.now, self._catalogue, config, extra)
        changed = {stage.id for stage in reset} | {
            stage.id for stage in execution.stages if stage.type == "checkPreconditions"
        }
        touched = {stage.id for stage in (*reset, *gone)}
        if any(held in touched and task_id == CANCEL_TASK for held, task_id, _ in locked.io):
            raise StillCleaningUp(
                f"What the stage started in its last run is still being cleaned up (execution {execution.id});"
                " restart it in a moment"
            )
        store.drop_io(execution.id, list(touched))
        store.save(locked.loaded, changed, [stage.id for stage in gone], head=True)
        store.publish([updated_event(execution)])
        store.make_due([execution.id], locked.now)

    def _waits_for_turn(self, turns: Turns, locked: Locked) -> bool:
        """Put a restarted execution into its pipeline's queue, as the newest, when others run."""
        execution = locked.execution
        if execution.pipeline_config_id is None or not (execution.limit_concurrent or execution.max_concurrent > 0):
            return False
        now = turns.lock(execution.pipeline_config_id)
        queue = turns.queue_for(execution)
        if not must_wait_for_others(queue.running, execution):
            return False
        waiting = len(queue.older) + len(queue.newer)
        if waiting >= self._settings.executions.max_waiting:
            raise Conflict(f"Too many executions ({waiting}) already waiting to start; restart the stage later")
        execution.status = Status.NOT_STARTED
        turns.join(execution, now)
        return True

    def _restart_parent(self, store: ExecutionStore, execution: Execution, user: str) -> list[str]:
        trigger = execution.trigger
        parent_id, stage_id = trigger.get("parentExecutionId"), trigger.get("parentPipelineStageId")
        if not isinstance(parent_id, str) or not isinstance(stage_id, str):
            return []
        parent = store.lock(parent_id, wait=True)
        if parent is None or not parent.execution.status.is_complete or parent.execution.stage_by_id(stage_id) is None:
            return []
        self._restart(store, parent, stage_id, user, {}, {"_skipPipelineRestart": True})
        return [parent_id]


def _ends(execution: Execution, ended: list[StageExecution]) -> list[Event]:
    return [stage_event(execution, stage, end_phase(stage.status)) for stage in ended]


def _locked(store: ExecutionStore, kind: ExecutionType | None, execution_id: str) -> Locked:
    locked = store.lock(execution_id, wait=True)
    if locked is None or (kind and locked.execution.type != kind):
        raise missing(kind, execution_id)
    return locked
