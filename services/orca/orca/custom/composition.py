"""A composed stage type: its stages run before it, and their outputs are found by what comes after it."""

from collections.abc import Collection, Iterable
from typing import Any

from kork.settings import SettingsError
from pydantic import Field
from spel import render_tree

from orca.custom.settings import CustomStage
from orca.execution.model import JsonMap
from orca.launching.graph import stages_of
from orca.stages.definition import Stage, StageContext, StageView, Synthetic, TaskFailure, stage

_PLACE = frozenset({"type", "name", "refId", "requisiteStageRefIds"})


class CustomContext(StageContext):
    """What the stage's author gives."""

    parameter_values: dict[str, Any] = Field(default_factory=dict[str, Any])


def custom_stages(composed: Iterable[CustomStage], known: Collection[str]) -> list[type[Stage[Any]]]:
    """Make the stage types that settings compose; `known` are all others.

    Raises `SettingsError` for a type that is taken, a part that doesn't exist, or one that contains itself.
    """
    enabled = [each for each in composed if each.enabled]
    parts = {each.type: [str(part["type"]) for part in each.stages] for each in enabled}
    for n, each in enumerate(enabled):
        where = f"stages.custom[{n}] ('{each.type}')"
        if each.type in known or [other.type for other in enabled].count(each.type) > 1:
            raise SettingsError(f"{where}: there is a stage type '{each.type}' already; give it another 'type'.")
        unknown = sorted(set(parts[each.type]) - set(known) - parts.keys())
        if unknown:
            raise SettingsError(f"{where}: there is no stage type {', '.join(map(repr, unknown))}.")
        if _contains(parts, each.type, each.type):
            raise SettingsError(f"{where}: it contains itself; a stage type can't be made of itself.")
    return [_made(each) for each in enabled]


def _contains(parts: dict[str, list[str]], whole: str, wanted: str) -> bool:
    waiting, seen = list(parts[whole]), set[str]()
    while waiting:
        part = waiting.pop()
        if part == wanted:
            return True
        if part not in seen:
            seen.add(part)
            waiting += parts.get(part, [])
    return False


def _made(custom: CustomStage) -> type[Stage[Any]]:
    @stage(custom.type)
    class Custom(Stage[CustomContext]):
        """A stage that runs others in its place."""

        def before(self, stage: StageView[CustomContext]):
            return expand(custom, stage.context.parameter_values)

    return Custom


def expand(custom: CustomStage, given: JsonMap) -> list[Synthetic]:
    """Give the stages that run for one of a composed type. Raises `TaskFailure` naming missing parameters."""
    values = {each.name: each.default_value for each in custom.parameters} | given
    missing = [each.name for each in custom.parameters if each.required and values.get(each.name) is None]
    if missing:
        raise TaskFailure(
            *(f"parameterValues.{name}: the stage type '{custom.type}' requires a value." for name in missing),
            error=f"The {custom.type} stage is not configured right",
            exception_type="ConfigurationException",
        )
    written = stages_of({"name": custom.type, "stages": custom.stages})
    made = {each["refId"]: _part(each, values) for each in written}
    for each in written:
        made[each["refId"]].requires = [made[ref] for ref in each["requisiteStageRefIds"]]
    return list(made.values())


def _part(written: JsonMap, values: JsonMap) -> Synthetic:
    """Make one of the stages; a composed one among them gets its own values, which may be made of ours."""
    context = {key: value for key, value in written.items() if key not in _PLACE}
    own, _ = render_tree(context.get("parameterValues"), {"parameterValues": values})
    context["parameterValues"] = values if own is None else own
    return Synthetic(written["type"], written.get("name") or written["type"], context)
