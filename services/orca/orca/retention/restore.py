"""Executions from outside: an ended one as the API serves it, made an execution again. Pure.

Source of what is accepted: Spinnaker's Orca, `ExecutionsImportController`; any status that has ended is, not only
SUCCEEDED, TERMINAL and CANCELED, because an archive may hold it.
"""

from typing import Annotated, Any

from kork.documents import Document
from kork.errors import BadRequest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from orca.execution.model import (
    Execution,
    ExecutionType,
    JsonMap,
    Paused,
    StageExecution,
    SyntheticOwner,
    TaskExecution,
)
from orca.execution.status import Status

_ONE_LINE = 300
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Millis = Annotated[int, Field(ge=0, lt=2**53)]


class _Served(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class _Task(_Served):
    id: str
    name: str
    implementing_class: str = ""
    status: Status = Status.NOT_STARTED
    start_time: Millis | None = None
    end_time: Millis | None = None
    stage_start: bool = False
    stage_end: bool = False
    loop_start: bool = False
    loop_end: bool = False
    task_exception_details: JsonMap = Field(default_factory=dict)

    def task(self) -> TaskExecution:
        """Give the task."""
        return TaskExecution(**_fields(self), exception_details=self.task_exception_details)


class _Stage(_Served):
    id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    ref_id: str
    type: str
    name: str | None = None
    status: Status = Status.NOT_STARTED
    start_time: Millis | None = None
    end_time: Millis | None = None
    start_time_expiry: Millis | None = None
    context: JsonMap = Field(default_factory=dict)
    outputs: JsonMap = Field(default_factory=dict)
    tasks: list[_Task] = Field(default_factory=list[_Task])
    synthetic_stage_owner: SyntheticOwner | None = None
    parent_stage_id: str | None = None
    requisite_stage_ref_ids: list[str] = Field(default_factory=list)
    scheduled_time: Millis | None = None
    last_modified: JsonMap | None = None
    additional_metric_tags: JsonMap | None = None

    def stage(self) -> StageExecution:
        """Give the stage."""
        fields = _fields(self)
        fields["name"] = self.name or self.type
        return StageExecution(
            **fields,
            tasks=[task.task() for task in self.tasks],
            synthetic_owner=self.synthetic_stage_owner,
            parent_id=self.parent_stage_id,
            requisites=self.requisite_stage_ref_ids,
        )


class _Paused(_Served):
    paused_by: str | None = None
    pause_time: Millis | None = None
    resumed_by: str | None = None
    resume_time: Millis | None = None


class _Execution(_Served):
    type: ExecutionType
    id: Id
    application: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    status: Status
    stages: list[_Stage]
    root_id: str | None = None
    name: str | None = None
    description: str | None = None
    trigger: JsonMap = Field(default_factory=dict)
    build_time: Millis | None = None
    start_time: Millis | None = None
    end_time: Millis | None = None
    start_time_expiry: Millis | None = None
    canceled: bool = False
    canceled_by: str | None = None
    cancellation_reason: str | None = None
    limit_concurrent: bool = False
    max_concurrent_executions: int = 0
    keep_waiting_pipelines: bool = False
    pipeline_config_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    authentication: JsonMap = Field(default_factory=dict)
    notifications: list[JsonMap] = Field(default_factory=list[JsonMap])
    initial_config: JsonMap = Field(default_factory=dict)
    system_notifications: list[JsonMap] = Field(default_factory=list[JsonMap])
    spel_evaluator: str | None = None
    template_variables: JsonMap | None = None
    paused: _Paused | None = None
    origin: str | None = None
    source: JsonMap | None = None
    partition: str | None = None
    additional_headers: JsonMap = Field(default_factory=dict)


def _fields(served: _Served) -> dict[str, Any]:
    """Give the fields whose names and values are the same in the engine's model."""
    return {
        name: getattr(served, name)
        for name in type(served).model_fields
        if name
        not in (
            "tasks",
            "stages",
            "paused",
            "synthetic_stage_owner",
            "parent_stage_id",
            "requisite_stage_ref_ids",
            "task_exception_details",
            "max_concurrent_executions",
            "keep_waiting_pipelines",
        )
    }


def ended_execution(document: Document) -> Execution:
    """Make an execution of what the API served. Raises `BadRequest` that names what is wrong, or that it hasn't ended.

    Fields that an execution doesn't have are left out.
    """
    try:
        served = _Execution.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise BadRequest(f"This is no execution: {faults[0]}"[:_ONE_LINE], errors=faults[:20]) from error
    if not served.status.is_complete:
        raise BadRequest(f"Cannot import provided execution, Status: {served.status}")
    execution = Execution(
        **_fields(served),
        stages=[stage.stage() for stage in served.stages],
        max_concurrent=served.max_concurrent_executions,
        keep_waiting=served.keep_waiting_pipelines,
        paused=Paused(**served.paused.model_dump()) if served.paused else None,
    )
    ids = [stage.id for stage in execution.stages]
    if len(set(ids)) != len(ids):
        raise BadRequest("This is no execution: two of its stages have the same id.")
    execution.number()
    return execution
