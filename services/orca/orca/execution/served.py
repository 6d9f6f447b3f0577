"""Executions as Spinnaker's JSON: field by field what Orca serves.

Nulls are left out; empty maps and lists, `false` and 0 are not (spec 1.1).
"""

from typing import Any

from orca.execution.authentication import shown_authority
from orca.execution.model import EpochMillis, Execution, JsonMap, Paused, StageExecution, TaskExecution

_ENGINE_KEYS = frozenset({"parentExecutionId"})


def execution_document(execution: Execution, *, include_accounts: bool = True) -> JsonMap:
    """Give an execution with its stages."""
    authentication = shown_authority(execution.authentication)
    if not include_accounts:
        authentication = {key: value for key, value in authentication.items() if key != "allowedAccounts"}
    return _without_nulls(
        {
            "type": execution.type,
            "id": execution.id,
            "rootId": execution.root_id,
            "application": execution.application,
            "name": execution.name,
            "buildTime": execution.build_time,
            "canceled": execution.canceled,
            "canceledBy": execution.canceled_by,
            "cancellationReason": execution.cancellation_reason,
            "limitConcurrent": execution.limit_concurrent,
            "maxConcurrentExecutions": execution.max_concurrent,
            "keepWaitingPipelines": execution.keep_waiting,
            "stages": [stage_document(stage) for stage in execution.stages],
            "startTime": execution.start_time,
            "endTime": execution.end_time,
            "startTimeExpiry": execution.start_time_expiry,
            "status": execution.status.value,
            "authentication": authentication,
            "paused": paused_document(execution.paused) if execution.paused else None,
            "origin": execution.origin,
            "trigger": {key: value for key, value in execution.trigger.items() if key not in _ENGINE_KEYS},
            "description": execution.description,
            "pipelineConfigId": execution.pipeline_config_id,
            "source": execution.source,
            "notifications": execution.notifications,
            "initialConfig": execution.initial_config,
            "systemNotifications": execution.system_notifications,
            "spelEvaluator": execution.spel_evaluator,
            "templateVariables": execution.template_variables,
            "partition": execution.partition,
            "additionalHeaders": execution.additional_headers,
        }
    )


def stage_document(stage: StageExecution) -> JsonMap:
    """Give a stage with its tasks."""
    return _without_nulls(
        {
            "id": stage.id,
            "refId": stage.ref_id,
            "type": stage.type,
            "name": stage.name,
            "startTime": stage.start_time,
            "endTime": stage.end_time,
            "startTimeExpiry": stage.start_time_expiry,
            "status": stage.status.value,
            "context": stage.context,
            "outputs": stage.outputs,
            "tasks": [task_document(task) for task in stage.tasks],
            "syntheticStageOwner": stage.synthetic_owner,
            "parentStageId": stage.parent_id,
            "requisiteStageRefIds": stage.requisites,
            "scheduledTime": stage.scheduled_time,
            "lastModified": shown_authority(stage.last_modified) if stage.last_modified else None,
            "additionalMetricTags": stage.additional_metric_tags,
        }
    )


def task_document(task: TaskExecution) -> JsonMap:
    """Give a task."""
    return _without_nulls(
        {
            "id": task.id,
            "implementingClass": task.implementing_class,
            "name": task.name,
            "startTime": task.start_time,
            "endTime": task.end_time,
            "status": task.status.value,
            "stageStart": task.stage_start,
            "stageEnd": task.stage_end,
            "loopStart": task.loop_start,
            "loopEnd": task.loop_end,
            "taskExceptionDetails": task.exception_details,
        }
    )


def paused_document(paused: Paused, now: EpochMillis | None = None) -> JsonMap:
    """Give the last pause; a pause that lasts has no duration yet."""
    is_paused = paused.pause_time is not None and paused.resume_time is None
    return _without_nulls(
        {
            "pausedBy": paused.paused_by,
            "resumedBy": paused.resumed_by,
            "pauseTime": paused.pause_time,
            "resumeTime": paused.resume_time,
            "pausedMs": 0 if is_paused else paused.paused_ms(now or 0),
            "paused": is_paused,
        }
    )


def _without_nulls(document: JsonMap) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}
