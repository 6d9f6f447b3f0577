"""A real Kubernetes control plane on loopback, for tests and for the sandbox of `gennaker up`.

    from testcluster import TestCluster, ensure_programs

    ensure_programs()                       # minutes the first time, then nothing
    with TestCluster(directory) as cluster:
        cluster.kubectl("get", "nodes")     # or any client with cluster.kubeconfig

etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok (a kubelet that simulates its pods) run
as plain processes of the caller, with RBAC on, and end with it. Nothing but pods is simulated.
"""

from testcluster.access import ClusterAccess, PolicyRule
from testcluster.building import BuildProgress
from testcluster.controlplane import TestCluster
from testcluster.errors import ClusterError
from testcluster.programs import Programs, ensure_programs

__all__ = [
    "BuildProgress",
    "ClusterAccess",
    "ClusterError",
    "PolicyRule",
    "Programs",
    "TestCluster",
    "ensure_programs",
]
