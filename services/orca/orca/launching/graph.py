"""The graph that a pipeline's stages make: references, and what is wrong with them."""

from collections import Counter
from typing import Any, cast

from kork.documents import Document, as_list, as_object, json_type
from kork.errors import BadRequest

_FLAGS = (
    "failPipeline",
    "continuePipeline",
    "completeOtherBranchesThenFail",
    "failOnFailedExpressions",
    "markSuccessfulOnTimeout",
    "restrictExecutionDuringTimeWindow",
    "sendNotifications",
)
_DURATIONS = ("stageTimeoutMs", "backoffPeriodMs")
ILLEGAL_ARGUMENT = "java.lang.IllegalArgumentException"


class InvalidPipeline(BadRequest):
    """400: the pipeline can't be run; the message names the stage."""

    exception = ILLEGAL_ARGUMENT


def stages_of(pipeline: Document) -> list[Document]:
    """Give the stages as they are written, with linear references when none has one. Raises `InvalidPipeline`."""
    where = place_of(pipeline)
    try:
        stages = [
            dict(as_object(stage, f"stages[{n}] {where}"))
            for n, stage in enumerate(as_list(pipeline.get("stages"), f"'stages' {where}"))
        ]
    except BadRequest as error:
        raise InvalidPipeline(error.message) from error
    for stage in stages:
        _check_stage(stage, where)
    if not any(stage.get("refId") for stage in stages):
        for n, stage in enumerate(stages):
            stage["refId"] = str(n)
            stage["requisiteStageRefIds"] = [str(n - 1)] if n else []
    _check_graph(stages, where)
    return stages


def place_of(pipeline: Document) -> str:
    """Say in words which pipeline this is."""
    return f"from pipeline '{pipeline.get('name')}' in application '{pipeline.get('application')}'"


def name_of(stage: Document) -> str:
    """Say in words which stage this is."""
    return f"stage name: '{stage.get('name')}'"


def _check_stage(stage: Document, where: str) -> None:
    kind = stage.get("type")
    if kind is None or kind == "":
        raise InvalidPipeline(f"type missing {where}, {name_of(stage)}")
    for key in ("type", "name", "refId", "alias"):
        value = stage.get(key)
        if key == "refId" and isinstance(value, int) and not isinstance(value, bool):
            stage[key] = str(value)
        elif value is not None and not isinstance(value, str):
            raise InvalidPipeline(f"{key} must be text, not {json_type(value)}: {where}, {name_of(stage)}")
    requisites = stage.get("requisiteStageRefIds")
    if requisites is not None and not isinstance(requisites, list):
        raise InvalidPipeline(
            f"requisiteStageRefIds must be an array of texts, not {json_type(requisites)}: {where}, {name_of(stage)}"
        )
    for n, ref in enumerate(cast(list[Any], requisites or [])):
        if not isinstance(ref, str | int) or isinstance(ref, bool):
            raise InvalidPipeline(
                f"requisiteStageRefIds[{n}] must be text, not {json_type(ref)}: {where}, {name_of(stage)}"
            )
    stage["requisiteStageRefIds"] = [str(ref) for ref in cast(list[Any], requisites or [])]
    for key in ("stageEnabled", "restrictedExecutionWindow"):
        if not isinstance(stage.get(key), dict | str | None):
            raise InvalidPipeline(f"{key} must be an object, not {json_type(stage[key])}: {where}, {name_of(stage)}")
    for key in _FLAGS:
        if isinstance(stage.get(key), dict | list):
            raise InvalidPipeline(
                f"{key} must be true or false, not {json_type(stage[key])}: {where}, {name_of(stage)}"
            )
    for key in _DURATIONS:
        if not _is_duration(stage.get(key)):
            raise InvalidPipeline(
                f"{key} must be a number of milliseconds, not {stage[key]!r:.100}: {where}, {name_of(stage)}"
            )


def _is_duration(value: Any) -> bool:
    """Say whether a value is a duration in ms, absent, or an expression that may become one."""
    if isinstance(value, str):
        return not value.strip() or "${" in value or value.strip().isdigit()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0 <= value < 2**53
    return value is None


def _check_graph(stages: list[Document], where: str) -> None:
    for stage in stages:
        if not stage.get("refId"):
            raise InvalidPipeline(f"refId missing {where}, {name_of(stage)}; other stages of the pipeline have one")
    for ref, count in Counter(stage["refId"] for stage in stages).items():
        if count > 1:
            names = ", ".join(f"'{stage.get('name')}'" for stage in stages if stage["refId"] == ref)
            raise InvalidPipeline(f"refId '{ref}' is borne by {count} stages ({names}): {where}")
    known = {stage["refId"] for stage in stages}
    for stage in stages:
        for ref in stage["requisiteStageRefIds"]:
            if ref not in known:
                raise InvalidPipeline(
                    f"requisiteStageRefIds names '{ref}', which is the refId of no stage: {where}, {name_of(stage)}"
                )
    cycle = _cycle(stages)
    if cycle:
        raise InvalidPipeline(f"Invalid stage relationships found: {' → '.join(cycle)} is a cycle: {where}")


def _cycle(stages: list[Document]) -> list[str]:
    """Find references that lead back to themselves; empty when there are none."""
    left = {stage["refId"]: set(stage["requisiteStageRefIds"]) for stage in stages}
    after: dict[str, list[str]] = {}
    for ref, requisites in left.items():
        for requisite in requisites:
            after.setdefault(requisite, []).append(ref)
    ready = [ref for ref, requisites in left.items() if not requisites]
    while ready:
        ref = ready.pop()
        del left[ref]
        for following in after.get(ref, ()):
            left[following].discard(ref)
            if not left[following]:
                ready.append(following)
    if not left:
        return []
    path = [next(iter(left))]
    while (following := next(iter(sorted(left[path[-1]])))) not in path:
        path.append(following)
    circle = path[path.index(following) :]
    return [*reversed(circle), circle[-1]]
