"""Executions and stages as rows: which field has a column, and what is kept as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from kork.trail import Trail

from orca.execution.encoding import read_json, write_json
from orca.execution.model import Execution, JsonMap, Paused, StageExecution, TaskExecution
from orca.execution.status import Status

EXECUTION_COLUMNS = (
    "e.id, e.type, e.application, e.name, e.pipeline_config_id, e.root_id, e.status, e.canceled, e.build_time,"
    " e.start_time, e.end_time, e.trigger::text, e.body::text"
)
STAGE_COLUMNS = (
    "s.id, s.position, s.ref_id, s.type, s.name, s.status, s.start_time, s.end_time, s.parent_id,"
    " s.requisites::text, s.rest::text, s.context::text, s.outputs::text, s.tasks::text"
)
LIGHT_STAGE_COLUMNS = (
    "s.id, s.position, s.ref_id, s.type, s.name, s.status, s.start_time, s.end_time, s.parent_id,"
    " s.requisites::text, s.rest::text,"
    " CASE WHEN s.context->>'group' IS NULL THEN '{}'"
    " ELSE json_build_object('group', s.context->'group')::text END, '{}', '[]'"
)

_BODY = (
    "description",
    "start_time_expiry",
    "canceled_by",
    "cancellation_reason",
    "limit_concurrent",
    "max_concurrent",
    "keep_waiting",
    "authentication",
    "notifications",
    "initial_config",
    "system_notifications",
    "spel_evaluator",
    "template_variables",
    "origin",
    "source",
    "partition",
    "additional_headers",
)
_REST = ("synthetic_owner", "start_time_expiry", "scheduled_time", "last_modified", "additional_metric_tags")
_STATUS = {status.value: status for status in Status}
_TASK = (
    "id",
    "name",
    "implementing_class",
    "status",
    "start_time",
    "end_time",
    "stage_start",
    "stage_end",
    "loop_start",
    "loop_end",
    "exception_details",
    "attempt",
    "due_at",
    "in_flight",
)


def _texts() -> dict[str, tuple[str, str]]:
    return {}


@dataclass(slots=True)
class Loaded:
    """An execution as it was read, with the text of each stage's context and outputs: what hasn't changed isn't
    written again. `trail` leads back to the request that started it."""

    execution: Execution
    texts: dict[str, tuple[str, str]] = field(default_factory=_texts)
    trail: Trail = field(default_factory=Trail)


def execution_values(execution: Execution) -> JsonMap:
    """Give an execution's columns."""
    body: JsonMap = {name: value for name in _BODY if (value := getattr(execution, name)) not in (None, False)}
    if execution.paused:
        body["paused"] = {name: getattr(execution.paused, name) for name in Paused.__slots__}
    return {
        "id": execution.id,
        "type": execution.type,
        "application": execution.application,
        "name": execution.name,
        "pipeline_config_id": execution.pipeline_config_id,
        "root_id": execution.root_id,
        "status": execution.status.value,
        "canceled": execution.canceled,
        "build_time": execution.build_time or 0,
        "start_time": execution.start_time,
        "end_time": execution.end_time,
        "trigger": write_json(stored_trigger(execution.trigger)).decode(),
        "body": write_json(body).decode(),
    }


def stored_trigger(trigger: JsonMap) -> JsonMap:
    """Give a trigger with its parent execution as a reference, if it has one that we know by its id."""
    if "parentExecutionId" not in trigger or "parentExecution" not in trigger:
        return trigger
    return {key: value for key, value in trigger.items() if key != "parentExecution"}


def execution_of(row: Sequence[Any], stages: list[StageExecution]) -> Execution:
    """Make an execution of a row of `EXECUTION_COLUMNS`."""
    body: JsonMap = read_json(row[12])
    paused = body.pop("paused", None)
    execution = Execution(
        type=row[1],
        id=row[0],
        application=row[2],
        stages=stages,
        name=row[3],
        pipeline_config_id=row[4],
        root_id=row[5],
        status=Status(row[6]),
        canceled=row[7],
        build_time=row[8],
        start_time=row[9],
        end_time=row[10],
        trigger=read_json(row[11]),
        **body,
    )
    if paused:
        execution.paused = Paused(**paused)
    return execution


class StoredStage(StageExecution):
    """A stage as it was read: its context, outputs and tasks are parsed when somebody looks at them.

    Most stages of a big execution are not looked at when it is advanced.
    """

    __slots__ = ("unread",)

    unread: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        # Python asks here only for a slot that is empty.
        if name == "unread" or name not in self.unread:
            raise AttributeError(name)
        text = self.unread.pop(name)
        value = [_task_of(each) for each in read_json(text)] if name == "tasks" else read_json(text)
        setattr(self, name, value)
        return value

    def is_unread(self, name: str) -> bool:
        """Say whether a part is still as it was read."""
        try:
            object.__getattribute__(self, name)
        except AttributeError:
            return True
        return False


def stage_of(row: Sequence[Any]) -> StageExecution:
    """Make a stage of a row of `STAGE_COLUMNS` (or of the light ones)."""
    rest: JsonMap = read_json(row[10]) if row[10] != "{}" else {}
    planned = set[str](rest.pop("planned", ()))
    stage = StoredStage(
        id=row[0],
        position=row[1],
        ref_id=row[2],
        type=row[3],
        name=row[4],
        status=_STATUS[row[5]],
        start_time=row[6],
        end_time=row[7],
        parent_id=row[8],
        requisites=read_json(row[9]) if row[9] != "[]" else [],
        planned=planned,
        **rest,
    )
    stage.unread = {}
    for name, text, empty in (("context", row[11], "{}"), ("outputs", row[12], "{}"), ("tasks", row[13], "[]")):
        if text != empty:
            stage.unread[name] = text
            delattr(stage, name)
    return stage


def stage_values(stage: StageExecution, texts: tuple[str, str] | None) -> JsonMap:
    """Give a stage's columns as JSON values; context and outputs only if they differ from `texts`."""
    rest: JsonMap = {name: value for name in _REST if (value := getattr(stage, name)) is not None}
    if stage.planned:
        rest["planned"] = sorted(stage.planned)
    values: JsonMap = {
        "id": stage.id,
        "position": stage.position,
        "ref_id": stage.ref_id,
        "type": stage.type,
        "name": stage.name,
        "status": stage.status.value,
        "start_time": stage.start_time,
        "end_time": stage.end_time,
        "parent_id": stage.parent_id,
        "requisites": stage.requisites,
        "tasks": orjson.Fragment(write_json([_task_values(task) for task in stage.tasks])),
        "rest": orjson.Fragment(write_json(rest)),
    }
    for name, old in (("context", texts and texts[0]), ("outputs", texts and texts[1])):
        if old is not None and isinstance(stage, StoredStage) and stage.is_unread(name):
            continue
        written = write_json(getattr(stage, name))
        if old is None or written != old.encode():
            values[name] = orjson.Fragment(written)
    return values


def _task_values(task: TaskExecution) -> JsonMap:
    return {name: value for name in _TASK if (value := getattr(task, name)) not in (None, False) and value != {}}


def _task_of(values: JsonMap) -> TaskExecution:
    values["status"] = _STATUS[values.get("status", "NOT_STARTED")]
    return TaskExecution(**values)
