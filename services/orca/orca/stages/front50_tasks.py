"""What the orchestrations on applications and pipelines share: documents in contexts, calls to front50."""

import base64
import binascii
import uuid
from typing import Any, cast

import orjson

from orca.execution.model import JsonMap
from orca.stages.definition import StageView, TaskFailure

TASKS = "com.netflix.spinnaker.orca.front50.tasks"
BACKOFF_MS = 1_000
TIMEOUT_MS = 60_000


def document(value: Any, field: str) -> JsonMap:
    """Read the document in `field` of a context: an object, or base64 of one. Raises `TaskFailure`."""
    decoded = decode(value, field)
    if not isinstance(decoded, dict):
        raise TaskFailure(f"{field}: must be an object, or base64 of one (got {value!r:.100}).")
    return cast(JsonMap, decoded)


def documents(value: Any, field: str) -> list[JsonMap]:
    """Read a list of documents. Raises `TaskFailure`."""
    decoded = decode(value, field)
    if not isinstance(decoded, list):
        raise TaskFailure(f"{field}: must be a list of objects, or base64 of one (got {value!r:.100}).")
    return [document(each, f"{field}[{n}]") for n, each in enumerate(cast(list[Any], decoded))]


def decode(value: Any, field: str) -> Any:
    """Decode what may be base64 of JSON; anything that is no text is itself. Raises `TaskFailure`."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise TaskFailure(f"{field}: is not base64 of JSON: {error}.") from error


def id_for(stage: StageView[Any], what: str) -> str:
    """Make the id of something new that a stage creates: the same when its task is run again."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{stage.id}-{stage.started_at}-{what}"))
