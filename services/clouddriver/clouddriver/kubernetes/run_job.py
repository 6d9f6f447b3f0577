"""runJob: a Job, made anew each time. Source: Clouddriver's `KubernetesRunJobOperation`."""

from typing import Any

from pydantic import Field, field_validator

from clouddriver.kubernetes import intake
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.annotations import RECREATE
from clouddriver.kubernetes.deploy import deploy_manifest
from clouddriver.kubernetes.deploy_plan import DeployManifest
from clouddriver.kubernetes.document import kind_of_manifest, mapping_at
from clouddriver.operations.context import Description, OperationContext, OperationType, Result


class RunJob(Description):
    """The Job's manifest, and the application that it belongs to."""

    application: str = Field(min_length=1)
    namespace: str = ""
    manifest: dict[str, Any]
    required_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    optional_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])

    @field_validator("required_artifacts", "optional_artifacts", "namespace", mode="before")
    @classmethod
    def _absent(cls, value: Any, info: Any) -> Any:
        return ("" if info.field_name == "namespace" else []) if value is None else value


def check(description: RunJob, account: Account) -> list[str]:
    """Name what is wrong with the manifest."""
    if fault := intake.fault_in(description.manifest, 1):
        return [fault]
    if kind_of_manifest(description.manifest).name != "job":
        return ["Only kind of Job is accepted for the Run Job operation."]
    return []


def run_job(context: OperationContext, description: RunJob) -> Result:
    """Deploy the Job, deleting one of that name first."""
    metadata = mapping_at(description.manifest, "metadata")
    annotations = mapping_at(metadata, "annotations") | {RECREATE: "true"}
    result = deploy_manifest(
        context,
        DeployManifest(
            account=description.account,
            manifests=[description.manifest | {"metadata": metadata | {"annotations": annotations}}],
            moniker={"app": description.application},
            namespace_override=description.namespace or None,
            required_artifacts=description.required_artifacts,
            optional_artifacts=description.optional_artifacts,
        ),
    )
    return result | {"deployedNamesByLocation": result["manifestNamesByNamespace"]}


RUN_JOB = OperationType("runJob", "RUN_KUBERNETES_JOB", RunJob, run_job, check)
