"""`bakeManifest`: have rosco render a Helm chart, a helmfile or a kustomization into manifests."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import Field

from orca.artifacts import Artifact, bound_by_id, read_artifact
from orca.execution.model import JsonMap
from orca.expressions import PipelineExpressions
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    stage,
    succeeded,
)
from orca.stages.operations import post_again

_HELM = ("apiVersions", "kubeVersion", "namespace", "rawOverrides", "includeCRDs", "helmChartFilePath")
_HELMFILE = ("environment", "namespace", "includeCRDs", "helmfileFilePath")
_KUSTOMIZE = ("kustomizeFilePath",)
_RENDERERS: Mapping[str, tuple[str, ...]] = {
    "HELM2": _HELM,
    "HELM3": _HELM,
    "HELMFILE": _HELMFILE,
    "KUSTOMIZE": _KUSTOMIZE,
    "KUSTOMIZE4": _KUSTOMIZE,
}
_FLAGS = frozenset({"rawOverrides", "includeCRDs"})


class InputArtifact(StageContext):
    """An artifact to bake with: the id of an expected one or the artifact itself, and the account to read it by."""

    id: str | None = None
    account: str | None = None
    artifact: dict[str, Any] | None = None


class BakeManifestContext(StageContext):
    """What to bake: the first of `inputArtifacts` is the template, the others hold values."""

    template_renderer: str = Field(min_length=1)
    input_artifacts: list[InputArtifact] | None = None
    input_artifact: InputArtifact | None = None
    overrides: dict[str, Any] | None = None
    evaluate_override_expressions: bool | None = None
    output_name: str | None = None
    expected_artifacts: list[dict[str, Any]] | None = None


@io_task(
    name="createBake",
    implementing_class="com.netflix.spinnaker.orca.bakery.tasks.manifests.CreateBakeManifestTask",
    backoff=2_000,
    timeout=300_000,
)
def bake(stage: StageView[BakeManifestContext], services: Services) -> TaskResult:
    """Have the manifests rendered, into one artifact that is embedded in the stage."""
    rosco = services.rosco
    if rosco is None:
        raise TaskFailure(
            "bakeManifest needs the service rosco, which this installation doesn't have. Set 'services.rosco.enabled: "
            "true' and 'services.rosco.baseUrl' in gennaker.yml, or render the manifests in your CI and deploy them "
            "as an artifact.",
            exception_type="ConfigurationException",
        )
    renderer = stage.context.template_renderer.upper()
    request = _request(stage, renderer)
    baked = post_again(lambda: rosco.post(f"/api/v2/manifest/bake/{renderer}", json=request))
    found: JsonMap = {"artifacts": [read_artifact(baked, "rosco's answer")], "cloudProvider": "kubernetes"}
    return succeeded(found, dict(found))


def _request(stage: StageView[BakeManifestContext], renderer: str) -> JsonMap:
    context = stage.context
    if renderer not in _RENDERERS:
        raise TaskFailure(
            f"Invalid template renderer {context.template_renderer} (there are: {', '.join(_RENDERERS)})."
        )
    inputs = context.input_artifacts or ([context.input_artifact] if context.input_artifact else [])
    if not inputs:
        raise TaskFailure("At least one input artifact to bake must be supplied (inputArtifacts).")
    resolved = [_resolved(stage, each) for each in inputs]
    request: JsonMap = {
        "templateRenderer": renderer,
        "outputArtifactName": _output_artifact_name(context),
        "outputName": context.output_name,
    }
    for key in _RENDERERS[renderer]:
        value = stage.raw.get(key)
        request[key] = str(value).lower() == "true" if key in _FLAGS and value is not None else value
    if _RENDERERS[renderer] is _KUSTOMIZE:
        request["inputArtifact"] = resolved[0]
    else:
        request |= {"inputArtifacts": resolved, "overrides": _overrides(stage)}
    return {key: value for key, value in request.items() if value is not None}


def _resolved(stage: StageView[BakeManifestContext], given: InputArtifact) -> Artifact:
    found = bound_by_id(stage.execution, stage.stage, given.id) if given.id else None
    if found is None and given.artifact:
        found = read_artifact(given.artifact, "inputArtifacts.artifact")
    if found is None:
        raise TaskFailure(
            f"Input artifact (id: {given.id}, account: {given.account}) could not be found in execution "
            f"(id: {stage.execution.id})."
        )
    return found | {"artifactAccount": given.account} if given.account else found


def _output_artifact_name(context: BakeManifestContext) -> Any:
    expected = context.expected_artifacts or []
    if len(expected) != 1:
        raise TaskFailure(
            "The Bake (Manifest) stage produces one embedded base64 artifact. Please ensure that your Bake (Manifest) "
            "stage config's `Produces Artifacts` section (`expectedArtifacts` field) contains exactly one artifact "
            f"(there are {len(expected)})."
        )
    match: Any = expected[0].get("matchArtifact")
    return cast(JsonMap, match).get("name") if isinstance(match, dict) else None


def _overrides(stage: StageView[BakeManifestContext]) -> JsonMap:
    overrides = stage.context.overrides or {}
    if not stage.context.evaluate_override_expressions:
        return overrides
    context: JsonMap = stage.raw | {"overrides": overrides}
    others = [key for key in context if key != "overrides"]
    evaluated = PipelineExpressions().context(stage.execution, replace(stage.stage, context=context), others)
    return cast(JsonMap, evaluated["overrides"])


@stage("bakeManifest")
class BakeManifest(Stage[BakeManifestContext]):
    """Render manifests."""

    def tasks(self, stage: StageView[BakeManifestContext]):
        _ = stage.context
        yield bake
        yield bind_produced_artifacts

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """What was baked is no expression, whatever it looks like."""
        return {"artifacts", "resolvedExpectedArtifacts"}

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget what was baked last time."""
        return {key: value for key, value in context.items() if key not in ("artifacts", "resolvedExpectedArtifacts")}
