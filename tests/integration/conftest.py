"""The whole platform for tests that cross services: one without accounts, one with a real Kubernetes cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from gennaker.gate import Gate
from gennaker.platform import Configuration, Platform, Ports
from testcluster import ClusterAccess

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform without accounts, shared by this worker's tests; use an `application` of your own."""
    home = tmp_path_factory.mktemp("platform")
    configuration = Configuration(overrides={"executions": {"import": {"enabled": True}}})
    with Platform(home, configuration=configuration, ports=Ports.free(), postgres_settings=_FAST) as started:
        yield started


@pytest.fixture(scope="session")
def platform_with_cluster(tmp_path_factory: pytest.TempPathFactory, cluster: ClusterAccess) -> Iterator[Platform]:
    """A platform whose account `sandbox` is the `cluster`; stay in a namespace of your own."""
    home = tmp_path_factory.mktemp("platform-with-cluster")
    accounts = [{"name": "sandbox", "kubeconfigFile": str(cluster.kubeconfig)}]
    configuration = Configuration(overrides={"kubernetes": {"accounts": accounts}})
    with Platform(home, configuration=configuration, ports=Ports.free(), postgres_settings=_FAST) as started:
        yield started


@pytest.fixture
def gate(platform: Platform) -> Iterator[Gate]:
    """A client of the platform's gate."""
    with Gate(platform.gate_url) as client:
        yield client


@pytest.fixture
def application() -> str:
    """The name of an application that no other test uses."""
    return f"app{uuid4().hex[:10]}"


@pytest.fixture
def tutorial() -> Any:
    """Read a document of the tutorial: `tutorial("pipeline.json")`."""
    folder = Path(__file__).parents[2] / "docs" / "tutorial"
    return lambda name: json.loads((folder / name).read_text())
