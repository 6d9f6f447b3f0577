"""Lanes of the crash test: an orca with a database of its own, whose workers live one after the other."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
from kork.http import SyncServiceClient
from kork.ids import new_ulid

from orca.settings import OrcaSettings
from orca.testing.lives import KILLED, Death, fork_server, start_life
from orca.testing.world import Json, World

_MOST_LIVES = 300
_LONGEST_LIFE_SECONDS = 180
_LOOK_SECONDS = 0.05
# Whoever starts a process looks after those of other threads as well (multiprocessing's `_cleanup`), and the second
# to read how one has ended is told this.
_READ_ELSEWHERE = 255


class NoBell:
    """Leaves it to the clock to notice what is new."""

    def advance(self, execution_ids: Any) -> None:
        """Do nothing."""
        return

    def run(self, runs: Any) -> None:
        """Do nothing."""
        return


@dataclass
class Told:
    """What came of some executions: the outcome of each, how lives ended, and what was done more than once."""

    outcomes: list[Any]
    ends: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])


@dataclass
class Lane:
    """An orca with a database of its own, in which executions run one batch after the other."""

    settings: OrcaSettings
    orca: SyncServiceClient
    rows: "psycopg.Connection[Any]"
    world: World

    def run(self, pipelines: list[Json], deaths: Iterator[Death | None]) -> Told:
        """Run pipelines to their end under one life after the other."""
        ids = [new_ulid() for _ in pipelines]
        for id, pipeline in zip(ids, pipelines, strict=True):
            self.orca.post("/orchestrate", json=pipeline | {"executionId": id})
        context = fork_server()
        reached = context.SimpleQueue()
        told = Told([])
        for lives in itertools.count():
            assert lives < _MOST_LIVES, f"it does not end: {[self._stands(id) for id in ids]}"
            life = start_life(context, self.settings, next(deaths), reached)
            try:
                ended = self._await_end(life)
                life.terminate()
                life.join(timeout=_LONGEST_LIFE_SECONDS)
            finally:
                life.kill()
            assert life.exitcode in (0, KILLED, _READ_ELSEWHERE), life.exitcode
            while not reached.empty():
                told.ends.append(reached.get())
            if ended:
                break
        told.outcomes = [self._outcome(id) for id in ids]
        told.doubled = self._doubled()
        return told

    def _await_end(self, life: BaseProcess) -> bool:
        """Wait until the life is over, or has nothing left to do; say whether all executions have ended."""
        deadline = time.monotonic() + _LONGEST_LIFE_SECONDS
        while life.is_alive() and not self._all_ended():
            assert time.monotonic() < deadline, "a worker that lives does not come to the end"
            life.join(timeout=_LOOK_SECONDS)
        return self._all_ended()

    def _all_ended(self) -> bool:
        open_rows = (
            "SELECT EXISTS (SELECT FROM execution WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED'))"
            " OR EXISTS (SELECT FROM io_task)"
        )
        row = self.rows.execute(open_rows).fetchone()
        return row is not None and not row[0]

    def _stands(self, id: str) -> Any:
        return self.orca.get(f"/pipelines/{id}")

    def _outcome(self, id: str) -> Any:
        """Give what has to be the same however often workers died."""
        execution = self._stands(id)
        stages = {stage["refId"]: self._outcome_of_stage(stage) for stage in execution["stages"]}
        return {"status": execution["status"], "stages": stages}

    def _outcome_of_stage(self, stage: Json) -> Any:
        context = stage["context"]
        tasks = [(task["name"], task["status"]) for task in stage["tasks"]]
        told = {
            key: context[key] for key in ("status", "kato.task.lastStatus", "deploy.account.name") if key in context
        }
        child_id = context.get("executionId")
        return {
            "status": stage["status"],
            "tasks": tasks,
            "outputs": stage["outputs"],
            "context": told,
            "answer": (context.get("webhook") or {}).get("statusCodeValue"),
            "child": self._outcome(child_id) if child_id else None,
        }

    def _doubled(self) -> list[str]:
        """List what was done more than once in this lane: effects outside, children, events."""
        mine = {row[0] for row in self.rows.execute("SELECT id FROM execution")}
        told = [
            f"{where}: {keys}"
            for where, keys in self.world.keys.items()
            if where[0] in mine and (len(keys) > 1 or "" in keys)
        ]
        children = (
            "SELECT trigger->>'parentPipelineStageId', count(*) FROM execution"
            " WHERE trigger->>'parentPipelineStageId' IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
        )
        told += [f"{count} children of stage {stage}" for stage, count in self.rows.execute(children)]
        events = (
            "SELECT type, payload->>'executionId', payload->>'stageId', count(*) FROM outbox"
            " WHERE type LIKE 'orca:%' GROUP BY 1, 2, 3 HAVING count(*) > 1"
        )
        return told + [f"{row[3]} events {row[0]} of {row[1]} {row[2]}" for row in self.rows.execute(events)]
