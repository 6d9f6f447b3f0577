"""The kinds that Spinnaker knows: how it names them, in which order they are deployed, what can be done to them.

What is not in the catalogue (custom resources) is deployed last and counts as stable at once.
Source: Clouddriver's Kubernetes handlers, one per kind.
"""

from dataclasses import dataclass
from enum import StrEnum


class SpinnakerKind(StrEnum):
    """The shelf on which the user interface puts a kind."""

    INSTANCES = "instances"
    CONFIGS = "configs"
    SERVER_GROUPS = "serverGroups"
    LOAD_BALANCERS = "loadBalancers"
    SECURITY_GROUPS = "securityGroups"
    SERVER_GROUP_MANAGERS = "serverGroupManagers"
    UNCLASSIFIED = "unclassified"


class Capability(StrEnum):
    """What an operation may do to a kind."""

    SCALE = "scale"
    RESIZE = "resize"
    PAUSE_ROLLOUT = "pause rollout"
    RESUME_ROLLOUT = "resume rollout"
    UNDO_ROLLOUT = "undo rollout"
    ROLLING_RESTART = "rolling restart"
    TRAFFIC = "traffic"
    PODS = "pods"
    LOAD_BALANCE = "load balance"


LAST_PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Kubernetes object.

    `name` is Spinnaker's spelling (`replicaSet`), `api_kind` the API's (`ReplicaSet`); `priority` orders a
    deploy, lowest first; `deployable` says why not when it can't be deployed.
    """

    name: str
    api_kind: str
    group: str
    version: str
    spinnaker_kind: SpinnakerKind = SpinnakerKind.UNCLASSIFIED
    priority: int = LAST_PRIORITY
    namespaced: bool = True
    versioned: bool = False
    capabilities: frozenset[Capability] = frozenset()
    aliases: tuple[str, ...] = ()
    not_deployable: str | None = None

    @property
    def api_version(self) -> str:
        """Give the API version that this kind is read and written at: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_built_in(self) -> bool:
        """Say whether the kind is in the catalogue."""
        return self.name.lower() in _BY_NAME

    def can(self, capability: Capability) -> bool:
        """Say whether an operation may do this to the kind."""
        return capability in self.capabilities


NATIVE_GROUPS = frozenset(
    {
        "",
        "core",
        "batch",
        "apps",
        "extensions",
        "storage.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "autoscaling",
        "admissionregistration.k8s.io",
        "policy",
        "scheduling.k8s.io",
        "settings.k8s.io",
        "authorization.k8s.io",
        "authentication.k8s.io",
        "rbac.authorization.k8s.io",
        "certificates.k8s.io",
        "networking.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "node.k8s.io",
    }
)

_ROLLOUT = frozenset(
    {
        Capability.RESIZE,
        Capability.PAUSE_ROLLOUT,
        Capability.RESUME_ROLLOUT,
        Capability.UNDO_ROLLOUT,
        Capability.ROLLING_RESTART,
    }
)
_SCALE = frozenset({Capability.SCALE, Capability.RESIZE})
_TRAFFIC = frozenset({Capability.TRAFFIC})
_GROUP = SpinnakerKind.SERVER_GROUPS
_CONFIG = SpinnakerKind.CONFIGS
_BALANCER = SpinnakerKind.LOAD_BALANCERS
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

CATALOGUE: tuple[Kind, ...] = (
    Kind(
        "deployment",
        "Deployment",
        "apps",
        "v1",
        SpinnakerKind.SERVER_GROUP_MANAGERS,
        100,
        capabilities=_ROLLOUT | _SCALE,
        aliases=("deploy", "deployments"),
    ),
    Kind(
        "replicaSet",
        "ReplicaSet",
        "apps",
        "v1",
        _GROUP,
        100,
        versioned=True,
        capabilities=_SCALE | _TRAFFIC | {Capability.PODS},
        aliases=("rs",),
    ),
    Kind(
        "statefulSet",
        "StatefulSet",
        "apps",
        "v1",
        _GROUP,
        100,
        capabilities=_ROLLOUT | _SCALE | _TRAFFIC,
        aliases=("sts",),
    ),
    Kind("daemonSet", "DaemonSet", "apps", "v1", _GROUP, 100, capabilities=_ROLLOUT | _TRAFFIC, aliases=("ds",)),
    Kind("job", "Job", "batch", "v1", _GROUP, 100, capabilities=_TRAFFIC),
    Kind("cronJob", "CronJob", "batch", "v1", _GROUP, 100, capabilities=_TRAFFIC, aliases=("cj",)),
    Kind("pod", "Pod", "", "v1", SpinnakerKind.INSTANCES, 100, versioned=True, capabilities=_TRAFFIC, aliases=("po",)),
    Kind(
        "service",
        "Service",
        "",
        "v1",
        _BALANCER,
        70,
        capabilities=frozenset({Capability.LOAD_BALANCE}),
        aliases=("svc",),
    ),
    Kind("ingress", "Ingress", "networking.k8s.io", "v1", _BALANCER, 70, aliases=("ing",)),
    Kind(
        "networkPolicy",
        "NetworkPolicy",
        "networking.k8s.io",
        "v1",
        SpinnakerKind.SECURITY_GROUPS,
        70,
        aliases=("netpol",),
    ),
    Kind("configMap", "ConfigMap", "", "v1", _CONFIG, 50, versioned=True, aliases=("cm",)),
    Kind("secret", "Secret", "", "v1", _CONFIG, 50, versioned=True),
    Kind("persistentVolumeClaim", "PersistentVolumeClaim", "", "v1", _CONFIG, 50, aliases=("pvc",)),
    Kind("persistentVolume", "PersistentVolume", "", "v1", _CONFIG, 40, namespaced=False, aliases=("pv",)),
    Kind("serviceAccount", "ServiceAccount", "", "v1", priority=40, aliases=("sa",)),
    Kind("storageClass", "StorageClass", "storage.k8s.io", "v1", priority=40, namespaced=False, aliases=("sc",)),
    Kind(
        "mutatingWebhookConfiguration", "MutatingWebhookConfiguration", _ADMISSION, "v1", priority=40, namespaced=False
    ),
    Kind(
        "validatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        _ADMISSION,
        "v1",
        priority=40,
        namespaced=False,
    ),
    Kind(
        "customResourceDefinition",
        "CustomResourceDefinition",
        "apiextensions.k8s.io",
        "v1",
        priority=30,
        namespaced=False,
        aliases=("crd",),
    ),
    Kind("roleBinding", "RoleBinding", _RBAC, "v1", priority=30),
    Kind("clusterRoleBinding", "ClusterRoleBinding", _RBAC, "v1", priority=30, namespaced=False),
    Kind("role", "Role", _RBAC, "v1", priority=20),
    Kind("clusterRole", "ClusterRole", _RBAC, "v1", priority=20, namespaced=False),
    Kind("namespace", "Namespace", "", "v1", priority=0, namespaced=False, aliases=("ns",)),
    Kind("apiService", "APIService", "apiregistration.k8s.io", "v1", priority=80, namespaced=False),
    Kind("limitRange", "LimitRange", "", "v1", priority=90),
    Kind("podPreset", "PodPreset", "settings.k8s.io", "v1alpha1", priority=90),
    Kind("podSecurityPolicy", "PodSecurityPolicy", "policy", "v1beta1", priority=90, namespaced=False),
    Kind("podDisruptionBudget", "PodDisruptionBudget", "policy", "v1", priority=90, aliases=("pdb",)),
    Kind(
        "horizontalpodautoscaler",
        "HorizontalPodAutoscaler",
        "autoscaling",
        "v2",
        priority=110,
        aliases=("hpa",),
    ),
    Kind(
        "controllerRevision",
        "ControllerRevision",
        "apps",
        "v1",
        not_deployable="Controller revisions cannot be deployed.",
    ),
    Kind("event", "Event", "", "v1", not_deployable="Events cannot be deployed."),
)

_BY_NAME: dict[str, Kind] = {
    word.lower(): kind for kind in CATALOGUE for word in (kind.name, kind.api_kind, *kind.aliases)
}


def kind_named(text: str) -> Kind:
    """Find a kind by Spinnaker's or the API's name, an alias, or `Kind.group`, ignoring case.

    A group counts only when it is not one of Kubernetes' own: `Deployment.apps` is `deployment`,
    `NetworkPolicy.crd.projectcalico.org` is not `networkPolicy`. What is not in the catalogue is a kind
    without a version that is deployed last.
    """
    name, _, group = text.strip().partition(".")
    if group.lower() in NATIVE_GROUPS:
        known = _BY_NAME.get(name.lower())
        if known is not None:
            return known
        return Kind(name, name, group.lower(), "")
    return Kind(f"{name}.{group}", name, group, "")


def kind_of(api_version: str, api_kind: str) -> Kind:
    """Find the kind of a manifest by its `apiVersion` and `kind`, at the manifest's own version."""
    group, _, version = api_version.rpartition("/")
    if group.lower() in NATIVE_GROUPS:
        known = _BY_NAME.get(api_kind.lower())
        if known is not None:
            return known
        name = api_kind[:1].lower() + api_kind[1:]
        return Kind(name, api_kind, group, version)
    return Kind(f"{api_kind}.{group}", api_kind, group, version)


def full_name(kind: Kind, name: str) -> str:
    """Give the full resource name, as Spinnaker writes it: `deployment shop`."""
    return f"{kind.name} {name}"


def parse_full_name(text: str) -> tuple[Kind, str]:
    """Read `<kind> <name>`; raise `ValueError` when it is not exactly two words."""
    words = text.split(" ")
    if len(words) != 2 or not all(words):
        raise ValueError(f"'{text}' is not the name of a resource; it has to be '<kind> <name>', as 'deployment shop'.")
    return kind_named(words[0]), words[1]
