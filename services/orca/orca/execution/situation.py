"""What stands around an execution: when it is due, what workers hold of it, who is before it in its queue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from kork.clock import EpochMillis
from sqlalchemy import Connection

from orca.execution.model import Execution


@dataclass(frozen=True, slots=True)
class Held:
    """An I/O task that a worker runs (`owner`), or that has to be taken.

    `until` (epoch ms) is the end of the owner's lease, or when the bell is rung again; `rings` how often
    it was rung in vain.
    """

    stage_id: str
    task_id: str
    attempt: int
    owner: str | None
    until: EpochMillis
    rings: int = 0


def _held() -> Sequence[Held]:
    return ()


def _ids() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Situation:
    """The surroundings of one execution. `waits` says that it is in its pipeline's queue."""

    due_at: EpochMillis | None = None
    rings: int = 0
    held: Sequence[Held] = field(default_factory=_held)
    waits: bool = False
    running: Sequence[str] = field(default_factory=_ids)
    before: Sequence[str] = field(default_factory=_ids)

    def of(self, stage_id: str, task_id: str) -> Held | None:
        """Find what is held of a task."""
        return next((each for each in self.held if (each.stage_id, each.task_id) == (stage_id, task_id)), None)


def read_situation(connection: Connection, execution: Execution) -> Situation:
    """Read the surroundings of an execution in one go."""
    raw = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
    with raw.pipeline():
        due = raw.execute("SELECT due_at, rings FROM due WHERE execution_id = %s", [execution.id])
        held = raw.execute(
            "SELECT stage_id, task_id, attempt, owner, lease_until, rings FROM io_task WHERE execution_id = %s",
            [execution.id],
        )
        running = raw.execute(
            "SELECT id FROM execution WHERE pipeline_config_id = %s AND status = 'RUNNING' AND id <> %s"
            " ORDER BY build_time, id LIMIT 100",
            [execution.pipeline_config_id, execution.id],
        )
        waiting = raw.execute(
            "SELECT execution_id FROM waiting WHERE pipeline_config_id = %s AND NOT superseded"
            " ORDER BY since, execution_id",
            [execution.pipeline_config_id],
        )
        due_row = due.fetchone()
        queue = [str(row[0]) for row in waiting.fetchall()]
        return Situation(
            due_at=due_row[0] if due_row else None,
            rings=due_row[1] if due_row else 0,
            held=[Held(*row) for row in held.fetchall()],
            waits=execution.id in queue,
            running=[str(row[0]) for row in running.fetchall()],
            before=queue[: queue.index(execution.id)] if execution.id in queue else [],
        )
