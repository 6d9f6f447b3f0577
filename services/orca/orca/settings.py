"""The settings of orca."""

from collections.abc import Mapping
from typing import Any, cast
from zoneinfo import ZoneInfo

from kork.settings import ServiceSettings, Settings
from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from orca.expressions.settings import KayentaSettings
from orca.retention.settings import ArchiveSettings, ImportSettings, PollersSettings
from orca.stages.job_settings import JobSettings
from orca.stages.policy import TaskPolicy
from orca.stages.settings import StagesSettings
from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions


class ExecutionsSettings(Settings):
    """How executions are kept and driven."""

    include_allowed_accounts: bool = True
    lease_seconds: float = Field(default=4.0, gt=0, description="after this silence a worker counts as dead")
    ring_again_seconds: float = Field(default=5.0, gt=0, description="when a bell that had no effect is rung again")
    max_waiting: int = Field(default=50, ge=1, description="executions of one pipeline that may wait their turn")
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    import_: ImportSettings = Field(default_factory=ImportSettings, alias="import")


class FailedStagesSettings(Settings):
    """What counts as a failed stage in `/pipelines/failedStages`."""

    only_include_stages_that_fail_pipelines: bool = False


class TasksControllerSettings(Settings):
    """What lists of executions hold."""

    days_of_execution_history: int = Field(default=14, ge=1)
    number_of_old_pipeline_executions_to_include: int = Field(default=2, ge=0)
    failed_stages: FailedStagesSettings = Field(default_factory=FailedStagesSettings)


class ExecutionWindowSettings(Settings):
    """The clock by which stages with a restricted execution window run."""

    timezone: str = "America/Los_Angeles"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"there is no time zone '{value}' here; write one like Europe/Berlin") from error
        return value


class ConditionSettings(Settings):
    """Conditions that hold `waitForCondition` stages while they are listed here."""

    enabled: bool = False
    active_conditions: list[str] = Field(default_factory=list)
    clusters: list[str] = Field(default_factory=list, description="clusters that they are for; none means all")
    wait_timeout_ms: int = Field(default=7_200_000, ge=1)
    backoff_wait_ms: int = Field(default=300_000, ge=1)

    def conditions_for(self, cluster: str | None) -> list[str]:
        """Give the conditions that hold a stage of this cluster."""
        concerned = not self.clusters or cluster in self.clusters
        return self.active_conditions if self.enabled and concerned else []


_TASK_GROUPS = ("clouddriver", "core")


class TasksSettings(Settings):
    """Settings of tasks and of their lists.

    Beside the named ones, a key is a task's class (`monitorKatoTask: {enabled: false}` skips it) or a cloud
    provider (`kubernetes: {backOffPeriod: 10000, my-account: {backOffPeriod: 30000}}`, in ms). Under `clouddriver`
    and `core`, `promoteManifestKatoOutputsTask: {excludeKeysFromOutputs: [outputs.manifests]}` keeps outputs small.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, alias_generator=to_camel)

    controller: TasksControllerSettings = Field(default_factory=TasksControllerSettings)
    execution_window: ExecutionWindowSettings = Field(default_factory=ExecutionWindowSettings)
    evaluate_condition: ConditionSettings = Field(default_factory=ConditionSettings)

    @model_validator(mode="after")
    def _understood(self) -> "TasksSettings":
        self.policy()
        return self

    def policy(self) -> TaskPolicy:
        """Give what these settings say about tasks. Raises `ValueError` for a key that is neither of both."""
        providers: dict[str, int] = {}
        accounts: dict[tuple[str, str], int] = {}
        disabled: set[str] = set()
        unpublished: dict[str, frozenset[str]] = {}
        for name, section in (self.model_extra or {}).items():
            if not isinstance(section, Mapping):
                raise ValueError(f"tasks.{name} must be a section with 'enabled' or 'backOffPeriod'")
            for key, value in cast(Mapping[str, Any], section).items():
                where = f"tasks.{name}.{key}"
                if key == "enabled":
                    if not _flag(value, where):
                        disabled.add(name)
                elif key == "backOffPeriod":
                    providers[name] = _millis(value, where)
                elif isinstance(value, Mapping) and "backOffPeriod" in value:
                    accounts[name, key] = _millis(cast(Any, value)["backOffPeriod"], f"{where}.backOffPeriod")
                elif name in _TASK_GROUPS and isinstance(value, Mapping):
                    unpublished[to_camel(key.replace("-", "_"))] = _hidden_keys(cast(Mapping[str, Any], value), where)
                else:
                    raise ValueError(
                        f"there is no setting '{where}'; known are enabled, backOffPeriod and excludeKeysFromOutputs"
                    )
        general = providers.pop("global", 0)
        return TaskPolicy(general, providers, accounts, frozenset(disabled), unpublished)


def _hidden_keys(section: Mapping[str, Any], where: str) -> frozenset[str]:
    [(name, keys)] = section.items() if len(section) == 1 else [("", None)]
    if to_camel(name.replace("-", "_")) != "excludeKeysFromOutputs" or not isinstance(keys, list):
        raise ValueError(f"{where} must hold 'excludeKeysFromOutputs', a list of keys")
    return frozenset(str(key) for key in cast(list[Any], keys))


def _flag(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"{where} must be true or false")


def _millis(value: Any, where: str) -> int:
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{where} must be a whole number of milliseconds")
    return value


class OrcaWorkerSettings(Settings):
    """The worker process of a split deployment."""

    concurrency: int = Field(default=8, ge=1, description="tasks that run at once in one process")


class OrcaSettings(ServiceSettings):
    """Settings of orca: what all services have, and how executions run."""

    executions: ExecutionsSettings = Field(default_factory=ExecutionsSettings)
    tasks: TasksSettings = Field(default_factory=TasksSettings)
    worker: OrcaWorkerSettings = Field(default_factory=OrcaWorkerSettings)
    pollers: PollersSettings = Field(default_factory=PollersSettings)
    webhook: WebhookSettings = Field(default_factory=WebhookSettings)
    job: JobSettings = Field(default_factory=JobSettings)
    user_configured_url_restrictions: WebhookUrlRestrictions = Field(default_factory=WebhookUrlRestrictions)
    kayenta: KayentaSettings = Field(default_factory=KayentaSettings)
    stages: StagesSettings = Field(default_factory=StagesSettings)
