"""deployManifest: manifests into a cluster.

First everything is decided (order, versions, names, bound artifacts), and that is kept; then it is applied, one
object after the other. Source: Clouddriver's `KubernetesDeployManifestOperation`.
"""

from collections.abc import Sequence
from typing import Any, cast

from moniker import Moniker

from clouddriver.kubernetes import intake
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.changes import Changes
from clouddriver.kubernetes.deploy_plan import DeployManifest, DeployPlanner, in_words, sentence_end
from clouddriver.kubernetes.document import (
    Manifest,
    full_name_of,
    mapping_at,
    namespace_of,
)
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.label_selectors import as_query, matches
from clouddriver.kubernetes.manifest import without_secrets
from clouddriver.operations.context import MayWorkLater, OperationContext, OperationFailed, OperationType, Result

_CAPACITY_KINDS = frozenset({"deployment", "replicaSet", "statefulSet"})
_ROLLING_STRATEGIES = frozenset({"RED_BLACK", "BLUE_GREEN"})


def check(description: DeployManifest, account: Account) -> list[str]:
    """Name what is wrong with the manifests, as far as it shows without the cluster."""
    try:
        documents = description.documents()
    except ValueError as error:
        return [str(error)]
    if not documents:
        return ["There is no manifest to deploy: 'manifests' is empty."]
    faults = [fault for n, item in enumerate(documents, 1) if (fault := intake.fault_in(item, n))]
    moniker = Moniker.from_json(description.moniker or {})
    if moniker.app is None:
        faults.append("Every resource deployed via spinnaker must be assigned a moniker: give 'moniker.app'.")
    return faults


def deploy_manifest(context: OperationContext, description: DeployManifest) -> Result:
    """Deploy the manifests, in the order of their kinds."""
    plan = context.decide(lambda: DeployPlanner(context, description).plan())
    prepared = cast(list[dict[str, Any]], plan["prepared"])
    selectors = description.label_selectors.selectors
    chosen = [item for item in prepared if matches(selectors, mapping_at(item, "manifest", "metadata", "labels"))]
    if not chosen and not description.allow_nothing_selected:
        raise OperationFailed(
            f"nothing deployed to account {context.account.name} with label selector(s) {as_query(selectors)}"
        )
    applied = _submit(context, chosen)
    names: dict[str, list[str]] = {}
    for manifest in applied:
        names.setdefault(namespace_of(manifest), []).append(full_name_of(manifest))
    return {
        "manifestNamesByNamespace": names,
        "manifests": [without_secrets(manifest) for manifest in applied],
        "createdArtifacts": [item["artifact"] for item in prepared],
        "boundArtifacts": plan["bound"],
    }


def _submit(context: OperationContext, chosen: Sequence[dict[str, Any]]) -> list[Manifest]:
    applied: list[Manifest] = []
    for item in chosen:
        manifest = cast(Manifest, item["manifest"])
        name = full_name_of(manifest)
        context.say(f"Submitting {name} to kubernetes api...")
        try:
            applied.append(_apply(Changes(context.account, context.resources, context.marker), item))
        except KubernetesError as error:
            done = [f"{full_name_of(one)}{in_words(namespace_of(one))}" for one in applied]
            before = f" Applied before it: {', '.join(done)}." if done else " Nothing was applied before it."
            failure = MayWorkLater if error.transient else OperationFailed
            raise failure(
                f"Deploy failed for manifest: {name}. Error: {error.message}{sentence_end(error.message)} "
                f"({error.reason}{in_words(namespace_of(manifest))} of account '{context.account.name}')." + before,
                reason=error.reason,
                manifest=name,
                applied=done,
            ) from error
    return applied


def _apply(changes: Changes, item: dict[str, Any]) -> Manifest:
    manifest = cast(Manifest, item["manifest"])
    if item["definedHere"]:
        changes.await_kind(manifest)
    if item["recreate"]:
        return changes.recreate(manifest)
    if item["generated"]:
        return changes.create(manifest)
    if item["replace"]:
        return changes.replace(manifest)
    return changes.apply(manifest, force=item["force"])


DEPLOY_MANIFEST = OperationType("deployManifest", "DEPLOY_KUBERNETES_MANIFEST", DeployManifest, deploy_manifest, check)
