"""Imported only by the process from which lives are forked: what a worker imports when it needs it is imported here."""

import asyncio
import encodings.idna

from orca.settings import OrcaSettings
from orca.stages.dry_run import as_dry_run
from orca.testing.lives import OwnBell
from orca.webhooks import jsonpath_environment
from orca.worker import ServicesOfStages, make_driver

_settings = OrcaSettings()
PREPARED = (
    make_driver(_settings, OwnBell()),
    ServicesOfStages(_settings),
    as_dry_run,
    jsonpath_environment,
    asyncio.Event,
    encodings.idna,
)
