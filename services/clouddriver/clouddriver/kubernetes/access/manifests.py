"""The RBAC objects that give an account what it needs. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from clouddriver.kubernetes.access.needs import Need
from clouddriver.kubernetes.manifest import Manifest

_RBAC = "rbac.authorization.k8s.io"
_SERVICE_ACCOUNT = "system:serviceaccount:"
UNKNOWN_USER = "the-user-of-the-account"


def rbac_objects(account: str, user: str | None, needs: Mapping[str, Sequence[Need]]) -> list[Manifest]:
    """Make a role and its binding for each namespace (empty: a cluster role), with all that is needed there.

    All, not only what is missing, so that applying the next ones takes nothing back.
    """
    found: list[Manifest] = []
    for namespace, wanted in needs.items():
        if wanted:
            found += _granting(f"gennaker-{account.lower()}", user or UNKNOWN_USER, namespace, wanted)
    return found


def as_yaml(objects: Iterable[Manifest]) -> str:
    """Write objects as documents of one file for `kubectl apply -f -`."""
    sink = StringIO()
    yaml = YAML()
    yaml.explicit_start = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump_all(objects, sink)
    return sink.getvalue()


def _granting(name: str, user: str, namespace: str, needs: Sequence[Need]) -> list[Manifest]:
    prefix = "" if namespace else "Cluster"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{prefix}Role",
        "metadata": metadata,
        "rules": rules_for(needs),
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{prefix}RoleBinding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _RBAC, "kind": f"{prefix}Role", "name": name},
        "subjects": [_subject(user)],
    }
    return [role, binding]


def rules_for(needs: Iterable[Need]) -> list[dict[str, Any]]:
    """Give the rules for needs; resources of a group that need the same are in one."""
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for need in needs:
        resources.setdefault((need.group, need.verbs), []).append(need.resource)
    return [
        {"apiGroups": [group], "resources": sorted(set(named)), "verbs": list(verbs)}
        for (group, verbs), named in sorted(resources.items())
    ]


def _subject(user: str) -> dict[str, str]:
    namespace, _, name = user.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if user.startswith(_SERVICE_ACCOUNT) and name:
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": _RBAC, "kind": "User", "name": user}
