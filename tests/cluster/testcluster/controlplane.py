"""Starting, killing and stopping a control plane of one's own."""

import json
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from testcluster import commandlines
from testcluster.access import ClusterAccess, PolicyRule
from testcluster.certificates import ClusterKeys, ensure_keys
from testcluster.commandlines import Layout, Ports
from testcluster.errors import ClusterError
from testcluster.kubeconfigs import encode, with_certificate, write_kubeconfig
from testcluster.processes import ControlPlaneProcess, are_free, free_ports
from testcluster.programs import Programs, ensure_programs

_READY_SECONDS = 90.0
_POLL_SECONDS = 0.03
_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"


class TestCluster:
    """A Kubernetes cluster whose files are in `directory`; it ends with this process.

    Started again in the same directory it has its objects, keys and, where they are still free, its ports again.
    `nodes` is the number of simulated nodes.
    """

    __test__ = False

    def __init__(self, directory: Path, *, programs: Programs | None = None, nodes: int = 1) -> None:
        self.directory = directory.absolute()
        self._nodes = nodes
        self._given_programs = programs
        self._processes: dict[str, ControlPlaneProcess] = {}
        self._layout: Layout | None = None

    def __enter__(self) -> "TestCluster":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        """The API server's address, `https://127.0.0.1:…`."""
        return self._here.url

    @property
    def access(self) -> ClusterAccess:
        """The cluster as its administrator sees it."""
        return ClusterAccess(self.kubeconfig, self.url, self._programs["kubectl"], self.directory / "accounts")

    @property
    def is_running(self) -> bool:
        """Whether every process of the control plane lives."""
        return bool(self._processes) and all(process.is_running for process in self._processes.values())

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each program."""
        return {name: process.pid for name, process in self._processes.items()}

    def kubectl(
        self, *arguments: str, check: bool = True, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; see `ClusterAccess.kubectl`."""
        return self.access.kubectl(*arguments, check=check, given=given)

    def service_account_kubeconfig(self, namespace: str, name: str, rules: Sequence[PolicyRule]) -> Path:
        """Make a user with rights in one namespace; see `ClusterAccess.service_account_kubeconfig`."""
        return self.access.service_account_kubeconfig(namespace, name, rules)

    def start(self) -> None:
        """Start all programs; returns when a pod could be scheduled.

        Raises `ClusterError` with the log's last lines when a program ends or is not ready in time.
        """
        if self.is_running:
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start()
                return
            except ClusterError as error:
                self.stop()
                if attempt == _ATTEMPTS or _PORT_TAKEN not in str(error):
                    raise
                (self.directory / "ports.json").unlink()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End all programs. The objects stay in `directory`."""
        for name, process in self._processes.items():
            process.signal(signal.SIGTERM if name == "etcd" else signal.SIGKILL)
        for process in self._processes.values():
            process.wait(timeout=5)
        self._processes.clear()

    def kill_apiserver(self) -> None:
        """End the API server as `kill -9` does: connections break, new ones are refused."""
        process = self._processes["kube-apiserver"]
        process.signal(signal.SIGKILL)
        process.wait(timeout=5)

    def restart_apiserver(self) -> None:
        """Start the API server again on its port; returns when it answers."""
        self._spawn("kube-apiserver", commandlines.apiserver(self._here))
        self._wait("the API server", self._apiserver_answers)

    @cached_property
    def _programs(self) -> Programs:
        return self._given_programs or ensure_programs()

    @property
    def _here(self) -> Layout:
        if self._layout is None:
            raise ClusterError("The test cluster was not started.")
        return self._layout

    def _start(self) -> None:
        self._layout = here = self._prepare()
        self._spawn("etcd", commandlines.etcd(here))
        self._spawn("kube-apiserver", commandlines.apiserver(here))
        self._wait("the API server", self._apiserver_answers)
        for number in range(self._nodes):
            self._release_node(f"node-{number}")
            self._create_node(f"node-{number}")
        self._spawn("kwok", commandlines.kwok(here))
        self._spawn("kube-controller-manager", commandlines.controller_manager(here))
        self._spawn("kube-scheduler", commandlines.scheduler(here))
        self._wait("the nodes", self._nodes_are_ready)
        self._wait("the default service account", self._default_service_account_exists)

    def _prepare(self) -> Layout:
        keys = ensure_keys(self.directory / "keys")
        here = Layout(self.directory, keys, self._ports())
        (self.directory / "logs").mkdir(exist_ok=True)
        authority = {
            "server": here.url,
            "certificate-authority-data": encode(keys.authority.certificate.read_bytes()),
        }
        write_kubeconfig(self.kubeconfig, authority, "admin", with_certificate(keys.admin))
        write_kubeconfig(here.scheduler_kubeconfig, authority, "scheduler", with_certificate(keys.scheduler))
        commandlines.write_configuration(here)
        return here

    def _ports(self) -> Ports:
        file = self.directory / "ports.json"
        if file.exists() and are_free(kept := json.loads(file.read_text())):
            return Ports(*kept)
        ports = free_ports(len(Ports._fields))
        file.write_text(json.dumps(ports))
        return Ports(*ports)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        log = self.directory / "logs" / f"{name}.log"
        self._processes[name] = ControlPlaneProcess(self._programs[name], arguments, log)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            for process in self._processes.values():
                if not process.is_running:
                    raise ClusterError(f"{process.name} ended as it started. {process.last_words}")
            if time.monotonic() > deadline:
                logs = self.directory / "logs"
                raise ClusterError(f"Waited {_READY_SECONDS:g} s for {what} of the test cluster. Its logs: {logs}")
            time.sleep(_POLL_SECONDS)

    def _apiserver_answers(self) -> bool:
        return self._get("/readyz") is not None

    def _nodes_are_ready(self) -> bool:
        nodes = json.loads(self._get("/api/v1/nodes") or b'{"items": []}')["items"]
        return len(nodes) >= self._nodes and all(_is_schedulable(node) for node in nodes)

    def _default_service_account_exists(self) -> bool:
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _create_node(self, name: str) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        self._request_unless(409, "POST", "/api/v1/nodes", json.dumps(node).encode())

    def _release_node(self, name: str) -> None:
        """Take the node from the kwok of an earlier start: a new one would wait until its lease runs out."""
        self._request_unless(404, "DELETE", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")

    def _request_unless(self, expected_status: int, method: str, path: str, body: bytes | None = None) -> None:
        try:
            self._request(method, path, body)
        except urllib.error.HTTPError as error:
            if error.code != expected_status:
                raise

    def _get(self, path: str) -> bytes | None:
        """Ask the API server; `None` when it doesn't answer, or not with 200."""
        try:
            return self._request("GET", path)
        except OSError:
            return None

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=10, context=_tls(self._here.keys)) as response:
            return response.read()


def _is_schedulable(node: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not node["spec"].get("taints")


def _tls(keys: ClusterKeys) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys.authority.certificate))
    context.load_cert_chain(keys.admin.certificate, keys.admin.key)
    return context
