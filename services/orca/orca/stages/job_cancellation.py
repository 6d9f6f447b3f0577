"""Ending a Job for which nobody waits any more. Source: Orca's `JobUtils`."""

import time
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageView, TaskResult
from orca.stages.job_context import RunJobContext, job_path
from orca.stages.operations import maps

_ENDED = ("Succeeded", "Failed")
_CANCEL_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)


def delete_unended(stage: StageView[RunJobContext], services: Services) -> TaskResult | None:
    """Delete the stage's Job unless it has ended, or nobody waits for it. One that is gone is no fault."""
    if "kato.last.task.id" not in stage.raw:
        return None
    status = stage.raw.get("jobStatus")
    state = cast(JsonMap, status).get("jobState") if isinstance(status, dict) else None
    if state in _ENDED or not stage.context.waits:
        return None
    for location, names in _started(stage, services).items():
        for name in names:
            _again(lambda path=job_path(stage, location, name): services.clouddriver.delete(path))
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
    for pause in (*_CANCEL_PAUSES, 0.0):
        task = _again(lambda: services.clouddriver.get(f"/task/{quote(str(id), safe='')}"))
        if not isinstance(task, dict) or cast(JsonMap, task).get("status", {}).get("completed"):
            results = maps(cast(JsonMap, task).get("resultObjects")) if isinstance(task, dict) else []
            named = (each.get("deployedNamesByLocation") for each in results)
            return next((each for each in named if isinstance(each, dict)), {})
        time.sleep(pause)
    return {}


def _again(call: Any) -> Any:
    """Make a call that may be repeated; trouble that passes soon is waited out, and nothing there gives `None`."""
    for pause in _CANCEL_PAUSES:
        try:
            return call()
        except UpstreamError as error:
            if error.status == 404:
                return None
            if not error.network and error.status < 500 and error.status != 429:
                raise
        time.sleep(pause)
    return call()
