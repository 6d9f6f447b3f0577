"""What of a cluster is watched. Pure."""

from collections.abc import Iterable, Sequence

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.discovery import Kinds, ServedKind
from clouddriver.kubernetes.manifest import Manifest, annotations_of, metadata_of

WATCHED: tuple[tuple[str, str], ...] = (
    ("", "Namespace"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "Service"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "PersistentVolumeClaim"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("policy", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)

# Up to so many declared namespaces are watched one by one, without asking for the whole cluster.
_FEW_NAMESPACES = 3
_IGNORE = "caching.spinnaker.io/ignore"
_APPLICATION = "moniker.spinnaker.io/application"


def watched_kinds(account: Account, kinds: Kinds) -> list[ServedKind]:
    """List what is watched for an account: the built-in kinds that it allows, and those that it names itself."""
    named = [*account.settings.kinds, *(custom.kubernetes_kind for custom in account.settings.custom_resources)]
    found = [kinds.find(kind, group) for group, kind in WATCHED]
    found += [kinds.find(*_split(name)) for name in named]
    usable = (
        served
        for served in found
        if served is not None and "list" in served.verbs and is_wanted(account, served.kind, served.group)
    )
    return list(dict.fromkeys(usable))


def is_wanted(account: Account, kind: str, group: str) -> bool:
    """Say whether a kind (in any case) may be watched for an account, by its settings."""
    # Namespaces are watched also for an account that names its kinds: its list of namespaces needs them.
    if kind.lower() == "namespace" and not group:
        return True
    named = {custom.kubernetes_kind.lower() for custom in account.settings.custom_resources}
    return account.kind_allowed(kind, group) or bool(named & {kind.lower(), f"{kind}.{group}".lower()})


def _split(name: str) -> tuple[str, str | None]:
    kind, _, group = name.partition(".")
    return kind, group or None


def starts_by_namespace(namespaces: Sequence[str]) -> bool:
    """Say whether the declared namespaces are so few that each is watched by itself at once."""
    return 0 < len(namespaces) <= _FEW_NAMESPACES


def is_kept(account: Account, manifest: Manifest) -> bool:
    """Say whether an object is stored: in an allowed namespace, not ignored, ours if only those are wanted."""
    metadata = metadata_of(manifest)
    namespace = str(metadata.get("namespace") or "")
    if manifest.get("kind") == "Namespace":
        return account.namespace_allowed(str(metadata.get("name") or ""))
    annotations = annotations_of(manifest)
    if annotations.get(_IGNORE) == "true" or not account.namespace_allowed(namespace):
        return False
    return not account.settings.only_spinnaker_managed or bool(annotations.get(_APPLICATION))


def kept(account: Account, manifests: Iterable[Manifest]) -> list[Manifest]:
    """Keep what is stored."""
    return [manifest for manifest in manifests if is_kept(account, manifest)]
