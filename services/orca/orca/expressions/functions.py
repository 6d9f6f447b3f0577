"""The functions that expressions call as `#name(…)`. Those here are pure.

Source: the spec's list of Spinnaker's expression functions.
"""

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import orjson
from ruamel.yaml import YAML, YAMLError
from spel import plain, to_text

from orca.execution.model import Execution, StageExecution
from orca.expressions.root import shown_stage

_NOT_ALPHANUMERICAL = re.compile(r"[^A-Za-z0-9]")


def to_json(value: Any) -> str:
    """Write JSON. Text that would be an expression again is refused, as in Spinnaker."""
    text = orjson.dumps(plain(value), default=str).decode()
    if "${" in text:
        raise ValueError("the result for toJson cannot contain an expression")
    return text


def read_json(text: str) -> Any:
    """Parse a JSON object or list."""
    return orjson.loads(text)


def read_yaml(text: str) -> Any:
    """Parse one YAML document."""
    try:
        return YAML(typ="safe", pure=True).load(io.StringIO(text))
    except YAMLError as error:
        raise ValueError(f"this is not YAML: {error}") from error


def read_all_yaml(text: str) -> list[Any]:
    """Parse all documents of a YAML text."""
    try:
        return list(YAML(typ="safe", pure=True).load_all(io.StringIO(text)))
    except YAMLError as error:
        raise ValueError(f"this is not YAML: {error}") from error


def _to_boolean(value: Any) -> bool:
    return to_text(value).strip().lower() == "true"


PURE: dict[str, Callable[..., Any]] = {
    "toJson": to_json,
    "toInt": lambda value: int(to_text(value)),
    "toFloat": lambda value: float(to_text(value)),
    "toBoolean": _to_boolean,
    "toBase64": lambda text: base64.b64encode(to_text(text).encode()).decode(),
    "fromBase64": lambda text: base64.b64decode(to_text(text)).decode(),
    "alphanumerical": lambda text: _NOT_ALPHANUMERICAL.sub("", to_text(text)),
    "readJson": read_json,
    "readYaml": read_yaml,
    "readAllYaml": read_all_yaml,
}


def functions_for(execution: Execution, stage: StageExecution) -> dict[str, Callable[..., Any]]:
    """Give the functions for the expressions of `stage`."""

    def find(test: Callable[[StageExecution], bool], what: str) -> Any:
        found = next((candidate for candidate in execution.stages if test(candidate)), None)
        if found is None:
            raise ValueError(f"no stage {what} was found in this execution")
        return shown_stage(execution, found)

    def is_called(name: str) -> Callable[[StageExecution], bool]:
        return lambda candidate: name in (candidate.name, candidate.id)

    def judgment(name: str) -> Any:
        for candidate in execution.stages:
            if candidate.type == "manualJudgment" and candidate.name == name:
                return candidate.context.get("judgmentInput")
        raise ValueError(f"no manual judgment '{name}' was found in this execution")

    def resolved(key: str, value: str) -> Any:
        for expected in execution.trigger.get("resolvedExpectedArtifacts", []):
            bound = expected.get("boundArtifact") or {}
            if bound.get(key) == value:
                return bound
        raise ValueError(f"the trigger has no resolved artifact whose {key} is '{value}'")

    own: dict[str, Callable[..., Any]] = {
        "currentStage": lambda: shown_stage(execution, stage),
        "currentUser": lambda: execution.authentication.get("user") or "anonymous",
        "stage": lambda name: find(is_called(name), f"'{name}'"),
        "stageByRefId": lambda ref: find(lambda candidate: candidate.ref_id == ref, f"with refId '{ref}'"),
        "stageExists": lambda name: any(map(is_called(name), execution.stages)),
        "judgment": judgment,
        "judgement": judgment,
        "triggerResolvedArtifact": lambda name: resolved("name", name),
        "triggerResolvedArtifactByType": lambda kind: resolved("type", kind),
        "resolvedArtifacts": lambda: [
            artifact for candidate in execution.stages for artifact in candidate.outputs.get("artifacts", [])
        ],
    }
    return PURE | own
