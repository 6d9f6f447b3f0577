"""Whether an execution may start while others of its pipeline run (spec 1.13).

Decided under a lock of the pipeline, when the execution wants to start and again whenever one of the
others has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import psycopg
from kork.clock import EpochMillis
from sqlalchemy import Connection

from orca.execution.model import Execution
from orca.execution.rules import must_wait_for_others

_SUPERSEDED = "Pipeline execution was superseded by a newer one that waited for the same pipeline"


class Turn(Enum):
    """What an execution that wants to start has to do."""

    START = "start"
    WAIT = "wait"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Queue:
    """The state of a pipeline: how many of its other executions run, who else waits (oldest first)."""

    running: int
    older: Sequence[str]
    newer: Sequence[str]
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, why (for a cancellation), and which of those that wait have lost their place."""

    turn: Turn
    reason: str | None = None
    supersedes: Sequence[str] = ()


def decide(execution: Execution, queue: Queue, max_waiting: int) -> Decision:
    """Decide whether an execution starts.

    With `keepWaitingPipelines` executions start in the order in which they came, so each joins the queue
    when it is made; without, the newest of those that had to wait starts and the others are cancelled.
    """
    if queue.superseded:
        return Decision(Turn.GIVE_UP, _SUPERSEDED)
    if must_wait_for_others(queue.running, execution) or (execution.keep_waiting and queue.older):
        waiting = len(queue.older)
        if waiting >= max_waiting:
            return Decision(Turn.GIVE_UP, f"Too many executions ({waiting}) already waiting to start")
        return Decision(Turn.WAIT)
    if execution.keep_waiting:
        return Decision(Turn.START)
    if queue.newer:
        return Decision(Turn.GIVE_UP, _SUPERSEDED)
    return Decision(Turn.START, supersedes=queue.older)


class Turns:
    """The queue of each pipeline, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._raw = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)

    def lock(self, config_id: str) -> EpochMillis:
        """Hold off other decisions about this pipeline until the transaction ends; gives the time then."""
        self._raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [config_id])
        row = self._raw.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
        return cast("tuple[int]", row)[0]

    def lock_to_call(self, config_id: str) -> list[str]:
        """Hold off decisions about this pipeline, but not its other executions that end; gives who waits."""
        with self._raw.pipeline():
            self._raw.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 7))", [config_id])
            return self.waiting(config_id)

    def queue_for(self, execution: Execution) -> Queue:
        """Read the queue as it is for an execution, whether it waits in it already or not."""
        with self._raw.pipeline():
            running = self._raw.execute(
                "SELECT count(*) FROM execution WHERE pipeline_config_id = %s AND status = 'RUNNING' AND id <> %s",
                [execution.pipeline_config_id, execution.id],
            )
            waiting = self._raw.execute(
                "SELECT execution_id, since, superseded FROM waiting WHERE pipeline_config_id = %s"
                " ORDER BY since, execution_id",
                [execution.pipeline_config_id],
            )
            count: int = cast("tuple[int]", running.fetchone())[0]
            rows: list[tuple[str, EpochMillis, bool]] = cast(Any, waiting.fetchall())
        since = next((since for each, since, _ in rows if each == execution.id), execution.build_time or 0)
        own = (since, execution.id)
        others = [((since, each), each) for each, since, superseded in rows if each != execution.id and not superseded]
        return Queue(
            running=count,
            older=[each for place, each in others if place < own],
            newer=[each for place, each in others if place > own],
            superseded=any(superseded for each, _, superseded in rows if each == execution.id),
        )

    def join(self, execution: Execution, since: EpochMillis | None = None) -> None:
        """Let an execution wait, in the place of who came at `since` (when it was made, if not said)."""
        self._raw.execute(
            "INSERT INTO waiting (execution_id, pipeline_config_id, since) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [execution.id, execution.pipeline_config_id, since or execution.build_time or 0],
        )

    def leave(self, execution_id: str) -> None:
        """Take an execution out of the queue."""
        self._raw.execute("DELETE FROM waiting WHERE execution_id = %s", [execution_id])

    def supersede(self, execution_ids: Sequence[str]) -> None:
        """Mark those that lost their place; each cancels itself when it is looked at."""
        self._raw.execute("UPDATE waiting SET superseded = true WHERE execution_id = ANY(%s)", [list(execution_ids)])

    def waiting(self, config_id: str) -> list[str]:
        """List who waits for this pipeline, oldest first."""
        rows = self._raw.execute(
            "SELECT execution_id FROM waiting WHERE pipeline_config_id = %s ORDER BY since, execution_id", [config_id]
        ).fetchall()
        return [row[0] for row in rows]
