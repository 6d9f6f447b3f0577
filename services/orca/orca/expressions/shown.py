"""The engine's objects as expressions see them: the properties that Orca's objects have getters for, and no more.

Source: spec of Orca's expression root (Spinnaker's `PipelineExecution`, `StageExecution`, `Trigger`).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from spel import JavaEnum

from orca.execution.model import Execution, JsonMap, StageExecution, TaskExecution
from orca.execution.served import paused_document, stage_document, task_document
from orca.execution.status import Status

Show = Mapping[str, Callable[[Any], Any]]
_MODEL = "com.netflix.spinnaker.orca.pipeline.model"


class Shown:
    """An object of the engine, of which expressions see the properties listed in `show`."""

    __slots__ = ("_of", "_plain", "_show", "java_name")

    def __init__(self, of: Any, java_name: str, show: Show, plain: Callable[[], Any] | None = None) -> None:
        self._of = of
        self._show = show
        self._plain = plain
        self.java_name = java_name

    def spel_has(self, name: str) -> bool:
        """Say whether there is a property `name`."""
        return name in self._show

    def spel_get(self, name: str) -> Any:
        """Give the property `name`."""
        return self._show[name](self._of)

    def spel_plain(self) -> Any:
        """Give what becomes of the object in a context: its JSON, or its scalar properties."""
        if self._plain is not None:
            return self._plain()
        values = {name: show(self._of) for name, show in self._show.items()}
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}

    def __str__(self) -> str:
        return self.java_name


class ShownStatus(JavaEnum):
    """An `ExecutionStatus`."""

    java_name = "com.netflix.spinnaker.orca.api.pipeline.models.ExecutionStatus"

    METHODS: ClassVar[Mapping[str, Callable[..., Any]]] = {
        **JavaEnum.METHODS,
        "isComplete": lambda s: Status(s.name).is_complete,
        "isFailure": lambda s: Status(s.name).is_failure,
        "isHalt": lambda s: Status(s.name).is_halt,
        "isSkipped": lambda s: Status(s.name) is Status.SKIPPED,
        "isSuccessful": lambda s: Status(s.name).is_successful,
    }


_STATUSES = {status: ShownStatus(status.value, ordinal) for ordinal, status in enumerate(Status)}

_TASK: Show = {
    "id": lambda t: t.id,
    "name": lambda t: t.name,
    "implementingClass": lambda t: t.implementing_class,
    "status": lambda t: _STATUSES[t.status],
    "startTime": lambda t: t.start_time,
    "endTime": lambda t: t.end_time,
    "stageStart": lambda t: t.stage_start,
    "stageEnd": lambda t: t.stage_end,
    "loopStart": lambda t: t.loop_start,
    "loopEnd": lambda t: t.loop_end,
    "taskExceptionDetails": lambda t: t.exception_details,
}


def shown_task(task: TaskExecution) -> Shown:
    """Show a task."""
    return Shown(task, f"{_MODEL}.TaskExecutionImpl", _TASK, lambda: task_document(task))


_STAGE: Show = {
    "id": lambda s: s.id,
    "refId": lambda s: s.ref_id,
    "type": lambda s: s.type,
    "name": lambda s: s.name,
    "startTime": lambda s: s.start_time,
    "endTime": lambda s: s.end_time,
    "startTimeExpiry": lambda s: s.start_time_expiry,
    "status": lambda s: _STATUSES[s.status],
    "context": lambda s: s.context,
    "outputs": lambda s: s.outputs,
    "parentStageId": lambda s: s.parent_id,
    "requisiteStageRefIds": lambda s: list(s.requisites),
    "scheduledTime": lambda s: s.scheduled_time,
    "syntheticStageOwner": lambda s: s.synthetic_owner,
    "lastModified": lambda s: s.last_modified,
    "additionalMetricTags": lambda s: s.additional_metric_tags,
    "tasks": lambda s: [shown_task(task) for task in s.tasks],
    "hasSucceeded": lambda s: s.status is Status.SUCCEEDED,
    "hasFailed": lambda s: s.status is Status.TERMINAL,
    "isJoin": lambda s: len(s.requisites) > 1,
    "join": lambda s: len(s.requisites) > 1,
}


def shown_stage(execution: Execution, stage: StageExecution) -> Shown:
    """Show a stage, with its execution, its parent and those before it."""

    def parent(_: StageExecution) -> Shown | None:
        above = execution.parent(stage)
        return shown_stage(execution, above) if above else None

    show: dict[str, Callable[[Any], Any]] = {
        **_STAGE,
        "execution": lambda _: shown_execution(execution),
        "parent": parent,
        "topLevelStage": lambda s: shown_stage(execution, execution.top_level(s)),
        "ancestors": lambda s: [shown_stage(execution, each) for each in execution.ancestors(s)],
    }
    return Shown(stage, f"{_MODEL}.StageExecutionImpl", show, lambda: stage_document(stage))


_EXECUTION: Show = {
    "type": lambda e: e.type,
    "id": lambda e: e.id,
    "rootId": lambda e: e.root_id,
    "application": lambda e: e.application,
    "name": lambda e: e.name,
    "buildTime": lambda e: e.build_time,
    "canceled": lambda e: e.canceled,
    "canceledBy": lambda e: e.canceled_by,
    "cancellationReason": lambda e: e.cancellation_reason,
    "limitConcurrent": lambda e: e.limit_concurrent,
    "maxConcurrentExecutions": lambda e: e.max_concurrent,
    "keepWaitingPipelines": lambda e: e.keep_waiting,
    "context": lambda e: e.context(),
    "stages": lambda e: [shown_stage(e, stage) for stage in e.stages],
    "startTime": lambda e: e.start_time,
    "endTime": lambda e: e.end_time,
    "startTimeExpiry": lambda e: e.start_time_expiry,
    "status": lambda e: _STATUSES[e.status],
    "authentication": lambda e: e.authentication,
    "paused": lambda e: paused_document(e.paused) if e.paused else None,
    "origin": lambda e: e.origin,
    "trigger": lambda e: shown_trigger(e.trigger),
    "description": lambda e: e.description,
    "pipelineConfigId": lambda e: e.pipeline_config_id,
    "source": lambda e: e.source,
    "notifications": lambda e: e.notifications,
    "systemNotifications": lambda e: e.system_notifications,
    "initialConfig": lambda e: e.initial_config,
    "spelEvaluator": lambda e: e.spel_evaluator,
    "templateVariables": lambda e: e.template_variables,
    "partition": lambda e: e.partition,
}


def shown_execution(execution: Execution) -> Shown:
    """Show an execution."""
    return Shown(execution, f"{_MODEL}.PipelineExecutionImpl", _EXECUTION)


_TRIGGER: dict[str, Any] = {
    "type": None,
    "correlationId": None,
    "user": "[anonymous]",
    "parameters": {},
    "artifacts": [],
    "notifications": [],
    "rebake": False,
    "dryRun": False,
    "strategy": False,
    "resolvedExpectedArtifacts": [],
}
_BUILD = ("master", "job", "buildNumber", "propertyFile", "buildInfo", "properties")
# A kind of trigger: the keys by which it is told, then those that it has a getter for.
_KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("DockerTrigger", ("account", "repository", "tag"), ("account", "repository", "tag")),
    ("JenkinsTrigger", ("master", "job", "buildNumber"), _BUILD),
    (
        "PipelineTrigger",
        ("parentExecution",),
        ("parentExecution", "parentPipelineStageId", "parentPipelineId", "parentPipelineName", "parentStatus"),
    ),
    ("ArtifactoryTrigger", ("artifactorySearchName",), ("artifactorySearchName",)),
    ("NexusTrigger", ("nexusSearchName",), ("nexusSearchName",)),
    (
        "GitTrigger",
        ("source", "project", "branch", "slug"),
        ("source", "project", "branch", "slug", "hash", "action"),
    ),
    (
        "PluginTrigger",
        ("pluginId",),
        ("pluginId", "description", "provider", "version", "releaseDate", "requires", "binaryUrl", "preferred"),
    ),
)


def shown_trigger(trigger: JsonMap) -> Shown:
    """Show a trigger: what all have, what its kind has, and the rest under `other`."""
    kind, own = _kind_of(trigger)
    known = {**_TRIGGER, **dict.fromkeys(own)}
    other = {key: value for key, value in trigger.items() if key not in known}
    show: dict[str, Callable[[Any], Any]] = {
        name: lambda t, name=name, default=default: t.get(name, default) for name, default in known.items()
    }
    show["other"] = lambda _: other
    return Shown(trigger, f"{_MODEL}.{kind}", show, lambda: trigger)


def _kind_of(trigger: JsonMap) -> tuple[str, tuple[str, ...]]:
    if trigger.get("type") == "concourse":
        return "ConcourseTrigger", ("buildInfo", "properties")
    for kind, told_by, own in _KINDS:
        if all(trigger.get(key) is not None for key in told_by):
            return kind, own
    return "DefaultTrigger", ()
