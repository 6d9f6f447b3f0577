"""Stages of a template with those of its use: replaced, added, injected.

Source: Orca's `V2ConfigStageInjectionTransform`. Where its order depends on a hash map, ours is that of the
template; a stage is injected once, also when it bears both requisites and a rule.
"""

from kork.documents import Document

from orca.templates.faults import Fault, InvalidTemplate
from orca.templates.model import refs_in

_MALFORMED = "malformed template configuration"
_RULES = ("first", "last", "before", "after")


def merge_stages(template: list[Document], config: list[Document]) -> list[Document]:
    """Give the stages of the planned pipeline, requisites before what needs them.

    A configured stage replaces the template's of the same `refId`; one with requisites is added; one with
    an `inject` rule is put in its place. The lists' stages are changed: hand over copies.
    Raises `InvalidTemplate` for a cycle, an unknown target or a rule that says nothing.
    """
    by_ref = {stage["refId"]: stage for stage in config}
    stages = [by_ref.get(stage["refId"], stage) for stage in template]
    known = {stage["refId"] for stage in template}
    stages += [stage for stage in config if stage["refId"] not in known and stage["requisiteStageRefIds"]]
    ordered = _in_order(stages)
    own = [stage for stage in ordered if stage["refId"] not in by_ref]
    for stage in [*own, *config]:
        if _has_rule(stage):
            ordered = _inject(stage, [other for other in ordered if other["refId"] != stage["refId"]])
    _check_cycles(ordered)
    return ordered


def loose_stages(template: list[Document], config: list[Document]) -> list[Fault]:
    """Warn of configured stages that neither replace, nor need, nor say where they belong: they never run."""
    known = {stage["refId"] for stage in template}
    return [
        Fault(
            "A configuration-defined stage should have either dependsOn or an inject rule defined",
            location=f"configuration:stages.{stage['refId']}",
            suggestion="give it 'requisiteStageRefIds' or 'inject', or the refId of the stage that it replaces",
            severity="WARN",
        )
        for stage in config
        if stage["refId"] not in known and not stage["requisiteStageRefIds"] and not _has_rule(stage)
    ]


def _has_rule(stage: Document) -> bool:
    rule: Document = stage.get("inject") or {}
    return any(rule.get(key) is not None for key in _RULES)


def _inject(stage: Document, stages: list[Document]) -> list[Document]:
    rule: Document = stage["inject"]
    try:
        before, after = refs_in(rule, "before"), refs_in(rule, "after")
    except ValueError as error:
        raise _malformed(f"{error} (stage '{stage['refId']}')") from error
    if rule.get("first") is True:
        return _inject_first(stage, stages)
    if rule.get("last") is True:
        return _inject_last(stage, stages)
    if before:
        return _inject_before(stage, before, stages)
    if after:
        return _inject_after(stage, after, stages)
    raise _malformed(f"stage did not have any valid injections defined (id: {stage['refId']})")


def _inject_first(stage: Document, stages: list[Document]) -> list[Document]:
    for other in stages:
        if not other["requisiteStageRefIds"]:
            other["requisiteStageRefIds"] = [stage["refId"]]
    return [stage, *stages]


def _inject_last(stage: Document, stages: list[Document]) -> list[Document]:
    needed = {ref for other in stages for ref in other["requisiteStageRefIds"]}
    _require(stage, [other["refId"] for other in stages if other["refId"] not in needed])
    return [*stages, stage]


def _inject_before(stage: Document, targets: list[str], stages: list[Document]) -> list[Document]:
    places = [_place(stage, target, stages) for target in targets]
    for place in places:
        _require(stage, stages[place]["requisiteStageRefIds"])
        stages[place]["requisiteStageRefIds"] = [stage["refId"]]
    return [*stages[: max(places)], stage, *stages[max(places) :]]


def _inject_after(stage: Document, targets: list[str], stages: list[Document]) -> list[Document]:
    places = [_place(stage, target, stages) for target in targets]
    for target in targets:
        _require(stage, [target])
        for other in stages:
            if target in other["requisiteStageRefIds"]:
                other["requisiteStageRefIds"] = [ref for ref in other["requisiteStageRefIds"] if ref != target]
                _require(other, [stage["refId"]])
    last = max(places) + 1
    return [*stages[:last], stage, *stages[last:]]


def _place(stage: Document, target: str, stages: list[Document]) -> int:
    for n, other in enumerate(stages):
        if other["refId"] == target:
            return n
    raise _malformed(f"could not inject '{stage['refId']}' stage: unknown target stage id '{target}'")


def _require(stage: Document, refs: list[str]) -> None:
    stage["requisiteStageRefIds"] = list(dict.fromkeys([*stage["requisiteStageRefIds"], *refs]))


def _in_order(stages: list[Document]) -> list[Document]:
    """Sort so that each stage comes after those it needs; otherwise the order stays."""
    left = {stage["refId"]: stage for stage in stages}
    ordered: list[Document] = []
    done: set[str] = set()
    for stage in stages:
        path = [stage["refId"]] if stage["refId"] not in done else []
        while path:
            waiting = next(
                (ref for ref in left[path[-1]]["requisiteStageRefIds"] if ref in left and ref not in done), None
            )
            if waiting is None:
                ref = path.pop()
                done.add(ref)
                ordered.append(left[ref])
            elif waiting in path:
                raise _malformed(f"Cycle detected in graph (discovered on stage: {path[-1]})")
            else:
                path.append(waiting)
    return ordered


def _check_cycles(stages: list[Document]) -> None:
    _in_order(stages)


def _malformed(cause: str) -> InvalidTemplate:
    return InvalidTemplate([Fault(_MALFORMED, cause)])
