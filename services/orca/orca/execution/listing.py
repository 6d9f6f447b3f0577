"""Reading many executions: only what is shown is loaded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from kork.clock import EpochMillis
from sqlalchemy import Connection

from orca.execution.model import Execution, ExecutionType, JsonMap, StageExecution
from orca.execution.rows import EXECUTION_COLUMNS, LIGHT_STAGE_COLUMNS, STAGE_COLUMNS, execution_of, stage_of
from orca.execution.served import execution_document
from orca.execution.status import Status

_PARENTS_DEEPEST = 10
# The second half of each is what the indexes hold.
_OF_EVENT = "e.trigger->>'eventId' = %(event_id)s AND left(e.trigger->>'eventId', 200) = left(%(event_id)s, 200)"
_OF_TRIGGER_TYPES = (
    "e.trigger->>'type' = ANY(%(trigger_types)s) AND left(e.trigger->>'type', 50) = ANY("
    "ARRAY(SELECT left(wanted, 50) FROM unnest(%(trigger_types)s::text[]) AS wanted))"
)
_OF_EACH_PIPELINE = f"""
    WITH RECURSIVE config (id) AS (
        SELECT min(pipeline_config_id) FROM execution WHERE application = %(application)s
        UNION ALL
        SELECT (SELECT min(pipeline_config_id) FROM execution
                WHERE application = %(application)s AND pipeline_config_id > config.id)
        FROM config WHERE config.id IS NOT NULL)
    SELECT {EXECUTION_COLUMNS} FROM config CROSS JOIN LATERAL (
        SELECT * FROM execution
        WHERE application = %(application)s AND pipeline_config_id = config.id AND type = 'PIPELINE' {{statuses}}
        ORDER BY build_time DESC LIMIT %(limit)s) AS e
"""
# What has not ended is little: it is numbered as it is found, and pipelines without any aren't looked at.
_ACTIVE_OF_EACH_PIPELINE = f"""
    SELECT {EXECUTION_COLUMNS} FROM (
        SELECT *, row_number() OVER (PARTITION BY pipeline_config_id ORDER BY build_time DESC) AS place
        FROM execution
        WHERE application = %(application)s AND pipeline_config_id IS NOT NULL AND type = 'PIPELINE' {{statuses}}) AS e
    WHERE place <= %(limit)s ORDER BY pipeline_config_id, build_time DESC
"""


@dataclass(frozen=True, slots=True)
class Search:
    """What to search for; an empty field lets everything pass. Times in epoch ms, `build_time`'s."""

    application: str | None = None
    kind: ExecutionType | None = None
    trigger_types: Sequence[str] = ()
    name: str | None = None
    event_id: str | None = None
    statuses: Sequence[str] = ()
    since: EpochMillis | None = None
    until: EpochMillis | None = None
    config_ids: Sequence[str] = ()
    newest_first: bool = True


class Executions:
    """Executions for reading, within one connection."""

    def __init__(self, connection: Connection) -> None:
        self._raw = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)

    def of_ids(self, ids: Sequence[str], *, expand: bool) -> list[Execution]:
        """Load executions by id; those that don't exist are left out, the order is the given one."""
        rows = self._heads("e.id = ANY(%(ids)s)", {"ids": list(ids)})
        found = {each.id: each for each in self._with_stages(rows, expand=expand)}
        return [found[each] for each in dict.fromkeys(ids) if each in found]

    def latest_of_pipelines(
        self, config_ids: Iterable[str], limit: int, statuses: Sequence[str], *, expand: bool
    ) -> list[Execution]:
        """Load the newest executions of each pipeline, newest first."""
        rows: list[tuple[Any, ...]] = []
        for config_id in dict.fromkeys(config_ids):
            rows += self._heads(
                f"e.pipeline_config_id = %(config)s AND e.type = 'PIPELINE' {_and_status(statuses)}"
                " ORDER BY e.build_time DESC, e.id DESC LIMIT %(limit)s",
                {"config": config_id, "limit": limit},
            )
        return self._with_stages(rows, expand=expand)

    def latest_of_application(
        self, application: str, limit: int, statuses: Sequence[str], keep: "Keep", *, expand: bool
    ) -> list[Execution]:
        """Load the newest executions of each pipeline of an application, those that `keep` keeps."""
        active = bool(statuses) and not any(Status(each).is_complete for each in statuses)
        query = (_ACTIVE_OF_EACH_PIPELINE if active else _OF_EACH_PIPELINE).format(statuses=_and_status(statuses))
        rows = self._raw.execute(cast(Any, query), {"application": application, "limit": limit}).fetchall()
        by_config: dict[str, list[tuple[Any, ...]]] = {}
        for row in rows:
            by_config.setdefault(row[4], []).append(row)
        kept = [row for of_one in by_config.values() for row in keep.of(of_one)]
        return self._with_stages(kept, expand=expand)

    def search(self, wanted: Search, *, offset: int, limit: int) -> list[Execution]:
        """Find executions, without their stages."""
        return [execution_of(row, []) for row in self._found(wanted, None, offset=offset, limit=limit)]

    def scan(self, wanted: Search, *, most: int, page: int) -> Iterator[Execution]:
        """Go through executions, without their stages, up to `most` of them; they are read page by page."""
        after: tuple[EpochMillis, str] | None = None
        for _ in range(0, most, page):
            rows = self._found(wanted, after, offset=0, limit=page)
            yield from (execution_of(row, []) for row in rows)
            if len(rows) < page:
                return
            after = (rows[-1][8], rows[-1][0])

    def _found(
        self, wanted: Search, after: tuple[EpochMillis, str] | None, *, offset: int, limit: int
    ) -> list[tuple[Any, ...]]:
        order, beyond = ("DESC", "<") if wanted.newest_first else ("ASC", ">")
        conditions = ["TRUE"]
        values: JsonMap = {"offset": offset, "limit": limit}
        for column, name, value in (
            ("e.application = %(application)s", "application", wanted.application),
            ("e.type = %(kind)s", "kind", wanted.kind),
            ("e.name = %(name)s AND left(e.name, 100) = left(%(name)s, 100)", "name", wanted.name),
            ("e.build_time >= %(since)s", "since", wanted.since),
            ("e.build_time <= %(until)s", "until", wanted.until),
            (_OF_EVENT, "event_id", wanted.event_id),
            (_OF_TRIGGER_TYPES, "trigger_types", list(wanted.trigger_types)),
            ("e.pipeline_config_id = ANY(%(config_ids)s)", "config_ids", list(wanted.config_ids)),
        ):
            if value not in (None, []):
                conditions.append(column)
                values[name] = value
        conditions[0] += _and_status(wanted.statuses)
        if after is not None:
            conditions.append(f"(e.build_time, e.id) {beyond} (%(after_time)s, %(after_id)s)")
            values["after_time"], values["after_id"] = after
        return self._heads(
            f"{' AND '.join(conditions)} ORDER BY e.build_time {order}, e.id {order} LIMIT %(limit)s OFFSET %(offset)s",
            values,
        )

    def load_stages(self, executions: Sequence[Execution], *, expand: bool) -> None:
        """Load the stages of executions that were found without."""
        stages = self._stages([each.id for each in executions], expand=expand)
        for each in executions:
            each.stages[:] = stages.get(each.id, [])
        self._embed_parents([each.trigger for each in executions], expand=expand)

    def artifacts_of_latest(self, config_id: str) -> list[JsonMap]:
        """Give what the latest execution of a pipeline produced, the last stage's first, then what it received."""
        rows = self._heads(
            "e.pipeline_config_id = %(config)s AND e.type = 'PIPELINE'"
            " ORDER BY e.start_time DESC NULLS LAST, e.build_time DESC LIMIT 1",
            {"config": config_id},
        )
        found: list[JsonMap] = []
        for execution in self._with_stages(rows, expand=True):
            for stage in reversed(execution.topological()):
                found += stage.outputs.get("artifacts") or []
            found += execution.trigger.get("artifacts") or []
        return found

    def correlated(self, correlation_id: str) -> list[str]:
        """List the executions with this correlation."""
        rows = self._raw.execute(
            "SELECT execution_id FROM correlation WHERE id = %s ORDER BY execution_id", [correlation_id]
        ).fetchall()
        return [row[0] for row in rows]

    def _heads(self, condition: str, values: JsonMap) -> list[tuple[Any, ...]]:
        query = f"SELECT {EXECUTION_COLUMNS} FROM execution e WHERE {condition}"
        return self._raw.execute(cast(Any, query), values).fetchall()

    def _with_stages(self, rows: Sequence[tuple[Any, ...]], *, expand: bool) -> list[Execution]:
        executions = [execution_of(row, []) for row in rows]
        self.load_stages(executions, expand=expand)
        return executions

    def _stages(self, ids: Sequence[str], *, expand: bool) -> dict[str, list[StageExecution]]:
        columns = STAGE_COLUMNS if expand else LIGHT_STAGE_COLUMNS
        found: dict[str, list[StageExecution]] = {}
        if ids:
            query = f"SELECT {columns}, s.execution_id FROM stage s WHERE s.execution_id = ANY(%s) ORDER BY s.position"
            for row in self._raw.execute(cast(Any, query), [list(ids)]):
                found.setdefault(row[14], []).append(stage_of(row[:14]))
        return found

    def _embed_parents(self, triggers: Sequence[JsonMap], *, expand: bool, depth: int = _PARENTS_DEEPEST) -> None:
        wanted = {
            trigger["parentExecutionId"]
            for trigger in triggers
            if isinstance(trigger.get("parentExecutionId"), str) and "parentExecution" not in trigger
        }
        if not wanted or not depth:
            return
        rows = self._heads("e.id = ANY(%(ids)s)", {"ids": list(wanted)})
        stages = self._stages(list(wanted), expand=True) if expand else {}
        parents = {row[0]: execution_of(row, stages.get(row[0], [])) for row in rows}
        self._embed_parents([parent.trigger for parent in parents.values()], expand=expand, depth=depth - 1)
        for trigger in triggers:
            parent = parents.get(trigger.get("parentExecutionId", ""))
            if parent is not None and "parentExecution" not in trigger:
                trigger["parentExecution"] = execution_document(parent)


def _and_status(statuses: Sequence[str]) -> str:
    """Give the condition on the status as SQL: seen when the query is planned, statuses let it use the indexes that
    hold only some."""
    literals = ", ".join(f"'{Status(each).value}'" for each in statuses)
    return f" AND status IN ({literals})" if literals else ""


@dataclass(frozen=True, slots=True)
class Keep:
    """Which executions of one pipeline a list shows: those since a moment, else a few older ones."""

    since: EpochMillis
    old: int

    def of(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """Choose from rows, newest first; one that hasn't started is always recent."""
        recent = [row for row in rows if row[9] is None or row[9] >= self.since]
        return recent or rows[: self.old]
