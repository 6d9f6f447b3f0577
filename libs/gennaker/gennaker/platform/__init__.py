"""The whole platform in one place: for `gennaker up`, and for tests that cross services.

It owns the processes (Postgres, Redis, the APIs, the worker), their addresses and their home. It knows
nothing of what the services do.
"""

from gennaker.configuration import Configuration
from gennaker.exits import PlatformError
from gennaker.platform.home import DEFAULT_HOME, Home
from gennaker.platform.platform import Platform
from gennaker.platform.ports import Ports

__all__ = ["DEFAULT_HOME", "Configuration", "Home", "Platform", "PlatformError", "Ports"]
