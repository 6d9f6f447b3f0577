"""From a pipeline's configuration to an execution that hasn't started. Pure.

Source of the rules: spec 6.1, 6.2 (Spinnaker's Orca: `OperationsController`, `ExecutionLauncher`).
"""

from collections.abc import Callable
from typing import Any, cast

from kork.clock import EpochMillis
from kork.documents import Document, as_list, as_object, json_type
from kork.errors import BadRequest
from kork.identity import Identity
from spel import render_tree

from orca.execution.authentication import authority_of
from orca.execution.model import Execution, StageExecution
from orca.expressions.functions import PURE
from orca.expressions.root import GivenNames
from orca.launching.graph import InvalidPipeline, stages_of

DEFAULT_APPLICATION = "spinnaker_unknown"
_NO_SUFFIX = frozenset({"aws", "titus"})
_NOT_CONTEXT = frozenset({"type", "name", "refId", "requisiteStageRefIds", "startTimeExpiry"})
_LONGEST_NAME = 255
_TRIGGER_LISTS = ("artifacts", "notifications", "resolvedExpectedArtifacts", "expectedArtifacts")
_TRIGGER_FLAGS = ("rebake", "dryRun", "strategy")


class DisabledPipeline(BadRequest):
    """400: the pipeline is switched off."""

    exception = "com.netflix.spinnaker.kork.exceptions.ConfigurationException"


def read_trigger(pipeline: Document, user: Identity) -> Document:
    """Give the trigger with its defaults."""
    given: Any = pipeline.get("trigger")
    trigger: Document = dict(cast(Document, given)) if isinstance(given, dict) else {}
    trigger["type"] = trigger.get("type") or "manual"
    trigger["user"] = trigger.get("user") or ("[anonymous]" if user.is_anonymous else user.user)
    for key in ("type", "user", "correlationId", "parentPipelineId", "parentPipelineStageId"):
        if not isinstance(trigger.get(key), str | None):
            raise BadRequest(f"'trigger.{key}' must be text, not {json_type(trigger[key])}.")
    if len(trigger.get("correlationId") or "") > _LONGEST_NAME:
        raise BadRequest(f"'trigger.correlationId' has more than {_LONGEST_NAME} characters.")
    parameters = trigger.get("parameters")
    trigger["parameters"] = dict(as_object(parameters, "'trigger.parameters'")) if parameters is not None else {}
    for key in _TRIGGER_LISTS:
        trigger[key] = as_list(trigger.get(key), f"'trigger.{key}'")
    for key in _TRIGGER_FLAGS:
        if isinstance(trigger.get(key), dict | list):
            raise BadRequest(f"'trigger.{key}' must be true or false, not {json_type(trigger[key])}.")
        trigger[key] = is_yes(trigger.get(key))
    return trigger


def with_parameter_defaults(pipeline: Document, trigger: Document) -> Document:
    """Give a declared parameter its default when the trigger doesn't say; a declared null stays null."""
    given = dict(trigger["parameters"])
    for n, declared in enumerate(as_list(pipeline.get("parameterConfig"), "'parameterConfig'")):
        parameter = as_object(declared, f"parameterConfig[{n}]")
        name = parameter.get("name")
        if not isinstance(name, str):
            raise BadRequest(f"parameterConfig[{n}].name must be text, not {json_type(name)}.")
        if name not in given:
            given[name] = parameter.get("default")
    return trigger | {"parameters": given}


def without_template(pipeline: Document) -> Document:
    """Give a pipeline without the stages that mean nothing before its template is known."""
    return pipeline | {"stages": []} if pipeline.get("template") is not None else pipeline


def check_enabled(pipeline: Document) -> None:
    """Refuse a pipeline that is switched off."""
    if _flag(pipeline, "disabled"):
        raise DisabledPipeline(
            f"Pipeline '{pipeline.get('name')}' in application '{pipeline.get('application')}' is disabled"
            " and cannot be started"
        )


def evaluate_submission(pipeline: Document, trigger: Document) -> Document:
    """Evaluate what can be known at the start: everything, or with `spelEvaluator: v4` all but the stages."""
    kept = {"trigger", "parameterConfig"} | ({"stages"} if pipeline.get("spelEvaluator") == "v4" else set[str]())
    wanted = {key: value for key, value in pipeline.items() if key not in kept}
    seen = {"trigger": trigger, "templateVariables": pipeline.get("templateVariables") or {}}
    root = GivenNames(seen | {"parameters": trigger["parameters"]})
    evaluated, _ = render_tree(wanted, root, functions=PURE)
    return evaluated | {key: pipeline[key] for key in kept if key in pipeline}


def make_pipeline(
    pipeline: Document,
    trigger: Document,
    *,
    execution_id: str,
    user: Identity,
    origin: str,
    now: EpochMillis,
    new_id: Callable[[], str],
) -> Execution:
    """Make the execution of a checked and evaluated pipeline."""
    execution = Execution(
        "PIPELINE",
        execution_id,
        _name(pipeline, "application") or DEFAULT_APPLICATION,
        stages_from(stages_of(pipeline), new_id),
        name=_text(pipeline, "name"),
        pipeline_config_id=_name(pipeline, "id") or None,
        root_id=_text(pipeline, "rootId") or None,
        limit_concurrent=_flag(pipeline, "limitConcurrent"),
        max_concurrent=_number(pipeline, "maxConcurrentExecutions") or 0,
        keep_waiting=_flag(pipeline, "keepWaitingPipelines"),
        start_time_expiry=_number(pipeline, "startTimeExpiry"),
        initial_config=_object(pipeline, "initialConfig") or {},
        spel_evaluator=_text(pipeline, "spelEvaluator"),
        template_variables=_object(pipeline, "templateVariables"),
        source=_object(pipeline, "source"),
        notifications=[
            as_object(each, f"notifications[{n}]") for n, each in enumerate(_list(pipeline, "notifications"))
        ],
    )
    return _finished(execution, trigger, user, _text(pipeline, "origin") or origin, now)


def make_orchestration(
    request: Document,
    trigger: Document,
    *,
    execution_id: str,
    user: Identity,
    origin: str,
    now: EpochMillis,
    new_id: Callable[[], str],
) -> Execution:
    """Make the execution of a list of jobs (`POST /ops`)."""
    jobs = request | {"stages": request.get("stages") or request.get("job") or []}
    execution = Execution(
        "ORCHESTRATION",
        execution_id,
        _name(request, "application") or DEFAULT_APPLICATION,
        stages_from(stages_of(jobs), new_id),
        description=_text(request, "description") or _text(request, "name"),
        initial_config=_object(request, "initialConfig") or {},
        notifications=[each for each in trigger["notifications"] if isinstance(each, dict)],
    )
    return _finished(execution, trigger, user, origin, now)


def stages_from(stages: list[Document], new_id: Callable[[], str]) -> list[StageExecution]:
    """Make the stages of checked configurations; what isn't a field of a stage is its context."""
    made: list[StageExecution] = []
    for stage in stages:
        provider: Any = stage.get("providerType")
        suffix = f"_{provider}" if isinstance(provider, str) and provider and provider not in _NO_SUFFIX else ""
        made.append(
            StageExecution(
                id=new_id(),
                ref_id=stage["refId"],
                type=f"{stage['type']}{suffix}",
                name=stage.get("name") or stage["type"],
                context={key: value for key, value in stage.items() if key not in _NOT_CONTEXT},
                requisites=stage["requisiteStageRefIds"],
                start_time_expiry=_number(stage, "startTimeExpiry"),
            )
        )
    return made


def is_yes(value: Any) -> bool:
    """Read a flag as Java's `parseBoolean` reads its text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _finished(execution: Execution, trigger: Document, user: Identity, origin: str, now: EpochMillis) -> Execution:
    execution.trigger = trigger
    execution.build_time = now
    execution.origin = origin
    execution.authentication = authority_of(user)
    execution.number()
    return execution


def _flag(document: Document, key: str) -> bool:
    if isinstance(document.get(key), dict | list):
        raise InvalidPipeline(f"'{key}' must be true or false, not {json_type(document[key])}.")
    return is_yes(document.get(key))


def _text(document: Document, key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidPipeline(f"'{key}' must be text, not {json_type(value)}.")
    return value


def _name(document: Document, key: str) -> str | None:
    """Read what executions are looked up by; it is as long as a column of Spinnaker's tables at most."""
    value = _text(document, key)
    if value is not None and len(value) > _LONGEST_NAME:
        raise InvalidPipeline(f"'{key}' has {len(value)} characters; up to {_LONGEST_NAME} are possible.")
    return value


def _number(document: Document, key: str) -> int | None:
    value = document.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) >= 2**53:
        raise InvalidPipeline(f"'{key}' must be a whole number, not {json_type(value)}.")
    return int(value)


def _object(document: Document, key: str) -> Document | None:
    value = document.get(key)
    return None if value is None else as_object(value, f"'{key}'")


def _list(document: Document, key: str) -> list[Any]:
    return as_list(document.get(key), f"'{key}'")
