"""The functions on an execution and its stages.

Source: Spinnaker's `StageExpressionFunctionProvider`, `ArtifactExpressionFunctionProvider`,
`DeployedServerGroupsExpressionFunctionProvider`, `ManifestLabelValueExpressionFunctionProvider`,
`ServiceKeyExpressionFunctionProvider`.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

from orca.execution.authentication import identity_of
from orca.execution.model import Execution, JsonMap, StageExecution
from orca.execution.status import Status
from orca.expressions.shown import Shown, shown_stage
from orca.expressions.texts import failed

_DEPLOYING = ("deploy", "createServerGroup", "cloneServerGroup", "rollingPush")
_LABELLED = ("Deployment", "ReplicaSet")


class StageFunctions:
    """The functions for the expressions of one stage."""

    def __init__(self, execution: Execution, stage: StageExecution) -> None:
        self._execution = execution
        self._stage = stage

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Give the functions by the names that expressions use."""
        return {
            "cfServiceKey": self.service_key,
            "currentStage": self.current_stage,
            "currentUser": self.current_user,
            "deployedServerGroups": self.deployed_server_groups,
            "judgement": self.judgment,
            "judgment": self.judgment,
            "manifestLabelValue": self.manifest_label_value,
            "resolvedArtifacts": self.resolved_artifacts,
            "stage": self.stage,
            "stageByRefId": self.stage_by_ref_id,
            "stageExists": self.stage_exists,
            "triggerResolvedArtifact": self.trigger_resolved_artifact,
            "triggerResolvedArtifactByType": self.trigger_resolved_artifact_by_type,
        }

    def current_stage(self) -> Shown:
        """Give the stage whose expression this is."""
        return shown_stage(self._execution, self._stage)

    def current_user(self) -> str:
        """Name the user on whose behalf the stage acts."""
        return identity_of(self._execution, self._stage).user

    def stage(self, name_or_id: Any) -> Shown:
        """Find the first stage of this name or id."""
        for stage in self._named(name_or_id):
            return shown_stage(self._execution, stage)
        where = f"using #stage({name_or_id}) in execution {self._execution.id}"
        raise failed(f"Unable to locate [{name_or_id}] {where}")

    def stage_by_ref_id(self, ref_id: Any) -> Shown:
        """Find the stage of this refId."""
        if ref_id is None:
            raise failed(f"Stage refId must not be null in #stageByRefId in execution {self._execution.id}")
        for stage in self._execution.stages:
            if stage.ref_id == str(ref_id):
                return shown_stage(self._execution, stage)
        where = f"using #stageByRefId({ref_id}) in execution {self._execution.id}"
        raise failed(f"Unable to locate [{ref_id}] {where}")

    def stage_exists(self, name_or_id: Any) -> bool:
        """Say whether there is a stage of this name or id."""
        return any(self._named(name_or_id))

    def judgment(self, name: Any) -> Any:
        """Give the input that was chosen at the manual judgment of this name."""
        for stage in self._execution.stages:
            chosen = stage.context.get("judgmentInput")
            if stage.type == "manualJudgment" and stage.name == name and chosen is not None:
                return chosen
        where = f"using #judgment({name}) in execution {self._execution.id}"
        why = "Stage doesn't exist or doesn't contain judgmentInput in its context"
        raise failed(f"Unable to locate manual Judgment stage [{name}] {where}. {why} ")

    def deployed_server_groups(self, *names_or_ids: Any) -> list[JsonMap]:
        """List what the deploy stages (of these names or ids) have deployed."""
        wanted = [
            item for each in names_or_ids for item in (cast(list[Any], each) if isinstance(each, list) else [each])
        ]
        return [
            details
            for stage in self._execution.stages
            if stage.type in _DEPLOYING and stage.status is Status.SUCCEEDED
            if isinstance(stage.context.get("deploy.server.groups"), dict)
            if not wanted or stage.name in wanted or stage.id in wanted
            if (details := _deployed(stage.context)) is not None
        ]

    def manifest_label_value(self, stage_name: Any, kind: Any, label_key: Any) -> Any:
        """Read a label of the pods of a Deployment or ReplicaSet that a deployManifest stage has deployed."""
        if kind not in _LABELLED:
            raise failed("Only Deployments and ReplicaSets are valid kinds for this function")
        if label_key is None:
            raise failed("A labelKey is required for this function")
        stage = next(
            (
                each
                for each in self._execution.stages
                if each.name == stage_name and each.type == "deployManifest" and each.status is Status.SUCCEEDED
            ),
            None,
        )
        if stage is None:
            raise failed("A valid Deploy Manifest stage name is required for this function")
        manifests = _maps(stage.context.get("outputs.manifests")) or _maps(stage.context.get("manifests"))
        if not manifests:
            raise failed("No manifest could be found in the context of the specified stage")
        of_kind = [manifest for manifest in manifests if manifest.get("kind") == kind]
        if not of_kind:
            raise failed(f"No manifest of kind {kind} could be found on the context of the specified stage")
        labels: Any = of_kind[0]
        for key in ("spec", "template", "metadata", "labels"):
            labels = cast(JsonMap, labels).get(key) if isinstance(labels, dict) else None
        if not isinstance(labels, dict) or label_key not in labels:
            raise failed("No label of specified key found on matching manifest spec.template.metadata.labels")
        return cast(JsonMap, labels)[label_key]

    def trigger_resolved_artifact(self, name: Any) -> JsonMap:
        """Find the trigger's resolved artifact of this name."""
        return self._resolved("name", name)

    def trigger_resolved_artifact_by_type(self, kind: Any) -> JsonMap:
        """Find the trigger's resolved artifact of this type."""
        return self._resolved("type", kind)

    def resolved_artifacts(self) -> list[JsonMap]:
        """List the artifacts of all stages."""
        return [artifact for stage in self._execution.stages for artifact in _maps(stage.outputs.get("artifacts"))]

    def service_key(self, name_or_id: Any) -> JsonMap:
        """Give the service key that a createServiceKey stage (Cloud Foundry) has made."""
        for stage in self._named(name_or_id):
            if stage.type == "createServiceKey" and stage.status is Status.SUCCEEDED:
                for task in _maps(stage.context.get("kato.tasks"))[:1]:
                    for result in _maps(task.get("resultObjects"))[:1]:
                        key: Any = result.get("serviceKey")
                        return cast(JsonMap, key) if isinstance(key, dict) else {}
                return {}
        return {}

    def _named(self, name_or_id: Any) -> Iterator[StageExecution]:
        return (
            stage for stage in self._execution.stages if name_or_id is not None and name_or_id in (stage.name, stage.id)
        )

    def _resolved(self, key: str, value: Any) -> JsonMap:
        for expected in _maps(self._execution.trigger.get("resolvedExpectedArtifacts")):
            bound: Any = expected.get("boundArtifact")
            if isinstance(bound, dict) and value is not None and cast(JsonMap, bound).get(key) == value:
                return cast(JsonMap, bound)
        raise failed(f"Unable to locate resolved artifact {value} in trigger execution {self._execution.id}.")


def _maps(value: Any) -> list[JsonMap]:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return [cast(JsonMap, item) for item in items if isinstance(item, dict)]


def _deployed(context: JsonMap) -> JsonMap | None:
    zones: Any = context.get("availabilityZones")
    region: Any = context.get("region")
    if region is None and isinstance(zones, dict):
        region = next(iter(cast(JsonMap, zones)), None)
    if region is None:
        return None
    details: JsonMap = {key: context.get(key) for key in ("account", "capacity", "parentStage")} | {"region": region}
    for each in _maps(context.get("deploymentDetails")):
        if each.get("region") == region:
            details |= each
    groups: Any = cast(JsonMap, context["deploy.server.groups"]).get(region)
    if isinstance(groups, list) and groups:
        details["serverGroup"] = groups[0]
    details["deployments"] = [
        deployment
        for task in _maps(context.get("kato.tasks"))
        for result in _maps(task.get("resultObjects"))
        for deployment in _maps(result.get("deployments"))
    ]
    return details
