"""The settings of Kubernetes accounts: Spinnaker's keys, checked when they are read.

Source of the keys: Spinnaker's Clouddriver, `kubernetes.accounts[]`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from kork.settings import Settings
from kork.telemetry import log
from pydantic import Field, field_validator, model_validator

_log = log("clouddriver.settings")

_RETIRED = {
    "providerVersion": "there is one Kubernetes provider now",
    "liveManifestCalls": "manifests are watched, and read live where the watch has none",
    "configureImagePullSecrets": "give pull secrets in manifests",
    "skin": "there is one view now",
    "cacheThreads": "kinds are watched at once, without threads",
    "cacheIntervalSeconds": "changes are watched; only what may not be watched is listed, at an interval that adapts",
    "kubectlExecutable": "no kubectl is started",
    "cluster": "the kubeconfig's context names the cluster",
    "user": "the kubeconfig's context names the user",
    "userAgent": "requests say 'gennaker'",
    "onlySpinnakerManagedResources": "use 'onlySpinnakerManaged'",
    "cachingPolicies": "objects are watched one by one, without a limit per agent",
}
_RETIRED_PROVIDER = {
    "cache": "built-in kinds are always watched; use 'kinds' and 'omitKinds' of an account",
    "jobExecutor": "no kubectl is started",
    "kubectl": "no kubectl is started",
    "loadNamespacesInAccount": "namespaces are watched",
    "verifyAccountHealth": "accounts are always checked",
}


class Permissions(Settings):
    """The roles that may READ, WRITE to or EXECUTE on an account; empty: everybody."""

    read: list[str] = Field(default_factory=list, alias="READ")
    write: list[str] = Field(default_factory=list, alias="WRITE")
    execute: list[str] = Field(default_factory=list, alias="EXECUTE")

    @property
    def restricted(self) -> bool:
        """Say whether anybody is shut out."""
        return bool(self.read or self.write or self.execute)


class CustomResourceSettings(Settings):
    """What an account says of a kind of its own: how it is shown, deployed and versioned."""

    kubernetes_kind: str = Field(min_length=1)
    spinnaker_kind: str = "unclassified"
    deploy_priority: str | int = "100"
    versioned: bool = False
    namespaced: bool = True


class DockerRegistrySettings(Settings):
    """A registry account whose images the account deploys; shown to clients, as Spinnaker's first provider did."""

    account_name: str = Field(min_length=1)
    namespaces: list[str] = Field(default_factory=list)


class RawResourcesSettings(Settings):
    """Which kinds the raw resources view shows, as regular expressions; one of the two lists."""

    kind_expressions: list[str] = Field(default_factory=list)
    omit_kind_expressions: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of(self) -> "RawResourcesSettings":
        if self.kind_expressions and self.omit_kind_expressions:
            raise ValueError("give either 'kindExpressions' or 'omitKindExpressions', not both")
        return self


class KubernetesAccountSettings(Settings):
    """One account: where the cluster is, who we are there, what we may see, and who may use it.

    Exactly one way in counts, in this order: `serviceAccount` (the pod's own), `url` with `token` or
    `tokenFile`, `kubeconfigFile`, `kubeconfigContents`; without any, what kubectl would take (`KUBECONFIG`,
    `~/.kube/config`, the pod's own service account).
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    enabled: bool = True
    environment: str = ""
    account_type: str = ""
    context: str | None = None
    kubeconfig_file: str | None = Field(default=None, description="a path, or a reference to a secret")
    kubeconfig_contents: str | None = Field(default=None, repr=False)
    service_account: bool = False
    url: str | None = None
    token: str | None = Field(default=None, repr=False)
    token_file: Path | None = None
    o_auth_service_account: Path | None = None
    o_auth_scopes: list[str] = Field(default_factory=list)
    proxy_url: str | None = Field(default=None, pattern=r"^https?://")
    certificate_authority_file: Path | None = None
    insecure_skip_tls_verify: bool = False
    kubectl_request_timeout_seconds: float | None = Field(default=None, gt=0)
    namespaces: list[str] = Field(default_factory=list)
    omit_namespaces: list[str] = Field(default_factory=list)
    kinds: list[str] = Field(default_factory=list)
    omit_kinds: list[str] = Field(default_factory=list)
    docker_registries: list[DockerRegistrySettings] = Field(default_factory=list[DockerRegistrySettings])
    custom_resources: list[CustomResourceSettings] = Field(default_factory=list[CustomResourceSettings])
    only_spinnaker_managed: bool = False
    cache_all_application_relationships: bool = False
    check_permissions_on_startup: bool = True
    raw_resources_endpoint_config: RawResourcesSettings = Field(default_factory=RawResourcesSettings)
    metrics: bool = True
    naming_strategy: str = "kubernetesAnnotations"
    debug: bool = False
    permissions: Permissions = Field(default_factory=Permissions)
    required_group_membership: list[str] = Field(default_factory=list)

    @field_validator("kubeconfig_file", mode="before")
    @classmethod
    def _path_as_text(cls, given: Any) -> Any:
        return str(given) if isinstance(given, Path) else given

    @model_validator(mode="before")
    @classmethod
    def _without_retired_keys(cls, given: Any) -> Any:
        return _drop_retired(given, _RETIRED)

    @model_validator(mode="after")
    def _consistent(self) -> "KubernetesAccountSettings":
        if self.namespaces and self.omit_namespaces:
            raise ValueError("give either 'namespaces' or 'omitNamespaces', not both")
        if self.kinds and self.omit_kinds:
            raise ValueError("give either 'kinds' or 'omitKinds', not both")
        if (self.token or self.token_file) and not self.url:
            raise ValueError("'token' and 'tokenFile' need 'url', the address of the API server")
        if self.naming_strategy.lower() != "kubernetesannotations":
            raise ValueError(f"there is no naming strategy '{self.naming_strategy}'; use 'kubernetesAnnotations'")
        self.environment = self.environment or self.name
        self.account_type = self.account_type or self.name
        return self


class JobSettings(Settings):
    """How Jobs are shown."""

    detailed_pod_status: bool = Field(default=True, description="whether a Job's status holds that of each pod")


class KubernetesSettings(Settings):
    """The Kubernetes provider: its accounts, and rules for all of them."""

    enabled: bool = True
    accounts: list[KubernetesAccountSettings] = Field(default_factory=list[KubernetesAccountSettings])
    apply_app_labels: bool = True
    managed_by_suffix: str = ""
    docker_image_binding: str = Field(default="match-name-and-tag", pattern="^match-name-(and-tag|only)$")
    request_timeout_seconds: float = Field(default=30.0, gt=0)
    jobs: JobSettings = Field(default_factory=JobSettings)
    cache_lease_seconds: float = Field(default=15.0, ge=2, description="how long an account waits for a dead cache")
    operations_at_once: int = Field(default=8, ge=1, description="threads of a worker process")

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, given: Any) -> Any:
        given = _drop_retired(given, _RETIRED_PROVIDER)
        if not isinstance(given, Mapping):
            return given
        body = dict(cast(Mapping[str, Any], given))
        v2: Any = body.pop("v2", None) or {}
        for theirs, ours in (("apply-app-labels", "applyAppLabels"), ("managed-by-suffix", "managedBySuffix")):
            if theirs in v2:
                body.setdefault(ours, v2[theirs])
        binding: Any = body.pop("artifact-binding", None) or {}
        if "docker-image" in binding:
            body.setdefault("dockerImageBinding", binding["docker-image"])
        return body

    @model_validator(mode="after")
    def _names_are_unique(self) -> "KubernetesSettings":
        names = [account.name for account in self.accounts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the account '{twice[0]}' is there twice; account names must differ")
        return self


def _drop_retired(given: Any, retired: Mapping[str, str]) -> Any:
    if not isinstance(given, Mapping):
        return given
    body = dict(cast(Mapping[str, Any], given))
    for key in [key for key in body if key in retired]:
        del body[key]
        _log.warning("settings.retired", account=body.get("name"), key=key, instead=retired[key])
    return body
