"""What a user sent, made into manifests that can be deployed.

Pure, apart from asking which kinds a cluster serves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from kork.documents import json_type
from ruamel.yaml import YAML, YAMLError

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.document import Manifest, full_name_of, kind_of_manifest, mapping_at, name_of, text_at
from clouddriver.kubernetes.kinds import Kind

_SERVER_WRITTEN = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "selfLink", "generation")
_DEEPEST_LIST = 10


def documents(given: Sequence[Any]) -> list[Any]:
    """Flatten what was sent: lists, objects of kind List and texts with many YAML documents; nulls are dropped.

    Raises `ValueError` for a text that is not YAML.
    """
    found: list[Any] = []
    for item in given:
        _flatten(item, found, 0)
    return found


def _flatten(item: Any, found: list[Any], depth: int) -> None:
    if depth > _DEEPEST_LIST:
        raise ValueError(f"The manifests are lists in lists, more than {_DEEPEST_LIST} deep.")
    if item is None:
        return
    if isinstance(item, str):
        for document in _parsed(item):
            _flatten(document, found, depth + 1)
    elif isinstance(item, list):
        for part in cast(list[Any], item):
            _flatten(part, found, depth + 1)
    elif isinstance(item, dict) and str(cast(Manifest, item).get("kind")).lower() == "list":
        _flatten(cast(Manifest, item).get("items") or [], found, depth + 1)
    else:
        found.append(item)


def _parsed(content: str) -> list[Any]:
    try:
        return list(YAML(typ="safe", pure=True).load_all(content))
    except YAMLError as error:
        raise ValueError(f"A manifest is a text that is not YAML: {error}") from error


def fault_in(document: Any, position: int) -> str | None:
    """Say what makes a document no manifest; None when it is one. `position` counts from 1."""
    if not isinstance(document, dict):
        return f"Manifest {position} is not an object but {json_type(document)}."
    manifest = cast(Manifest, document)
    kind = manifest.get("kind")
    if not isinstance(kind, str) or not kind:
        return f"Manifest {position} has no 'kind'."
    where = f"Manifest {position} ({kind})"
    if not text_at(manifest, "apiVersion"):
        return f"{where} has no 'apiVersion'."
    if not isinstance(manifest.get("metadata"), dict):
        return f"{where} has no 'metadata'."
    if not name_of(manifest):
        return f"{where} has no 'metadata.name'."
    for field in ("namespace", "annotations", "labels"):
        value = mapping_at(manifest, "metadata").get(field)
        if value is not None and not isinstance(value, str if field == "namespace" else dict):
            return f"{where} has a 'metadata.{field}' that is {json_type(value)}."
    return kind_of_manifest(manifest).not_deployable


def defined_kinds(manifests: Sequence[Manifest]) -> dict[tuple[str, str], bool]:
    """List the kinds that the CustomResourceDefinitions among the manifests define: (group, kind) to namespaced."""
    return {
        (text_at(item, "spec", "group"), text_at(item, "spec", "names", "kind")): text_at(item, "spec", "scope")
        == "Namespaced"
        for item in manifests
        if kind_of_manifest(item).name == "customResourceDefinition"
    }


def placed(
    manifest: Manifest, account: Account, override: str | None, defined: Mapping[tuple[str, str], bool]
) -> Manifest:
    """Give the manifest in the namespace that it goes to, without what only an API server writes.

    `defined` are the kinds that the cluster will serve once the same deploy has defined them. `override` wins
    over the manifest's own namespace, which wins over that of the account's context; what is cluster-wide has
    none. Raises `KubernetesError` when the cluster has no such kind, `ValueError` when the account may not touch
    the kind or the namespace.
    """
    kind = kind_of_manifest(manifest)
    namespaced = defined.get((kind.group, kind.api_kind))
    if namespaced is None:
        namespaced = account.client.served(kind.api_kind, kind.group).namespaced
    require_kind(account, kind)
    metadata = {key: value for key, value in mapping_at(manifest, "metadata").items() if key not in _SERVER_WRITTEN}
    metadata.pop("namespace", None)
    if namespaced:
        own = text_at(manifest, "metadata", "namespace")
        metadata["namespace"] = override or own or account.client.connection.namespace or "default"
        require_namespace(account, metadata["namespace"], full_name_of(manifest))
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


def require_kind(account: Account, kind: Kind) -> None:
    """Raise `ValueError` when the account may not touch a kind."""
    if not account.kind_allowed(kind.api_kind, kind.group):
        raise ValueError(
            f"The account '{account.name}' may not touch the kind '{kind.name}': see its 'kinds' and 'omitKinds'."
        )


def require_namespace(account: Account, namespace: str, what: str) -> None:
    """Raise `ValueError` when the account may not touch a namespace."""
    if not account.namespace_allowed(namespace):
        raise ValueError(
            f"The account '{account.name}' may not touch the namespace '{namespace}' ({what}): "
            "see its 'namespaces' and 'omitNamespaces'."
        )
