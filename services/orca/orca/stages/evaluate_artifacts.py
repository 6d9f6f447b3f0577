"""`evaluateArtifacts`: make artifacts of texts, with their expressions evaluated.

Source: Spinnaker's Orca, `EvaluateArtifactsTask`.
"""

from base64 import b64encode
from typing import Any

from pydantic import Field
from spel import to_text

from orca.execution.model import EpochMillis, JsonMap
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import Stage, StageContext, StageView, TaskFailure, TaskResult, stage, succeeded, task


class EvaluateArtifactsContext(StageContext):
    """`artifactContents` has an entry with `name` and `contents` for each artifact; empty contents make none."""

    artifact_contents: list[dict[str, Any]] | None = Field(default=None)


@task(
    name="evaluateArtifacts",
    implementing_class="com.netflix.spinnaker.orca.pipeline.tasks.EvaluateArtifactsTask",
)
def evaluate_artifacts(stage: StageView[EvaluateArtifactsContext], now: EpochMillis) -> TaskResult:
    """Publish each text as an `embedded/base64` artifact."""
    made: list[JsonMap] = []
    for n, entry in enumerate(stage.context.artifact_contents or []):
        name, contents = entry.get("name"), entry.get("contents")
        if name is not None and not isinstance(name, str):
            raise TaskFailure(f"artifactContents[{n}].name must be text, not {name!r:.100}.")
        text = "" if contents is None else to_text(contents)
        if text:
            made.append(
                {
                    "type": "embedded/base64",
                    "name": name,
                    "artifactAccount": "embedded-artifact",
                    "reference": b64encode(text.encode()).decode(),
                    "customKind": False,
                    "metadata": {},
                }
            )
    return succeeded(outputs={"artifacts": made})


@stage("evaluateArtifacts")
class EvaluateArtifacts(Stage[EvaluateArtifactsContext]):
    """Publish texts as artifacts, then bind the stage's expected ones."""

    def tasks(self, stage: StageView[EvaluateArtifactsContext]):
        yield evaluate_artifacts
        yield bind_produced_artifacts.named("bindArtifacts")
