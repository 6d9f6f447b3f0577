"""Speaking to a cluster: kubectl, and accounts with few rights."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from testcluster.errors import ClusterError
from testcluster.kubeconfigs import with_token, write_kubeconfig


class PolicyRule(TypedDict):
    """What a Role allows, as in `rbac.authorization.k8s.io/v1`."""

    apiGroups: Sequence[str]
    resources: Sequence[str]
    verbs: Sequence[str]


@dataclass(frozen=True)
class ClusterAccess:
    """A cluster that runs, seen by its administrator.

    `kubeconfig` is the administrator's, `url` the API server's address, `program` the kubectl in use, `folder`
    where further kubeconfig files are put.
    """

    kubeconfig: Path
    url: str
    program: Path
    folder: Path

    @classmethod
    def existing(cls, kubeconfig: Path, program: Path, folder: Path) -> "ClusterAccess":
        """Use a cluster that is there, in the kubeconfig's current context."""
        access = cls(kubeconfig, "", program, folder)
        return cls(kubeconfig, str(access.cluster_entry()["server"]), program, folder)

    def kubectl(
        self, *arguments: str, check: bool = True, given: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; gives its exit code and output.

        `given` is its standard input (for `-f -`), `kubeconfig` that of another user. Raises `ClusterError` with
        what kubectl said when it fails, unless `check` is false.
        """
        command = [self.program, f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def service_account_kubeconfig(self, namespace: str, name: str, rules: Sequence[PolicyRule]) -> Path:
        """Make a ServiceAccount with these rights in `namespace` and none elsewhere; gives its kubeconfig.

        Called again for the same name, it replaces the rights. No rules: a user who may do nothing.
        """
        metadata = {"name": name, "namespace": namespace}
        subject = {"kind": "ServiceAccount", **metadata}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        objects = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": metadata,
                "rules": [dict(rule) for rule in rules],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "subjects": [subject],
                "roleRef": role,
            },
        ]
        self.apply(*objects)
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=24h").stdout.strip()
        path = self.folder / f"{namespace}.{name}.kubeconfig"
        return write_kubeconfig(path, self.cluster_entry(), name, with_token(token), namespace)

    def apply(self, *objects: object) -> None:
        """Apply objects on the server's side."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(listed))

    def cluster_entry(self) -> dict[str, object]:
        """Give the kubeconfig's `cluster` entry: the server's address and its authority."""
        shown = self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout
        return json.loads(shown)["clusters"][0]["cluster"]
