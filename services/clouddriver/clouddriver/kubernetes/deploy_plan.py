"""What a deploy does, decided before anything is changed: order, versions, names, bound artifacts, annotations.

Source: Clouddriver's `KubernetesDeployManifestOperation`.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, cast

from moniker import Moniker, parse_version, version_name, versioned_name
from pydantic import Field, field_validator

from clouddriver.kubernetes import annotations as notes
from clouddriver.kubernetes import intake, traffic, versioning
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.artifact import Artifact
from clouddriver.kubernetes.artifact_binding import DockerImageBinding, bind, merge_artifacts, not_bound
from clouddriver.kubernetes.changes import ref_to
from clouddriver.kubernetes.document import (
    Manifest,
    full_name_of,
    kind_of_manifest,
    mapping_at,
    name_of,
    namespace_of,
    number_at,
    text_at,
)
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import Capability, Kind, full_name, kind_named, parse_full_name
from clouddriver.kubernetes.label_selectors import LabelSelectors, selects_everything
from clouddriver.operations.context import Description, OperationContext, OperationFailed
from clouddriver.operations.promises import VersionedObject

_CAPACITY_KINDS = frozenset({"deployment", "replicaSet", "statefulSet"})
_ROLLING_STRATEGIES = frozenset({"RED_BLACK", "BLUE_GREEN"})


class DeployManifest(Description):
    """What is to be deployed, and how."""

    manifests: list[Any] | None = None
    manifest: dict[str, Any] | None = None
    moniker: dict[str, Any] | None = None
    required_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    optional_artifacts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    versioned: bool | None = None
    namespace_override: str | None = None
    enable_artifact_binding: bool = True
    enable_traffic: bool = True
    services: list[str] = Field(default_factory=list)
    strategy: str | None = None
    label_selectors: LabelSelectors = Field(default_factory=LabelSelectors)
    allow_nothing_selected: bool = False
    skip_spec_template_labels: bool = False

    @field_validator("required_artifacts", "optional_artifacts", "services", "label_selectors", mode="before")
    @classmethod
    def _absent(cls, value: Any, info: Any) -> Any:
        return (LabelSelectors() if info.field_name == "label_selectors" else []) if value is None else value

    def documents(self) -> list[Any]:
        """List what was sent, flattened. Raises `ValueError`."""
        given = self.manifests if self.manifests is not None else [self.manifest]
        return intake.documents(given)


@dataclass(slots=True)
class Prepared:
    """A manifest that is ready to be applied."""

    manifest: Manifest
    strategy: notes.DeployStrategy
    artifact: Artifact

    def to_json(self) -> dict[str, Any]:
        """Give the form in which it is kept with the operation."""
        return {
            "manifest": self.manifest,
            "recreate": self.strategy.recreate,
            "replace": self.strategy.replace,
            "force": self.strategy.force_conflicts,
            "artifact": self.artifact.to_json(),
        }


@dataclass(slots=True)
class _Plan:
    prepared: list[Prepared] = field(default_factory=list[Prepared])
    bound: list[Artifact] = field(default_factory=list[Artifact])


class DeployPlanner:
    """Decides what a deploy does, looking at the cluster and changing nothing in it."""

    def __init__(self, context: OperationContext, description: DeployManifest) -> None:
        self._context = context
        self._account = context.account
        self._description = description
        self._moniker = Moniker.from_json(description.moniker or {})
        self._given = (
            merge_artifacts(
                map(Artifact.from_json, description.required_artifacts),
                map(Artifact.from_json, description.optional_artifacts),
            )
            if description.enable_artifact_binding
            else []
        )
        self._labels = notes.LabelRules(
            enabled=context.settings.apply_app_labels,
            managed_by="-".join(filter(None, ("spinnaker", context.settings.managed_by_suffix))),
            on_template=not description.skip_spec_template_labels,
        )

    def plan(self) -> dict[str, Any]:
        """Decide everything; the answer is JSON."""
        try:
            documents = self._description.documents()
            defined = intake.defined_kinds(documents)
            manifests = [
                intake.placed(item, self._account, self._description.namespace_override, defined) for item in documents
            ]
            manifests.sort(key=self._priority)
            plan = _Plan()
            kept: list[dict[str, Any]] = []
            for position, manifest in enumerate(manifests):
                prepared = self._prepare(manifest, position, plan, manifests)
                kind = kind_of_manifest(manifest)
                kept.append(
                    prepared.to_json()
                    | {
                        "generated": not text_at(manifest, "metadata", "name"),
                        "definedHere": (kind.group, kind.api_kind) in defined,
                    }
                )
        except (ValueError, notes.AnnotationError, traffic.TrafficError) as error:
            raise OperationFailed(f"{error} Nothing was applied.") from error
        except KubernetesError as error:
            if error.transient:
                raise
            raise OperationFailed(
                f"The deploy to account '{self._account.name}' could not be prepared: {error.message}"
                f"{sentence_end(error.message)} ({error.reason}). Nothing was applied.",
                reason=error.reason,
            ) from error
        self._require_bound(plan)
        self._require_no_replacing_selection(plan)
        return {"prepared": kept, "bound": [artifact.to_json() for artifact in plan.bound]}

    def _priority(self, manifest: Manifest) -> int:
        kind = kind_of_manifest(manifest)
        custom = _custom(self._account, kind)
        if custom is not None and str(custom.deploy_priority).isdigit():
            return int(custom.deploy_priority)
        return kind.priority

    def _prepare(self, manifest: Manifest, position: int, plan: _Plan, all_of_them: list[Manifest]) -> Prepared:
        strategy = notes.deploy_strategy(manifest)
        self._check_history(manifest, strategy)
        created = [item.artifact for item in plan.prepared]
        named = self._named(manifest, position)
        binding = bind(
            named,
            merge_artifacts(reversed(created), self._given) if self._description.enable_artifact_binding else [],
            account=self._account.name,
            images=cast(DockerImageBinding, self._context.settings.docker_image_binding),
        )
        plan.bound += [artifact for artifact in binding.bound if artifact not in plan.bound]
        versioned = versioning.is_versioned(manifest, strategy, self._wants_versions(manifest))
        balancers = self._balancers(binding.manifest, all_of_them)
        artifact, content = self._artifact(binding.manifest, versioned, balancers)
        bound = (
            self._with_source_capacity(binding.manifest, versioned)
            if strategy.use_source_capacity
            else binding.manifest
        )
        if self._description.enable_traffic:
            for balancer in balancers:
                bound = traffic.attached(bound, balancer)
        moniker = Moniker(
            self._moniker.app,
            self._moniker.cluster or full_name(kind_of_manifest(bound), name_of(bound)),
            self._moniker.stack,
            self._moniker.detail,
            parse_version(artifact.version),
        )
        own = {notes.CONTENT_HASH: content} if content else {}
        if self._description.services and kind_of_manifest(bound).can(Capability.TRAFFIC):
            own |= notes.load_balancers_annotation(self._description.services)
        annotated = notes.annotated(bound, moniker, artifact, self._labels, own)
        annotated["metadata"]["name"] = artifact.reference
        prepared = Prepared(annotated, strategy, artifact)
        plan.prepared.append(prepared)
        return prepared

    def _named(self, manifest: Manifest, position: int) -> Manifest:
        """Give an object a name where the API server would make one, so that a repetition makes the same object."""
        if text_at(manifest, "metadata", "name"):
            return manifest
        seed = f"{self._context.marker}/{position}".encode()
        suffix = hashlib.sha256(seed).hexdigest()[:8]
        metadata = {key: value for key, value in mapping_at(manifest, "metadata").items() if key != "generateName"}
        return manifest | {"metadata": metadata | {"name": f"{name_of(manifest)}{suffix}"}}

    def _wants_versions(self, manifest: Manifest) -> bool | None:
        custom = _custom(self._account, kind_of_manifest(manifest))
        if self._description.versioned is not None or custom is None:
            return self._description.versioned
        return custom.versioned

    def _artifact(self, manifest: Manifest, versioned: bool, balancers: list[Manifest]) -> tuple[Artifact, str]:
        kind, name = kind_of_manifest(manifest), name_of(manifest)
        version, content = "", ""
        if versioned:
            content = versioning.content_of(manifest)
            target = VersionedObject(self._account.name, namespace_of(manifest), kind.name, name)
            sequence = self._context.versions.promise(target, content, lambda: self._priors(manifest, balancers))
            version = version_name(sequence)
        artifact = Artifact(
            type=f"kubernetes/{kind.name}",
            name=name,
            location=namespace_of(manifest),
            version=version,
            reference=versioned_name(name, version),
            metadata={"account": self._account.name},
        )
        return artifact, content

    def _priors(self, manifest: Manifest, balancers: list[Manifest]) -> list[versioning.PriorVersion]:
        """List the versions that are there. One whose traffic isn't as this deploy's shall be is never used again:
        applying it would not change the pods that it has.
        """
        selectors = [traffic.selector_of(balancer) for balancer in balancers]
        wanted = self._description.enable_traffic
        usable, others = list[Manifest](), list[Manifest]()
        for live in self._live(manifest):
            fits = not selectors or traffic.is_behind(live, selectors) == wanted
            (usable if fits else others).append(live)
        name = name_of(manifest)
        elsewhere = [replace(prior, content=None) for prior in versioning.prior_versions(others, name)]
        return versioning.prior_versions(usable, name) + elsewhere

    def _live(self, manifest: Manifest) -> list[Manifest]:
        kind = kind_of_manifest(manifest)
        return self._account.client.list(kind.api_kind, namespace_of(manifest), group=kind.group)

    def _with_source_capacity(self, manifest: Manifest, versioned: bool) -> Manifest:
        kind = kind_of_manifest(manifest)
        if kind.name not in _CAPACITY_KINDS:
            return manifest
        source = self._source(manifest, kind, versioned)
        replicas = number_at(source, "spec", "replicas") if source is not None else None
        if replicas is None:
            return manifest
        return manifest | {"spec": mapping_at(manifest, "spec") | {"replicas": replicas}}

    def _source(self, manifest: Manifest, kind: Kind, versioned: bool) -> Manifest | None:
        if not versioned:
            return self._account.client.get(ref_to(kind, name_of(manifest), namespace_of(manifest)))
        name = name_of(manifest)
        versions = [
            (parse_version(artifact.version), live)
            for live in self._live(manifest)
            if (artifact := notes.artifact_of(live, self._account.name)) is not None and artifact.name == name
        ]
        known = [(number, live) for number, live in versions if number is not None]
        return max(known, key=lambda pair: pair[0])[1] if known else None

    def _balancers(self, manifest: Manifest, all_of_them: list[Manifest]) -> list[Manifest]:
        """Find the services that the stage or the workload's own annotation puts it behind."""
        if not kind_of_manifest(manifest).can(Capability.TRAFFIC):
            return []
        named = notes.load_balancers_of(manifest)
        if self._description.services:
            if named and sorted(named) != sorted(self._description.services):
                raise traffic.TrafficError(
                    f"{full_name_of(manifest)} says that it is behind {', '.join(named)}, the stage says "
                    f"{', '.join(self._description.services)}; leave the annotation {notes.LOAD_BALANCERS} out."
                )
            named = self._description.services
        found = [(name, self._balancer(name, manifest, all_of_them)) for name in named]
        missing = next((name for name, balancer in found if balancer is None), None)
        if missing is not None and self._description.enable_traffic:
            raise traffic.TrafficError(
                f"There is no {missing}{in_words(namespace_of(manifest))} to put the workload behind."
            )
        return [balancer for _, balancer in found if balancer is not None]

    def _balancer(self, name: str, manifest: Manifest, all_of_them: list[Manifest]) -> Manifest | None:
        kind, bare = parse_full_name(name if " " in name else f"service {name}")
        if not kind.can(Capability.LOAD_BALANCE):
            raise traffic.TrafficError(f"{name} can't balance load; name a service.")
        namespace = namespace_of(manifest)
        for other in all_of_them:
            if kind_of_manifest(other) == kind and (name_of(other), namespace_of(other)) == (bare, namespace):
                return other
        return self._account.client.get(ref_to(kind, bare, namespace))

    def _check_history(self, manifest: Manifest, strategy: notes.DeployStrategy) -> None:
        rolling = (self._description.strategy or "").upper() in _ROLLING_STRATEGIES
        if rolling and strategy.max_version_history is not None and strategy.max_version_history < 2:
            raise ValueError(
                f"The annotation {notes.MAX_VERSION_HISTORY} of {full_name_of(manifest)} is "
                f"{strategy.max_version_history}; the strategy {self._description.strategy} needs 2 at least."
            )

    def _require_bound(self, plan: _Plan) -> None:
        if not self._description.enable_artifact_binding:
            return
        required = [Artifact.from_json(artifact) for artifact in self._description.required_artifacts]
        missing = not_bound(required, plan.bound)
        if missing:
            names = ", ".join(f"{artifact.type} {artifact.name} ({artifact.reference})" for artifact in missing)
            raise OperationFailed(
                f"The following required artifacts could not be bound: '{names}'. Check that the Docker image name "
                "above matches the name used in the image field of your manifest. Failing the stage as this is likely "
                "a configuration error."
            )

    def _require_no_replacing_selection(self, plan: _Plan) -> None:
        if selects_everything(self._description.label_selectors.selectors):
            return
        replaced = [full_name_of(item.manifest) for item in plan.prepared if item.strategy.replace]
        if replaced:
            raise OperationFailed(
                f"Label selectors can't be used with the annotation {notes.REPLACE}, which {', '.join(replaced)} has."
            )


def _custom(account: Account, kind: Kind) -> Any:
    """Give what the account's settings say of a kind of its own, or None."""
    return next(
        (
            custom
            for custom in account.settings.custom_resources
            if kind_named(custom.kubernetes_kind).name == kind.name
        ),
        None,
    )


def in_words(namespace: str) -> str:
    """Say where, for a message; nothing for what is cluster-wide."""
    return f" in namespace '{namespace}'" if namespace else ""


def sentence_end(message: str) -> str:
    """Give the full stop that a message lacks."""
    return "" if message.endswith((".", "!", "?")) else "."
