"""Which artifact each expected one is bound to, when an execution starts and when a stage has ended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from kork.errors import BadRequest

from orca.artifacts.matching import matches, unusable_patterns
from orca.artifacts.model import (
    Artifact,
    ExpectedArtifact,
    JsonMap,
    as_list,
    as_map,
    read_artifacts,
    read_expected,
)

Prior = Callable[[], list[Artifact]]


@dataclass(frozen=True, slots=True)
class Resolution:
    """Expected artifacts with what each is bound to, and the artifacts that were bound."""

    artifacts: list[Artifact]
    expected: list[JsonMap]


def resolve_for_start(pipeline: JsonMap, trigger: JsonMap, *, prior: Prior) -> JsonMap:
    """Bind a pipeline's expected artifacts as its execution starts; gives the trigger with the results.

    The trigger gets `artifacts` (received and resolved), `expectedArtifacts` and
    `resolvedExpectedArtifacts`; its `expectedArtifactIds` say which are required, beside those that have
    a default or take a prior one. `prior` gives the artifacts of the pipeline's latest execution and is
    asked only when needed. Raises `BadRequest` when one has no match or several, or is malformed.
    """
    wanted_ids = _ids(trigger.get("expectedArtifactIds"))
    expected = [
        each
        for each in read_expected(pipeline.get("expectedArtifacts"), "expectedArtifacts")
        if _is_asked_for(each, wanted_ids)
    ]
    received = _received(pipeline, trigger)
    resolution = resolve(expected, received, prior=prior, unique=True)
    return trigger | {
        "artifacts": _distinct([*received, *resolution.artifacts]),
        "expectedArtifacts": resolution.expected,
        "resolvedExpectedArtifacts": resolution.expected,
    }


@dataclass(frozen=True, slots=True)
class Prospect:
    """What an expected artifact would be bound to, from where; else `message` says why it can't be bound.

    `not asked for`: neither the trigger wants it, nor has it a default or a prior one to take.
    """

    expected: ExpectedArtifact
    source: Literal["received", "prior", "default", "none", "not asked for"]
    artifact: Artifact | None = None
    message: str | None = None


def prospects(pipeline: JsonMap, trigger: JsonMap, *, prior: Prior) -> list[Prospect]:
    """Say of each expected artifact of a pipeline how it would be bound, as `resolve_for_start` binds it.

    Raises `BadRequest` for what is malformed.
    """
    wanted_ids, received = _ids(trigger.get("expectedArtifactIds")), _received(pipeline, trigger)
    found: list[Prospect] = []
    for each in read_expected(pipeline.get("expectedArtifacts"), "expectedArtifacts"):
        if not _is_asked_for(each, wanted_ids):
            found.append(Prospect(each, "not asked for"))
            continue
        try:
            source, artifact = _bind(each, received, lambda: read_artifacts(prior(), "prior artifacts"), unique=True)
        except BadRequest as error:
            found.append(Prospect(each, "none", message=error.message))
        else:
            found.append(Prospect(each, source, artifact))
    return found


def resolve(
    expected: Iterable[ExpectedArtifact],
    artifacts: list[Artifact],
    *,
    prior: Prior | None = None,
    unique: bool = False,
) -> Resolution:
    """Bind each expected artifact: to one of `artifacts`, else a prior one, else its default.

    The first match counts, unless `unique` forbids a second. Raises `BadRequest` for what can't be bound.
    """
    bound: list[Artifact] = []
    shown: list[JsonMap] = []
    earlier: list[Artifact] | None = None

    def asked_once() -> list[Artifact]:
        nonlocal earlier
        if earlier is None:
            earlier = [] if prior is None else read_artifacts(prior(), "prior artifacts")
        return earlier

    for each in expected:
        _, found = _bind(each, artifacts, asked_once, unique=unique)
        bound.append(found)
        shown.append(each.document(found))
    return Resolution(_distinct(bound), shown)


def expected_ids_for(pipeline: JsonMap, received: list[Artifact], parent_id: str | None) -> list[str]:
    """Name the expected artifacts that a child pipeline has to bind.

    Those that its enabled pipeline triggers on `parent_id` list, and every one that matches something
    received. Source: Orca's `DependentPipelineStarter`.
    """
    ids: dict[str, None] = {}
    for n, trigger in enumerate(as_list(pipeline.get("triggers") or [], "triggers")):
        given = as_map(trigger, f"triggers[{n}]")
        if given.get("type") == "pipeline" and given.get("pipeline") == parent_id and parent_id is not None:
            ids |= dict.fromkeys(sorted(_ids(given.get("expectedArtifactIds"))))
    for each in read_expected(pipeline.get("expectedArtifacts"), "expectedArtifacts"):
        if any(matches(each, artifact) for artifact in received):
            ids[each.id] = None
    return list(ids)


def _bind(
    expected: ExpectedArtifact, artifacts: list[Artifact], prior: Prior, *, unique: bool
) -> tuple[Literal["received", "prior", "default"], Artifact]:
    found = _match(expected, artifacts, unique)
    if found is not None:
        return "received", found
    if expected.use_prior:
        found = _match(expected, prior(), unique)
        if found is not None:
            return "prior", found
    if expected.use_default and expected.default is not None:
        return "default", expected.default
    raise _unmatched(expected, artifacts)


def _is_asked_for(expected: ExpectedArtifact, wanted_ids: set[str]) -> bool:
    return expected.id in wanted_ids or expected.use_default or expected.use_prior


def _received(pipeline: JsonMap, trigger: JsonMap) -> list[Artifact]:
    return _distinct(
        [
            *read_artifacts(pipeline.get("receivedArtifacts"), "receivedArtifacts"),
            *read_artifacts(trigger.get("artifacts"), "trigger.artifacts"),
        ]
    )


def _match(expected: ExpectedArtifact, artifacts: list[Artifact], unique: bool) -> Artifact | None:
    found = [artifact for artifact in artifacts if matches(expected, artifact)]
    if unique and len(found) > 1:
        listed = "; ".join(_told(artifact) for artifact in found)
        raise BadRequest(f"Expected artifact {expected} matches multiple artifacts: {listed}")
    return found[0] if found else None


def _unmatched(expected: ExpectedArtifact, artifacts: list[Artifact]) -> BadRequest:
    message = f"Unmatched expected artifact {expected} could not be resolved."
    if patterns := unusable_patterns(expected):
        quoted = ", ".join(f"'{pattern}'" for pattern in patterns)
        message += f" As a pattern {quoted} can't be used (RE2 syntax, without look-ahead); it matches only itself."
    if artifacts:
        message += f" There are: {'; '.join(map(_told, artifacts[:10]))}."
    return BadRequest(message)


def _told(artifact: Artifact) -> str:
    fields = ("type", "name", "version", "location", "reference")
    return ", ".join(f"{key}={artifact[key]:.200}" for key in fields if artifact.get(key)) or "an empty artifact"


def _distinct(artifacts: list[Artifact]) -> list[Artifact]:
    kept: list[Artifact] = []
    for artifact in artifacts:
        if artifact not in kept:
            kept.append(artifact)
    return kept


def _ids(value: Any) -> set[str]:
    return {str(each) for each in as_list(value or [], "trigger.expectedArtifactIds")}
