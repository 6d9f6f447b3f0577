"""`preconfiguredJob`: Jobs that an operator has prepared, each a stage type of its own.

Source: Orca's `PreconfiguredJobStage`.
"""

import copy
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions import PipelineExpressions
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import Stage, StageView, TaskFailure, stage
from orca.stages.job_cancellation import delete_unended
from orca.stages.job_context import RunJobContext
from orca.stages.job_settings import JobSettings, PreconfiguredJob
from orca.stages.job_tasks import consume_artifact, monitor_job, run_job, wait_for_job
from orca.stages.manifest_tasks import promote_outputs
from orca.stages.run_job import RunJob, job_tasks

_STEP = re.compile(r"([^\[\]]+)(?:\[(\d+)\])?")


def preconfigured_jobs(settings: JobSettings) -> type[Stage[Any]]:
    """Make the stage type that knows all prepared Jobs, by the type of each."""
    known = {job.type: job for job in settings.enabled()}
    expressions = PipelineExpressions()

    @stage("preconfiguredJob", aliases=known)
    class Preconfigured(RunJob):
        """A Job that an operator has prepared."""

        uses = (run_job, monitor_job, promote_outputs, wait_for_job, bind_produced_artifacts, consume_artifact)
        on_cancel = staticmethod(delete_unended)

        def tasks(self, stage: StageView[RunJobContext]):
            job = known.get(stage.type)
            if job is None:
                listed = ", ".join(sorted(known)) or "none"
                raise TaskFailure(
                    f"There is no preconfigured job of type '{stage.type}' (there are: {listed}).",
                    exception_type="PreconfiguredJobNotFoundException",
                )
            merge(job, stage.stage.context)
            return job_tasks(stage.context, stage.raw)

        def view(self, execution: Execution, stage: StageExecution) -> StageView[RunJobContext]:
            job = known.get(stage.type)
            if job is None:
                return super().view(execution, stage)
            try:
                merged = replace(stage, context=merge(job, stage.context))
            except TaskFailure:
                # Told when the stage is planned.
                return super().view(execution, stage)
            stays: Collection[str] = {*self.raw_keys(merged.context), *(stage.context.keys() - job.fields().keys())}
            merged.context = expressions.context(execution, merged, stays)
            return super().view(execution, merged)

    return Preconfigured


def merge(job: PreconfiguredJob, context: JsonMap) -> JsonMap:
    """Give a stage's context with what the Job sets, its defaults, and the stage's parameters put in their places.

    `parameters` are those that the Job declares, `dynamicParameters` places of the stage's own choice. Raises
    `TaskFailure` for a place that there is not.
    """
    merged = copy.deepcopy(context | job.fields())
    merged["preconfiguredJobParameters"] = [each.model_dump(by_alias=True) for each in job.parameters]
    given, declared = _named(context.get("parameters")), {each.name: each for each in job.parameters}
    for parameter in job.parameters:
        if parameter.default_value is not None and given.get(parameter.name) is None:
            _put(merged, parameter.mapping, parameter.default_value)
    for name, value in given.items():
        if name in declared and value is not None:
            _put(merged, declared[name].mapping, _text(value))
    for place, value in _named(context.get("dynamicParameters")).items():
        _put(merged, place, _text(value))
    return merged


def _named(value: Any) -> JsonMap:
    return cast(JsonMap, value) if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _put(root: JsonMap, mapping: str | None, value: str) -> None:
    if not mapping:
        return
    current: Any = root
    *above, last = mapping.split(".")
    for step in above:
        current = _within(current, step, mapping)
    if not isinstance(current, dict):
        raise _no_such_place(mapping, last)
    current[last] = value


def _within(current: Any, step: str, mapping: str) -> Any:
    parsed = _STEP.fullmatch(step)
    if parsed is None or not isinstance(current, dict):
        raise _no_such_place(mapping, step)
    name, index = parsed.groups()
    found: Any = cast(JsonMap, current).get(name)
    if index is not None:
        items = cast(list[Any], found) if isinstance(found, list) else []
        if int(index) >= len(items):
            raise _no_such_place(mapping, step)
        found = items[int(index)]
    if found is None:
        raise _no_such_place(mapping, step)
    return found


def _no_such_place(mapping: str, step: str) -> TaskFailure:
    return TaskFailure(
        f"The mapping '{mapping}' of a parameter leads nowhere: there is no '{step}' in the job.",
        exception_type="ConfigurationException",
    )


def listed_jobs(settings: JobSettings) -> list[JsonMap]:
    """List the prepared Jobs as `GET /jobs/preconfigured` shows them."""
    return [
        {
            "label": job.label,
            "description": job.description,
            "type": job.type,
            "waitForCompletion": job.wait_for_completion,
            "noUserConfigurableFields": True,
            "parameters": [each.model_dump(by_alias=True) for each in job.parameters],
            "producesArtifacts": job.produces_artifacts,
            "uiType": job.ui_type,
        }
        for job in settings.enabled()
    ]
