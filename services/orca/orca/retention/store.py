"""What retention asks of Postgres: short statements along indexes, however long the history is."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, cast

import psycopg
from kork.clock import EpochMillis, now_ms
from kork.database import Database

from orca.execution.listing import Executions
from orca.execution.model import Execution, ExecutionType
from orca.execution.served import execution_document
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.retention.rules import Group, Limit, Past

_ENDED = [status.value for status in Status if status.is_complete]
_LOADED_AT_ONCE = 10
_LEADER_LOCK = 0x6F726374

_APPLICATIONS = """
    WITH RECURSIVE one (application) AS (
        SELECT min(application) FROM execution WHERE type = %(kind)s
        UNION ALL
        SELECT (SELECT min(application) FROM execution WHERE type = %(kind)s AND application > one.application)
        FROM one WHERE one.application IS NOT NULL)
    SELECT application FROM one WHERE application IS NOT NULL
"""
_CONFIGS = """
    WITH RECURSIVE one (id) AS (
        SELECT min(pipeline_config_id) FROM execution WHERE application = %(application)s
        UNION ALL
        SELECT (SELECT min(pipeline_config_id) FROM execution
                WHERE application = %(application)s AND pipeline_config_id > one.id)
        FROM one WHERE one.id IS NOT NULL)
    SELECT id FROM one WHERE id IS NOT NULL
"""
_PARENTS_OF_OPEN = """
    SELECT DISTINCT trigger->>'parentExecutionId' FROM execution
    WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED') AND trigger->>'parentExecutionId' IS NOT NULL
"""
_OF_PIPELINE = "application = %(application)s AND pipeline_config_id = %(config)s AND type = 'PIPELINE'"
_WITHOUT_CONFIG = "application = %(application)s AND pipeline_config_id IS NULL AND type = %(kind)s"
_REMOVABLE = """
    SELECT id, status, build_time, end_time, restored_at FROM execution
    WHERE {group} AND status = ANY(%(ended)s) AND id <> ALL(%(needed)s)
        AND (%(keep)s = 0 OR (build_time, id) < (
            SELECT build_time, id FROM execution WHERE {group} AND status = ANY(%(ended)s)
            ORDER BY build_time DESC, id DESC OFFSET GREATEST(%(keep)s - 1, 0) LIMIT 1))
        AND (%(before)s::bigint IS NULL OR build_time < %(before)s)
        AND (restored_at IS NULL OR restored_at < %(restored_before)s)
        AND (build_time, id) > (%(after_time)s, %(after_id)s)
    ORDER BY build_time, id LIMIT %(limit)s
"""
_REMOVE = """
    DELETE FROM execution USING unnest(%(ids)s::text[], %(statuses)s::text[], %(ends)s::bigint[])
        AS seen (id, status, end_time)
    WHERE execution.id = seen.id AND execution.status = seen.status
        AND execution.end_time IS NOT DISTINCT FROM seen.end_time
"""


class History:
    """The ended executions of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lead(self) -> "Leadership":
        """Give what makes this process the only one that removes executions, for a block."""
        return Leadership(self._database)

    def applications(self, kind: ExecutionType) -> list[str]:
        """List the applications that have executions of a kind."""
        return [row[0] for row in self._all(_APPLICATIONS, {"kind": kind})]

    def groups(self, kind: ExecutionType, application: str) -> list[Group]:
        """List what is counted together; pipelines that were started without a configuration are one group."""
        if kind == "ORCHESTRATION":
            return [Group(kind, application)]
        configs = [row[0] for row in self._all(_CONFIGS, {"application": application})]
        return [Group(kind, application, config) for config in (*configs, None)]

    def needed(self) -> set[str]:
        """List the executions that open ones may ask for: those that started them."""
        return {row[0] for row in self._all(_PARENTS_OF_OPEN, {})}

    def removable(self, group: Group, limit: Limit, needed: Collection[str], page: int) -> Iterator[Past]:
        """Give what may go of a group, the oldest first, read page by page."""
        query = _REMOVABLE.format(group=_OF_PIPELINE if group.pipeline_config_id else _WITHOUT_CONFIG)
        after: tuple[EpochMillis, str] = (-1, "")
        while True:
            rows = self._all(
                query,
                {
                    "application": group.application,
                    "config": group.pipeline_config_id,
                    "kind": group.kind,
                    "ended": _ENDED,
                    "needed": list(needed),
                    "keep": limit.keep,
                    "before": limit.before,
                    "restored_before": limit.restored_before,
                    "after_time": after[0],
                    "after_id": after[1],
                    "limit": page,
                },
            )
            for id, status, build_time, end_time, restored_at in rows:
                yield Past(id, Status(status), build_time, end_time, restored_at)
            if len(rows) < page:
                return
            after = (rows[-1][2], rows[-1][0])

    def documents(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Give executions as the API serves them, a few in memory at a time."""
        for start in range(0, len(ids), _LOADED_AT_ONCE):
            with self._database.connect() as connection:
                found = Executions(connection).of_ids(ids[start : start + _LOADED_AT_ONCE], expand=True)
            yield from (execution_document(each) for each in found)

    def remove(self, executions: Iterable[Past]) -> int:
        """Delete executions that are still as they were seen; gives how many those were."""
        seen = list(executions)
        values = {
            "ids": [each.id for each in seen],
            "statuses": [each.status.value for each in seen],
            "ends": [each.end_time for each in seen],
        }
        with self._database.begin() as connection:
            return _raw(connection).execute(_REMOVE, values).rowcount

    def restore(self, execution: Execution) -> bool:
        """Add an ended execution; False when there is one of this id."""
        with self._database.begin() as connection:
            parent = execution.trigger.get("parentExecution")
            if isinstance(parent, dict) and self._is_here(connection, cast("dict[str, Any]", parent).get("id")):
                execution.trigger["parentExecutionId"] = parent["id"]
            if not ExecutionStore(connection).insert(execution):
                return False
            _raw(connection).execute("UPDATE execution SET restored_at = %s WHERE id = %s", [now_ms(), execution.id])
            return True

    def _is_here(self, connection: Any, id: Any) -> bool:
        return isinstance(id, str) and bool(
            _raw(connection).execute("SELECT FROM execution WHERE id = %s", [id]).rowcount
        )

    def _all(self, query: str, values: dict[str, Any]) -> list[Any]:
        with self._database.connect() as connection:
            return _raw(connection).execute(cast(Any, query), values).fetchall()


class Leadership:
    """An advisory lock that one process holds at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> bool:
        """Say whether this process leads."""
        self._block = self._database.connect()
        self._connection = self._block.__enter__()
        row = _raw(self._connection).execute("SELECT pg_try_advisory_lock(%s)", [_LEADER_LOCK]).fetchone()
        self._leads = bool(row and row[0])
        return self._leads

    def __exit__(self, *error: Any) -> None:
        try:
            if self._leads:
                _raw(self._connection).execute("SELECT pg_advisory_unlock(%s)", [_LEADER_LOCK])
        except psycopg.OperationalError:
            self._connection.invalidate()
        finally:
            self._block.__exit__(None, None, None)


def _raw(connection: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    return cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
