"""A Kubernetes cluster to try things out on: the control plane of `testcluster`, as the account `sandbox`.

Its objects, controllers, scheduler and access rules are Kubernetes' own; its pods are simulated.
"""

import subprocess
from pathlib import Path
from shutil import which
from typing import Any, Protocol

from kork.settings import ServiceSettings

from gennaker.platform import Configuration, PlatformError

ACCOUNT = "sandbox"


class Cluster(Protocol):
    """A cluster that an account is made for, and that a person looks into with kubectl."""

    @property
    def kubeconfig(self) -> Path: ...
    def kubectl(self, *arguments: str) -> str: ...
    def stop(self) -> None: ...


class Sandbox:
    """A cluster of one's own in a folder; it ends with the thread that started it, its objects stay."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cluster: Any = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self._directory / "kubeconfig"

    @property
    def kubectl_command(self) -> str:
        """What to type before kubectl's arguments."""
        return f"{self._cluster.access.program} --kubeconfig={self.kubeconfig}"

    def start(self) -> None:
        """Start it, building its programs when this machine has none (minutes, once; progress on standard error)."""
        try:
            from testcluster import ClusterError, TestCluster, ensure_programs
        except ImportError as error:
            raise PlatformError("The sandbox needs the package gennaker-testcluster. Run: make setup") from error
        try:
            programs = ensure_programs()
            self._directory.mkdir(parents=True, exist_ok=True)
            self._cluster = TestCluster(self._directory, programs=programs)
            self._cluster.start()
        except ClusterError as error:
            raise PlatformError(f"The sandbox cluster can't start: {error}") from error

    def stop(self) -> None:
        """Stop it."""
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl; gives what it prints. Raises `PlatformError` when it fails."""
        from testcluster import ClusterError

        try:
            return str(self._cluster.kubectl(*arguments).stdout)
        except ClusterError as error:
            raise PlatformError(str(error)) from error


class NamedCluster:
    """A cluster that is there already, looked into with the kubectl of this machine."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig.expanduser().absolute()
        if not self.kubeconfig.is_file():
            raise PlatformError(f"There is no kubeconfig file {self.kubeconfig}.")

    def stop(self) -> None:
        """Leave it alone."""

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl; gives what it prints. Raises `PlatformError` when there is none or it fails."""
        program = which("kubectl")
        if program is None:
            raise PlatformError("There is no kubectl on this machine's PATH; it is needed to look into your cluster.")
        command = [program, f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PlatformError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout


def with_account(configuration: Configuration, cluster: Cluster, name: str = ACCOUNT) -> Configuration:
    """Add an account for a cluster to those that the settings name; one of the same name gives way to it."""
    settings: ServiceSettings = configuration.settings(_clouddriver_settings())
    accounts: list[dict[str, Any]] = (
        settings.model_dump(mode="json", by_alias=True, exclude_unset=True).get("kubernetes", {}).get("accounts", [])
    )
    kept = [account for account in accounts if account["name"] != name]
    added = {"name": name, "kubeconfigFile": str(cluster.kubeconfig)}
    return configuration.with_overrides({"kubernetes": {"accounts": [*kept, added]}})


def _clouddriver_settings() -> type[ServiceSettings]:
    from clouddriver.settings import ClouddriverSettings

    return ClouddriverSettings
