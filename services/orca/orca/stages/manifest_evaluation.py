"""Which manifests a stage works with, and the artifacts that they must or may use.

Source: Orca's `ManifestEvaluator`; shared by the stages that deploy, patch and run Jobs.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from orca.artifacts import Artifact, bound_by_id, in_scope, read_artifact
from orca.artifacts.content import content_of
from orca.execution.model import JsonMap
from orca.expressions import PipelineExpressions
from orca.stages.definition import Services, StageContext, StageView, TaskFailure
from orca.stages.manifest_source import flattened, read_manifests
from orca.stages.manifest_tasks import is_on
from orca.stages.operations import maps

_SUMMARY = "expressionEvaluationSummary"


class RequiredArtifact(StageContext):
    """An artifact that a manifest must use: by the id of an expected one, or as it is."""

    expected_artifact_id: str | None = None
    artifact: dict[str, Any] | None = None


class ManifestSource(StageContext):
    """Where the manifests are: in the stage when `source` is `text`, else in the artifact."""

    source: Literal["text", "artifact"] = "text"
    manifest_artifact_id: str | None = None
    manifest_artifact: dict[str, Any] | None = None
    manifest_artifact_account: str | None = None
    required_artifact_ids: list[str] | None = None
    required_artifacts: list[RequiredArtifact] | None = None
    skip_expression_evaluation: bool | None = None


@dataclass(frozen=True, slots=True)
class EvaluatedManifests:
    """The manifests, the artifacts that must be used, those that may be, and what to note in the stage's context."""

    manifests: list[JsonMap]
    required: list[Artifact]
    optional: list[Artifact]
    noted: JsonMap


def evaluate_manifests(
    stage: StageView[Any], services: Services, source: ManifestSource, written: Any, key: str
) -> EvaluatedManifests:
    """Read the stage's manifests: `written` (found under `key`), or those of the artifact, expressions evaluated.

    Raises `TaskFailure` when there is no such artifact, it is no YAML, or a required one can't be bound.
    """
    noted: JsonMap = {}
    if source.source == "artifact":
        artifact = _manifest_artifact(stage, source)
        what = f"The manifest '{artifact.get('name') or artifact.get('reference', '')[:100]}'"
        manifests = read_manifests(content_of(artifact, services.clouddriver), what)
        if not source.skip_expression_evaluation:
            manifests, noted = _evaluated(stage, manifests)
    else:
        manifests = flattened(written, key)
    return EvaluatedManifests(manifests, _required(stage, source), in_scope(stage.execution, stage.stage), noted)


def written_keys(context: JsonMap, *keys: str) -> Collection[str]:
    """Name the keys that hold manifests as they were written, when the stage says that they have no expressions."""
    return keys if is_on(context.get("skipExpressionEvaluation")) else ()


def _manifest_artifact(stage: StageView[Any], source: ManifestSource) -> Artifact:
    artifact: Artifact | None = None
    if source.manifest_artifact_id:
        artifact = bound_by_id(stage.execution, stage.stage, source.manifest_artifact_id)
    if artifact is None and source.manifest_artifact:
        artifact = read_artifact(source.manifest_artifact, "manifestArtifact")
    if artifact is None:
        wanted = source.manifest_artifact_id
        raise TaskFailure(
            f"No artifact could be bound to '{wanted}'."
            if wanted
            else "The source is an artifact, and neither 'manifestArtifactId' nor 'manifestArtifact' says which."
        )
    if source.manifest_artifact_account and not artifact.get("artifactAccount"):
        artifact = artifact | {"artifactAccount": source.manifest_artifact_account}
    return artifact


def _evaluated(stage: StageView[Any], manifests: list[JsonMap]) -> tuple[list[JsonMap], JsonMap]:
    context: JsonMap = stage.raw | {"manifests": manifests}
    others = [key for key in context if key != "manifests"]
    evaluated = PipelineExpressions().context(stage.execution, replace(stage.stage, context=context), others)
    summary: JsonMap = evaluated.get(_SUMMARY, {}) if evaluated is not context else {}
    if summary and is_on(stage.raw.get("failOnFailedExpressions")):
        told = [str(entry.get("description")) for entries in summary.values() for entry in entries]
        raise TaskFailure(*told, error="Expressions in the manifest could not be evaluated")
    return maps(evaluated["manifests"]), {_SUMMARY: summary} if summary else {}


def _required(stage: StageView[Any], source: ManifestSource) -> list[Artifact]:
    found = [_bound(stage, id) for id in source.required_artifact_ids or []]
    for required in source.required_artifacts or []:
        if required.expected_artifact_id:
            found.append(_bound(stage, required.expected_artifact_id, required.artifact))
        elif required.artifact:
            found.append(read_artifact(required.artifact, "requiredArtifacts.artifact"))
        else:
            # What an earlier run of this task has resolved: an artifact itself.
            found.append(read_artifact(required.model_extra or {}, "requiredArtifacts"))
    return found


def _bound(stage: StageView[Any], id: str, inline: JsonMap | None = None) -> Artifact:
    bound = bound_by_id(stage.execution, stage.stage, id)
    if bound is None and inline:
        bound = read_artifact(inline, "requiredArtifacts.artifact")
    if bound is None:
        raise TaskFailure(f"No artifact with id {id} could be found in the pipeline context.")
    return bound
