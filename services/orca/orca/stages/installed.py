"""The stage types of an installation: those of its packages, and those that its settings add."""

from orca.custom.composition import custom_stages
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.execution_window import execution_window
from orca.stages.preconfigured_job import preconfigured_jobs
from orca.stages.preconfigured_webhook import preconfigured_webhooks
from orca.stages.wait_for_condition import wait_for_condition


def catalogue_for(settings: OrcaSettings) -> StageCatalogue:
    """Give the installed stage types, and those that settings make (prepared webhooks, Jobs, windows, conditions)."""
    catalogue = StageCatalogue.load().with_types(
        preconfigured_webhooks(settings.webhook),
        preconfigured_jobs(settings.job),
        execution_window(settings.tasks.execution_window.timezone),
        wait_for_condition(settings.tasks.evaluate_condition),
        policy=settings.tasks.policy(),
    )
    return catalogue.with_types(*custom_stages(settings.stages.custom, catalogue.types))
