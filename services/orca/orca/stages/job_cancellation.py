"""Ending a Job for which nobody waits any more. Source: Orca's `JobUtils`."""

from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageView, TaskFailure, TaskResult
from orca.stages.job_context import RunJobContext, job_path
from orca.stages.operations import maps

_ENDED = ("Succeeded", "Failed")


def delete_unended(stage: StageView[RunJobContext], services: Services) -> TaskResult | None:
    """Delete the stage's Job unless it has ended, or nobody waits for it. One that is gone is no fault.

    Raises what is worth another try: clouddriver is away, or its operation is still making the Job.
    """
    if "kato.last.task.id" not in stage.raw:
        return None
    status = stage.raw.get("jobStatus")
    state = cast(JsonMap, status).get("jobState") if isinstance(status, dict) else None
    if state in _ENDED or not stage.context.waits:
        return None
    for location, names in _started(stage, services).items():
        for name in names:
            try:
                services.clouddriver.delete(job_path(stage, location, name))
            except UpstreamError as error:
                if error.status != 404:
                    raise
    return None


def _started(stage: StageView[Any], services: Services) -> dict[str, list[str]]:
    """Name the Jobs that the stage has started, asking clouddriver when the stage doesn't know yet."""
    known: Any = stage.raw.get("deploy.jobs")
    if isinstance(known, dict):
        return cast(dict[str, list[str]], known)
    last: Any = stage.raw.get("kato.last.task.id")
    id = cast(JsonMap, last).get("id") if isinstance(last, dict) else None
    if not id:
        return {}
    found = services.clouddriver.get(f"/task/{quote(str(id), safe='')}")
    task = cast(JsonMap, found) if isinstance(found, dict) else {}
    if not cast(JsonMap, task.get("status") or {}).get("completed"):
        raise TaskFailure(f"clouddriver's task {id} is still making the Job that is to be deleted.", retry=True)
    named = (each.get("deployedNamesByLocation") for each in maps(task.get("resultObjects")))
    return next((each for each in named if isinstance(each, dict)), {})
