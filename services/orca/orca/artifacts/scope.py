"""Which artifacts a stage can see."""

from typing import Any, cast

from spel import has_expression

from orca.artifacts.model import Artifact, JsonMap, read_artifact, read_artifacts
from orca.execution.model import Execution, StageExecution
from orca.expressions.evaluator import StageExpressions


def in_scope(execution: Execution, stage: StageExecution) -> list[Artifact]:
    """List the artifacts that a stage can see: its own, its ancestors' outputs (nearest first), then the trigger's.

    Source: Orca's `ArtifactUtils.getArtifacts`.
    """
    found: list[Artifact] = []
    for listed in execution.lookup_all(stage, "artifacts"):
        found += _of(listed, "artifacts")
    return _distinct(found)


def bound_by_id(execution: Execution, stage: StageExecution, id: str) -> Artifact | None:
    """Find what the expected artifact `id` is bound to, as seen from a stage; nearest first, the trigger last.

    An artifact without an account takes that of the pattern it matched; expressions in it (of a default one) are
    evaluated as the stage sees them. Source: Orca's `ArtifactUtils.getBoundArtifactForStage`.
    """
    for listed in execution.lookup_all(stage, "resolvedExpectedArtifacts"):
        if not isinstance(listed, list):
            continue
        for each in cast(list[Any], listed):
            if not isinstance(each, dict):
                continue
            expected = cast(JsonMap, each)
            bound = expected.get("boundArtifact")
            if expected.get("id") == id and bound:
                found = _with_account(read_artifact(bound, "boundArtifact"), expected.get("matchArtifact"))
                return _evaluated(execution, stage, found)
    return None


def _evaluated(execution: Execution, stage: StageExecution, artifact: Artifact) -> Artifact:
    if not has_expression(artifact):
        return artifact
    return read_artifact(StageExpressions(execution, stage).render(artifact), "boundArtifact")


def artifacts_of(execution: Execution) -> list[Artifact]:
    """List all artifacts of an execution, the latest first: stages' outputs from the end, then the trigger's.

    It is what `prior` means for the next execution of the same pipeline.
    """
    found: list[Artifact] = []
    for stage in reversed(execution.topological()):
        found += _of(stage.outputs.get("artifacts"), f"{stage.name}.outputs.artifacts")
    found += _of(execution.trigger.get("artifacts"), "trigger.artifacts")
    return _distinct(found)


def _of(value: Any, where: str) -> list[Artifact]:
    return read_artifacts(value, where) if isinstance(value, list | dict) else []


def _with_account(artifact: Artifact, match: Any) -> Artifact:
    account = cast(JsonMap, match).get("artifactAccount") if isinstance(match, dict) else None
    if artifact.get("artifactAccount") or not isinstance(account, str) or not account:
        return artifact
    return artifact | {"artifactAccount": account}


def _distinct(artifacts: list[Artifact]) -> list[Artifact]:
    kept: list[Artifact] = []
    for artifact in artifacts:
        if artifact not in kept:
            kept.append(artifact)
    return kept
