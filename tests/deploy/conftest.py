"""What the tests of the deployments share."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def roles_of():
    """Ask a service which roles it has: `roles_of("orca")` gives `{"api", "clock", …}`."""

    @cache
    def ask(module: str) -> frozenset[str]:
        usage = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
        found = re.search(r"\{([a-z,]+)\}", usage.stdout)
        assert found, usage.stdout
        return frozenset(found[1].split(","))

    return ask
