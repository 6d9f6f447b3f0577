"""A platform for the conformance cases: all services and a worker, in processes of their own."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from gennaker.platform import Configuration, Platform, Ports

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_TOLD: dict[str, Any] = {
    "type": "tellServer",
    "label": "Tell the server",
    "url": "${parameterValues['server']}/told",
    "method": "PUT",
    "payload": {"who": "${trigger.user}"},
    "parameters": [{"name": "server", "label": "Server"}],
}
_TWICE: dict[str, Any] = {
    "type": "nameItTwice",
    "label": "Name a value twice",
    "parameters": [{"name": "text", "required": True}, {"name": "mark", "defaultValue": "!"}],
    "stages": [
        {
            "type": "evaluateVariables",
            "name": "once",
            "variables": [{"key": "once", "value": "${ parameterValues.text + parameterValues.mark }"}],
        },
        {"type": "evaluateVariables", "name": "twice", "variables": [{"key": "twice", "value": "${ once + once }"}]},
    ],
}
# The cases' server is on this machine; every other rule for addresses stays as it is.
_SETTINGS: dict[str, Any] = {
    "userConfiguredUrlRestrictions": {"allowedHostnamesRegex": "", "rejectLocalhost": False},
    "webhook": {"preconfigured": [_TOLD]},
    "stages": {"custom": [_TWICE]},
    "tasks": {"evaluateConditionTask": {"enabled": False}},
}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform that all cases share."""
    home = tmp_path_factory.mktemp("conformance")
    configuration = Configuration(overrides=_SETTINGS)
    with Platform(home, configuration=configuration, ports=Ports.free(), postgres_settings=_FAST) as started:
        yield started


@pytest.fixture(scope="session")
def orca_client(platform: Platform) -> Iterator[httpx2.Client]:
    """A client of the platform's orca, as the user alice."""
    headers = {"X-SPINNAKER-USER": "alice"}
    with httpx2.Client(base_url=platform.url("orca"), headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def front50_client(platform: Platform) -> Iterator[httpx2.Client]:
    """A client of the platform's front50."""
    headers = {"X-SPINNAKER-USER": "alice"}
    with httpx2.Client(base_url=platform.url("front50"), headers=headers, timeout=60) as client:
        yield client
