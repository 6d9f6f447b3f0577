"""Which artifact each expected one is bound to, when an execution starts and when a stage has ended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

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
        if each.id in wanted_ids or each.use_default or each.use_prior
    ]
    received = _distinct(
        [
            *read_artifacts(pipeline.get("receivedArtifacts"), "receivedArtifacts"),
            *read_artifacts(trigger.get("artifacts"), "trigger.artifacts"),
        ]
    )
    resolution = resolve(expected, received, prior=prior, unique=True)
    return trigger | {
        "artifacts": _distinct([*received, *resolution.artifacts]),
        "expectedArtifacts": resolution.expected,
        "resolvedExpectedArtifacts": resolution.expected,
    }


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
    for each in expected:
        found = _match(each, artifacts, unique)
        if found is None and each.use_prior and prior is not None:
            earlier = read_artifacts(prior(), "prior artifacts") if earlier is None else earlier
            found = _match(each, earlier, unique)
        if found is None and each.use_default:
            found = each.default
        if found is None:
            raise _unmatched(each, artifacts)
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
