"""What a pipeline must be to be saved, and which pipelines a caller asked for. Pure.

Source: `docs/compatibility.md` (front50, pipelines).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from kork.documents import Document, as_object, json_type
from kork.errors import BadRequest, SpinnakerError

from front50.documents import Stored


class Unprocessable(SpinnakerError):
    """422: the document misses what every pipeline has."""

    status = 422
    exception = "com.netflix.spinnaker.front50.exceptions.InvalidEntityException"


def prepare(body: Document, new_id: Callable[[], str]) -> Document:
    """Check a submitted pipeline and give it as it will be stored: name trimmed, cron triggers with ids.

    Raises `Unprocessable` without a name or an application, `BadRequest` for parts of a wrong type.
    """
    name, application = _text(body, "name"), _text(body, "application")
    if not name or not application:
        raise Unprocessable("A pipeline requires name and application fields")
    if body.get("id") is not None and not _text(body, "id"):
        raise BadRequest("The 'id' of a pipeline must be text that is not empty; leave it out to get one.")
    prepared = body | {"name": name, "triggers": _with_cron_ids(_objects(body, "triggers"), body, new_id)}
    for key in ("stages", "parameterConfig"):
        _objects(body, key)
    return prepared


def _text(body: Document, key: str) -> str:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"The '{key}' of a pipeline must be text, not {json_type(value)}.")
    return (value or "").strip()


def _objects(body: Document, key: str) -> list[Document]:
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"The '{key}' of a pipeline must be a list of objects, not {json_type(value)}.")
    return [as_object(item, f"{key}[{n}]") for n, item in enumerate(cast(list[Any], value))]


def _with_cron_ids(triggers: list[Document], body: Document, new_id: Callable[[], str]) -> list[Document]:
    """Give cron triggers an identity of their own: a copied pipeline never shares its schedule."""
    afresh = body.get("id") is None or body.get("regenerateCronTriggerIds") is True
    return [
        trigger | {"id": new_id()} if _is_cron(trigger) and (afresh or not trigger.get("id")) else trigger
        for trigger in triggers
    ]


def _is_cron(trigger: Document) -> bool:
    return str(trigger.get("type", "")).lower() == "cron"


def check_not_stale(body: Document, stored: Stored | None) -> None:
    """Refuse a change of something that changed since the caller read it, told by `updateTs`."""
    submitted = body.get("updateTs", body.get("lastModified"))
    if stored is None or submitted is None or str(submitted) == str(stored.updated_at):
        return
    message = (
        f"The submitted pipeline is stale.  submitted updateTs {submitted}"
        f" does not match stored updateTs {stored.updated_at}"
    )
    raise BadRequest(message, errors=[message])


def present(stored: Stored) -> Document:
    """Give a pipeline as Spinnaker answers it."""
    body = {key: value for key, value in stored.body.items() if key != "lastModified"}
    body.setdefault("schema", "1")
    body.setdefault("triggers", [])
    return body | {"updateTs": str(stored.updated_at), "lastModifiedBy": stored.updated_by}


def is_enabled(document: Document) -> bool:
    """Say whether a trigger is on: `enabled` is true, or the text 'true'."""
    enabled = document.get("enabled")
    return enabled is True or (isinstance(enabled, str) and enabled.lower() == "true")


def pipeline_triggers(body: Document) -> list[Document]:
    """List what starts this pipeline: `{pipeline, status}`, by its enabled pipeline triggers."""
    if body.get("disabled") is True:
        return []
    return [
        {"pipeline": trigger["pipeline"], "status": status}
        for trigger in _triggers(body)
        if trigger.get("type") == "pipeline" and is_enabled(trigger) and isinstance(trigger.get("pipeline"), str)
        for status in _strings(trigger.get("status"))
    ]


def _triggers(body: Document) -> list[Document]:
    return cast(list[Document], body.get("triggers") or [])


def _strings(value: Any) -> list[str]:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pipelines are wanted; a field that is None, or empty, lets all pass."""

    enabled_pipelines: bool | None = None
    enabled_triggers: bool | None = None
    trigger_types: tuple[str, ...] = ()
    name_part: str = ""
    limit: int | None = None

    def of(self, pipelines: Iterable[Document]) -> list[Document]:
        """Keep the pipelines that are wanted."""
        kept = [pipeline for pipeline in pipelines if self._wants(pipeline)]
        return kept[: self.limit]

    def _wants(self, pipeline: Document) -> bool:
        if self.name_part.lower() not in str(pipeline.get("name", "")).lower():
            return False
        enabled = pipeline.get("disabled") is not True
        if self.enabled_pipelines is not None and enabled != self.enabled_pipelines:
            return False
        if self.enabled_triggers is None and not self.trigger_types:
            return True
        return any(self._wants_trigger(trigger) for trigger in _triggers(pipeline))

    def _wants_trigger(self, trigger: Document) -> bool:
        if self.enabled_triggers is not None and is_enabled(trigger) != self.enabled_triggers:
            return False
        return not self.trigger_types or trigger.get("type") in self.trigger_types


def in_order(pipelines: Iterable[Document]) -> list[Document]:
    """Sort the pipelines of an application: those with an index first, then by name; number them anew."""

    def place(pipeline: Document) -> tuple[bool, float, str]:
        index = pipeline.get("index")
        name = str(pipeline.get("name") or pipeline.get("id")).lower()
        if isinstance(index, int | float) and not isinstance(index, bool):
            return False, index, name
        return True, 0, name

    return [pipeline | {"index": n} for n, pipeline in enumerate(sorted(pipelines, key=place))]
