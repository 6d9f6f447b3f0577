"""The settings of orca."""

from kork.settings import ServiceSettings, Settings
from pydantic import Field

from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions


class ExecutionsSettings(Settings):
    """How executions are kept and driven."""

    include_allowed_accounts: bool = True
    lease_seconds: float = Field(default=4.0, gt=0, description="after this silence a worker counts as dead")
    ring_again_seconds: float = Field(default=5.0, gt=0, description="when a bell that had no effect is rung again")
    max_waiting: int = Field(default=50, ge=1, description="executions of one pipeline that may wait their turn")


class TasksControllerSettings(Settings):
    """What lists of executions hold."""

    days_of_execution_history: int = Field(default=14, ge=1)
    number_of_old_pipeline_executions_to_include: int = Field(default=2, ge=0)


class TasksSettings(Settings):
    """Settings of tasks and of their lists."""

    controller: TasksControllerSettings = Field(default_factory=TasksControllerSettings)


class OrcaWorkerSettings(Settings):
    """The worker process of a split deployment."""

    concurrency: int = Field(default=8, ge=1, description="tasks that run at once in one process")


class OrcaSettings(ServiceSettings):
    """Settings of orca: what all services have, and how executions run."""

    executions: ExecutionsSettings = Field(default_factory=ExecutionsSettings)
    tasks: TasksSettings = Field(default_factory=TasksSettings)
    worker: OrcaWorkerSettings = Field(default_factory=OrcaWorkerSettings)
    webhook: WebhookSettings = Field(default_factory=WebhookSettings)
    user_configured_url_restrictions: WebhookUrlRestrictions = Field(default_factory=WebhookUrlRestrictions)
