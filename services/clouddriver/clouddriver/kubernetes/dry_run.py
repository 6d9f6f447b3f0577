"""What a deploy would do, found out by server-side dry runs: nothing is changed, here or in the cluster.

The decisions (order, versions, names, bound artifacts) are those of the deploy itself; of each object the API
server is then asked what it would become, which runs admission, validation and authorization as a deploy does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from clouddriver.kubernetes import field_ownership, intake
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.client import FIELD_MANAGER, KubernetesClient
from clouddriver.kubernetes.deploy_plan import DeployManifest, DeployPlanner
from clouddriver.kubernetes.difference import difference
from clouddriver.kubernetes.document import Manifest, full_name_of, mapping_at, name_of, namespace_of, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.field_ownership import FieldConflict
from clouddriver.kubernetes.label_selectors import matches
from clouddriver.kubernetes.manifest import ResourceRef, group_version
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesSettings
from clouddriver.operations.context import OperationContext, OperationFailed
from clouddriver.operations.promises import Versions

Action = Literal["create", "update", "unchanged", "recreate", "refused", "unknown", "ignored"]
_APPLY = "application/apply-patch+yaml"
_TAKEN_OVER = (
    "Fields that kubectl or a roll-back set become ours first; those that the manifest no longer has are removed, "
    "which this difference doesn't show."
)


class Foresight(OperationContext):
    """A context for decisions that are made and thrown away."""

    def say(self, status: str) -> None:
        """Nobody follows a plan."""

    def decide(self, make: Callable[[], Any]) -> Any:
        """Decide, and keep nothing."""
        return make()


@dataclass(slots=True)
class Verdict:
    """What would happen to one object."""

    manifest: Manifest
    version: str
    action: Action
    diff: str = ""
    message: str = ""
    reason: str = ""
    conflicts: Sequence[FieldConflict] = ()
    warnings: Sequence[str] = ()
    notes: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON; what there is nothing to say of is left out."""
        said: dict[str, Any] = {
            "name": full_name_of(self.manifest),
            "apiVersion": text_at(self.manifest, "apiVersion"),
            "kind": text_at(self.manifest, "kind"),
            "namespace": namespace_of(self.manifest),
            "version": self.version,
            "action": self.action,
            "diff": self.diff,
            "message": self.message,
            "reason": self.reason,
            "conflicts": [{"manager": each.manager, "field": each.field} for each in self.conflicts],
            "warnings": list(self.warnings),
            "notes": self.notes,
        }
        return {key: value for key, value in said.items() if value or key in ("name", "action")}


def plan_deploy(
    description: DeployManifest,
    account: Account,
    resources: ResourceStore,
    settings: KubernetesSettings,
    versions: Versions,
) -> dict[str, Any]:
    """Say what a deploy would do: `{account, manifests: […], boundArtifacts, createdArtifacts, errors}`.

    `errors` is why nothing at all would be applied. What the cluster refuses of one object is that one's `action`.
    """
    context = Foresight("plan", account, resources, settings, versions)
    answer: dict[str, Any] = {
        "account": account.name,
        "manifests": [],
        "boundArtifacts": [],
        "createdArtifacts": [],
        "errors": [],
    }
    try:
        decided = DeployPlanner(context, description).plan()
        trial = Trial(account.client, description.documents(), decided["prepared"])
        selectors = description.label_selectors.selectors
        verdicts = [
            trial.of(item) if matches(selectors, mapping_at(item, "manifest", "metadata", "labels")) else _ignored(item)
            for item in decided["prepared"]
        ]
    except OperationFailed as error:
        return answer | {"errors": [error.message]}
    except KubernetesError as error:
        return answer | {"errors": [f"The account '{account.name}' can't be asked: {error.message} ({error.reason})"]}
    return answer | {
        "manifests": [verdict.to_json() for verdict in verdicts],
        "boundArtifacts": decided["bound"],
        "createdArtifacts": [item["artifact"] for item in decided["prepared"]],
    }


class Trial:
    """Tries objects one by one, knowing what else is deployed with them."""

    def __init__(self, client: KubernetesClient, documents: list[Any], prepared: list[dict[str, Any]]) -> None:
        self._client = client
        self._defined = intake.defined_kinds(documents)
        self._namespaces = {
            name_of(item["manifest"]) for item in prepared if text_at(item["manifest"], "kind") == "Namespace"
        }

    def of(self, item: dict[str, Any]) -> Verdict:
        """Say what would happen to one prepared object. Raises `KubernetesError` when the cluster is away."""
        manifest = cast(Manifest, item["manifest"])
        verdict = Verdict(manifest, str(item["artifact"].get("version") or ""), "refused")
        try:
            self._try(item, manifest, verdict)
        except KubernetesError as error:
            # An API server answers 500 to a field that it doesn't know; only silence means that it is away.
            if error.status == 0:
                raise
            self._refuse(item, manifest, verdict, error)
        return verdict

    def _try(self, item: dict[str, Any], manifest: Manifest, verdict: Verdict) -> None:
        live = self._client.get(ResourceRef.of(manifest), api_version=text_at(manifest, "apiVersion"))
        if item["recreate"] and live is not None:
            self._try_again(manifest, live, verdict)
            return
        if item["generated"] or (live is None and (item["recreate"] or item["replace"])):
            after, verdict.warnings = self._tried("POST", manifest)
        elif item["replace"]:
            after, verdict.warnings = self._tried("PUT", manifest)
        else:
            after = self._applied(manifest, live, verdict, force=item["force"])
        self._compare(live, after, verdict)

    def _applied(self, manifest: Manifest, live: Manifest | None, verdict: Verdict, *, force: bool) -> Manifest:
        moving = live is not None and field_ownership.taken_over(live) is not None
        if moving:
            verdict.notes.append(_TAKEN_OVER)
        try:
            after, verdict.warnings = self._tried("PATCH", manifest, force=force)
        except KubernetesError as error:
            conflicts = field_ownership.conflicts_in(error.details) if error.status == 409 else []
            if not field_ownership.only_with_ourselves(conflicts) and not (moving and _with_kubectl(conflicts)):
                raise
            after, verdict.warnings = self._tried("PATCH", manifest, force=True)
        return after

    def _try_again(self, manifest: Manifest, live: Manifest, verdict: Verdict) -> None:
        """Try a deletion and a creation; that the name is taken is the last thing the server says of a creation."""
        ref = ResourceRef.of(manifest)
        path = self._client.served(ref.kind, ref.group).path(ref.namespace, ref.name)
        self._client.tried("DELETE", path, {}, {"apiVersion": "v1", "kind": "DeleteOptions"})
        try:
            self._tried("POST", manifest)
        except KubernetesError as error:
            if error.reason != "AlreadyExists":
                raise
        verdict.action = "recreate"
        verdict.notes.append("It is deleted first; shown is the manifest as it is sent, without the server's defaults.")
        verdict.diff = difference(live, manifest, full_name_of(manifest))

    def _compare(self, live: Manifest | None, after: Manifest, verdict: Verdict) -> None:
        verdict.diff = difference(live, after, full_name_of(verdict.manifest))
        verdict.action = "create" if live is None else "update" if verdict.diff else "unchanged"

    def _refuse(self, item: dict[str, Any], manifest: Manifest, verdict: Verdict, error: KubernetesError) -> None:
        verdict.reason, verdict.message = error.reason, error.message
        verdict.conflicts = field_ownership.conflicts_in(error.details) if error.status == 409 else []
        if verdict.conflicts:
            verdict.message = field_ownership.explain(list(verdict.conflicts))
        if item["definedHere"] and error.reason == "NoSuchKind":
            verdict.action = "unknown"
            verdict.message = "The same deploy defines this kind; it can be tried after that."
        elif error.status == 404 and namespace_of(manifest) in self._namespaces:
            verdict.action = "unknown"
            verdict.message = "The same deploy makes this namespace; what goes into it can be tried after that."

    def _tried(
        self, method: Literal["POST", "PUT", "PATCH"], manifest: Manifest, *, force: bool = False
    ) -> tuple[Manifest, list[str]]:
        ref = ResourceRef.of(manifest)
        name = "" if method == "POST" else ref.name
        served = self._client.served(ref.kind, ref.group)
        path = served.path(ref.namespace, name, version=group_version(manifest)[1])
        params = {"fieldManager": FIELD_MANAGER}
        if method != "PATCH":
            return self._client.tried(method, path, params, manifest)
        forced = {"force": "true" if force else "false"}
        return self._client.tried(method, path, params | forced, manifest, content_type=_APPLY)


def _ignored(item: dict[str, Any]) -> Verdict:
    manifest = cast(Manifest, item["manifest"])
    verdict = Verdict(manifest, str(item["artifact"].get("version") or ""), "ignored")
    verdict.message = "The stage's label selectors don't select it."
    return verdict


def _with_kubectl(conflicts: list[FieldConflict]) -> bool:
    return bool(conflicts) and all(
        conflict.manager.startswith((FIELD_MANAGER, "kubectl-client-side-apply")) for conflict in conflicts
    )
