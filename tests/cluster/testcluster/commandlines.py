"""How each program of the control plane is told to run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from testcluster.certificates import ClusterKeys

_SIMULATION = Path(__file__).with_name("simulation.yaml")
_LOGS = {
    "container": ["a simulated container: it runs nothing"],
    "properties": [
        "what a Job found out",
        "SPINNAKER_PROPERTY_VERSION=1.2.3",
        'SPINNAKER_CONFIG_JSON={"artifacts": [{"type": "docker/image", "name": "shop", "reference": "shop:1.2.3"}]}',
    ],
    "bad-properties": ['SPINNAKER_CONFIG_JSON={"version": '],
}


class Ports(NamedTuple):
    """The ports of a cluster, all on loopback."""

    etcd: int
    etcd_peers: int
    apiserver: int
    kubelet: int


@dataclass(frozen=True)
class Layout:
    """Where a cluster's files, keys and ports are."""

    directory: Path
    keys: ClusterKeys
    ports: Ports

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def scheduler_kubeconfig(self) -> Path:
        """The scheduler's kubeconfig: its own user, with the rights that Kubernetes gives it."""
        return self.directory / "keys" / "scheduler.kubeconfig"

    @property
    def scheduler_configuration(self) -> Path:
        """The scheduler's settings."""
        return self.directory / "scheduler.json"

    @property
    def simulation(self) -> Path:
        """What kwok simulates."""
        return self.directory / "simulation.yaml"


def write_configuration(here: Layout) -> None:
    """Write the files that the command lines name."""
    client = {"kubeconfig": str(here.scheduler_kubeconfig), "qps": 1000, "burst": 2000}
    scheduler = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": client,
        "leaderElection": {"leaderElect": False},
    }
    here.scheduler_configuration.write_text(json.dumps(scheduler))
    simulation = _SIMULATION.read_text()
    for name, lines in _LOGS.items():
        log = here.directory / f"{name}.log"
        log.write_text("".join(f"2026-01-01T00:00:00.000000000Z stdout F {line}\n" for line in lines))
        simulation = simulation.replace(f"${name.upper().replace('-', '_')}_LOG", str(log))
    here.simulation.write_text(simulation)


def etcd(here: Layout) -> list[str]:
    """Keep all objects in the cluster's directory; a crash of the machine may lose some, one of etcd doesn't."""
    clients = f"http://127.0.0.1:{here.ports.etcd}"
    peers = f"http://127.0.0.1:{here.ports.etcd_peers}"
    return [
        "--name=testcluster",
        f"--data-dir={here.directory / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=testcluster={peers}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(here: Layout) -> list[str]:
    """Serve on loopback, with RBAC, certificates for users and tokens for service accounts."""
    keys = here.keys
    return [
        f"--etcd-servers=http://127.0.0.1:{here.ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={here.ports.apiserver}",
        f"--tls-cert-file={keys.server.certificate}",
        f"--tls-private-key-file={keys.server.key}",
        f"--client-ca-file={keys.authority.certificate}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={keys.service_account_public_key}",
        f"--service-account-signing-key-file={keys.service_account_key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def controller_manager(here: Layout) -> list[str]:
    """Run all controllers as the administrator: an account per controller would take longer to start.

    The client's limits are raised, for by default a rollout of a hundred pods waits for them and not for Kubernetes.
    """
    keys = here.keys
    return [
        f"--kubeconfig={here.kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--root-ca-file={keys.authority.certificate}",
        f"--service-account-private-key-file={keys.service_account_key}",
        f"--cluster-signing-cert-file={keys.authority.certificate}",
        f"--cluster-signing-key-file={keys.authority.key}",
        "--use-service-account-credentials=false",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--profiling=false",
    ]


def scheduler(here: Layout) -> list[str]:
    """Schedule as `system:kube-scheduler`."""
    return [f"--config={here.scheduler_configuration}", "--secure-port=0"]


def kwok(here: Layout) -> list[str]:
    """Be the kubelet of every node, as `simulation.yaml` says."""
    return [
        f"--kubeconfig={here.kubeconfig}",
        f"--config={here.simulation}",
        "--manage-all-nodes=true",
        "--cidr=10.244.0.0/16",
        "--node-ip=127.0.0.1",
        f"--node-port={here.ports.kubelet}",
        f"--server-address=127.0.0.1:{here.ports.kubelet}",
        f"--tls-cert-file={here.keys.server.certificate}",
        f"--tls-private-key-file={here.keys.server.key}",
    ]
