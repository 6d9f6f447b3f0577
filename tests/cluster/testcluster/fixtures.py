"""Fixtures for tests against the real control plane; load with `pytest_plugins = ["testcluster.fixtures"]`.

`cluster`: one cluster for all tests of a run and all its xdist workers, with the administrator's rights.
`namespace`: a namespace of `cluster` that only this test uses.
`own_cluster`: a cluster of the test's own, to kill and restart.

A test that uses one of them gets the marker `cluster`. Where `$GENNAKER_TEST_KUBECONFIG` names a cluster, `cluster`
is that one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

import pytest
from _pytest.capture import CaptureManager

from testcluster.access import ClusterAccess
from testcluster.building import BuildProgress, print_progress
from testcluster.controlplane import TestCluster
from testcluster.programs import ensure_programs
from testcluster.shared import shared_cluster

_FIXTURES = {"cluster", "namespace", "own_cluster"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster."""
    for item in items:
        if _FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the first test: no test's time limit should cover minutes of compiling."""
    if session.config.option.collectonly or not any(item.get_closest_marker("cluster") for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    uncaptured = capture.global_and_fixture_disabled if isinstance(capture, CaptureManager) else nullcontext

    def show(progress: BuildProgress) -> None:
        with uncaptured():
            print_progress(progress)

    ensure_programs(show)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAccess]:
    """A real Kubernetes cluster, shared by all tests of the run; stay in your own `namespace`."""
    own = tmp_path_factory.getbasetemp()
    if given := os.environ.get("GENNAKER_TEST_KUBECONFIG"):
        kubectl = Path(shutil.which("kubectl") or ensure_programs()["kubectl"])
        yield ClusterAccess.existing(Path(given), kubectl, own / "accounts")
        return
    of_the_run = own.parent if hasattr(request.config, "workerinput") else own
    with shared_cluster(of_the_run / "testcluster") as access:
        yield access


@pytest.fixture
def namespace(cluster: ClusterAccess) -> Iterator[str]:
    """The name of a fresh namespace; it and what is in it is deleted after the test."""
    name = f"test-{uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[TestCluster]:
    """A running cluster for this test alone. It costs seconds and 600 MB: for faults only."""
    with TestCluster(tmp_path / "cluster") as started:
        yield started
