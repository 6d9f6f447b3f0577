"""deleteManifest: one object by its name, or those of some kinds by their labels.

Source: Clouddriver's `KubernetesDeleteManifestOperation`.
"""

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.changes import Changes, ref_to
from clouddriver.kubernetes.document import full_name_of, name_of, namespace_of, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.intake import require_kind, require_namespace
from clouddriver.kubernetes.kinds import full_name, kind_named
from clouddriver.kubernetes.label_selectors import LabelSelectors, as_query, selects_everything
from clouddriver.kubernetes.target import OnOneObject, check_target, refused
from clouddriver.operations.context import OperationContext, OperationType, Result

_PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


class DeleteOptions(BaseModel):
    """How to delete. The values come as text from the user interface."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, alias_generator=to_camel)

    orphan_dependents: Any = None
    cascading: Any = None
    grace_period_seconds: Any = None

    def to_kubernetes(self) -> dict[str, Any]:
        """Give Kubernetes' `DeleteOptions`; a grace period that is no whole number is left out."""
        options: dict[str, Any] = {"propagationPolicy": self._propagation()}
        grace = str(self.grace_period_seconds).strip()
        if grace.isascii() and grace.isdigit():
            options["gracePeriodSeconds"] = int(grace)
        return options

    def _propagation(self) -> str:
        if self.orphan_dependents is not None:
            return "Orphan" if str(self.orphan_dependents).lower() == "true" else "Background"
        cascading = str(self.cascading).lower()
        return "Orphan" if cascading == "false" else _PROPAGATION.get(cascading, "Background")


class DeleteManifest(OnOneObject):
    """What is to be deleted: `manifestName`, or `kinds` with `labelSelectors`."""

    kinds: list[str] = Field(default_factory=list)
    label_selectors: LabelSelectors = Field(default_factory=LabelSelectors)
    options: DeleteOptions = Field(default_factory=DeleteOptions)

    @field_validator("kinds", "label_selectors", "options", mode="before")
    @classmethod
    def _absent_selection(cls, value: Any, info: Any) -> Any:
        defaults: dict[str, Any] = {"kinds": [], "label_selectors": LabelSelectors(), "options": DeleteOptions()}
        return defaults[info.field_name] if value is None else value


def check(description: DeleteManifest, account: Account) -> list[str]:
    """Name what is wrong; a deletion by labels without any label is refused, for it would empty the namespace."""
    if description.manifest_name:
        return check_target(description, account)
    if not description.kinds:
        return ["Say what to delete: 'manifestName' ('<kind> <name>'), or 'kinds' with 'labelSelectors'."]
    if selects_everything(description.label_selectors.selectors):
        return [
            f"Deleting {', '.join(description.kinds)} needs 'labelSelectors': without any, everything would be deleted."
        ]
    try:
        require_namespace(account, description.namespace, ", ".join(description.kinds))
        for word in description.kinds:
            require_kind(account, kind_named(word))
    except ValueError as error:
        return [str(error)]
    return []


def delete_manifest(context: OperationContext, description: DeleteManifest) -> Result:
    """Delete what is there; what is not there is no fault."""
    try:
        targets = cast(list[dict[str, str]], context.decide(lambda: _targets(context, description)))
        changes = Changes(context.account, context.resources, context.marker)
        options = description.options.to_kubernetes()
        deleted: dict[str, list[str]] = {}
        for target in targets:
            kind = kind_named(target["kind"])
            name = full_name(kind, target["name"])
            context.say(f"Deleting {name}...")
            changes.delete(ref_to(kind, target["name"], target["namespace"]), options, uid=target["uid"])
            deleted.setdefault(target["namespace"], []).append(name)
    except KubernetesError as error:
        if error.transient:
            raise
        what = description if description.manifest_name else description.model_copy(update={"manifest_name": "objects"})
        raise refused("Deleting", what, context, error) from error
    if not targets:
        context.say("There was nothing to delete.")
    return {"manifestNamesByNamespace": deleted, "manifests": [], "createdArtifacts": [], "boundArtifacts": []}


def _targets(context: OperationContext, description: DeleteManifest) -> list[dict[str, str]]:
    client = context.account.client
    if description.manifest_name:
        kind, name = description.target()
        live = client.get(ref_to(kind, name, description.namespace))
        found = [] if live is None else [live]
    else:
        query = as_query(description.label_selectors.selectors)
        refs = [ref_to(kind_named(word), "", description.namespace) for word in description.kinds]
        found = [
            item for ref in refs for item in client.list(ref.kind, ref.namespace, group=ref.group, label_selector=query)
        ]
    return [
        {
            "kind": full_name_of(item).partition(" ")[0],
            "name": name_of(item),
            "namespace": namespace_of(item),
            "uid": text_at(item, "metadata", "uid"),
        }
        for item in found
    ]


DELETE_MANIFEST = OperationType("deleteManifest", "DELETE_KUBERNETES_MANIFEST", DeleteManifest, delete_manifest, check)
