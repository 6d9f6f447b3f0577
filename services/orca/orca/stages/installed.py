"""The stage types of an installation: those of its packages, and those that its settings add."""

from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.preconfigured_webhook import preconfigured_webhooks


def catalogue_for(settings: OrcaSettings) -> StageCatalogue:
    """Give the installed stage types, with those that the settings add (prepared webhooks)."""
    return StageCatalogue.load().with_types(preconfigured_webhooks(settings.webhook))
