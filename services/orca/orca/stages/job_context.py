"""What a stage that runs a Kubernetes Job is told."""

from typing import Any
from urllib.parse import quote

from orca.stages.definition import StageView, TaskFailure
from orca.stages.manifest_evaluation import ManifestSource


class RunJobContext(ManifestSource):
    """The Job: `manifest`, or the artifact that holds it; what to wait for, and what to take from it.

    `propertyFile` names the container whose log holds properties. The account is `account` or `credentials`.
    """

    account: str | None = None
    credentials: str | None = None
    application: str | None = None
    manifest: dict[str, Any] | list[Any] | None = None
    moniker: dict[str, Any] | None = None
    wait_for_completion: bool | str | None = None
    property_file: str | None = None
    consume_artifact_source: str | None = None
    consume_artifact_id: str | None = None
    consume_artifact_account: str | None = None
    expected_artifacts: list[dict[str, Any]] | None = None

    @property
    def account_name(self) -> str:
        """Give the account. Raises `TaskFailure` when there is none."""
        name = self.account or self.credentials
        if not name:
            raise TaskFailure(
                "account: which account shall the Job run in? Give 'account' (or 'credentials').",
                exception_type="ConfigurationException",
            )
        return name

    @property
    def waits(self) -> bool:
        """Say whether the stage waits for the Job's end; it does unless told otherwise."""
        return str(self.wait_for_completion).strip().lower() != "false"


def application_of(stage: StageView[RunJobContext]) -> str:
    """Give the application that the Job belongs to."""
    moniker = stage.context.moniker or {}
    return str(moniker.get("app") or stage.context.application or stage.application)


def job_path(stage: StageView[RunJobContext], location: str, name: str) -> str:
    """Give the Job's place in clouddriver's API."""
    parts = (application_of(stage), "jobs", stage.context.account_name, location, name)
    return "/applications/" + "/".join(quote(part, safe="") for part in parts)
