"""Reading objects: from what is watched where that is fresh, else from the cluster itself."""

from typing import Any

from kork.errors import BadRequest, Forbidden, NotFound, SpinnakerError
from kork.telemetry import log

from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import kind_named
from clouddriver.kubernetes.manifest import Manifest, ResourceRef, items, mapping, metadata_of
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.manifests.rules import choose, coordinates, of_cluster, present

_log = log("clouddriver.manifests")


class ManifestService:
    """The objects of all accounts."""

    def __init__(self, accounts: Accounts, resources: ResourceStore) -> None:
        self._accounts = accounts
        self._resources = resources

    def read(self, account_name: str, namespace: str, full_name: str, *, with_events: bool) -> dict[str, Any]:
        """Give an object with its rollout's status, and its events when asked. Raises `NotFound`."""
        account = self._accounts.get(account_name)
        try:
            ref = ResourceRef.parse(full_name, namespace)
        except ValueError as error:
            raise NotFound(str(error)) from error
        _require(account, ref)
        manifest = self._find(account, ref)
        if manifest is None:
            raise NotFound(f"There is no {ref} for account '{account.name}'.")
        return present(
            account.name,
            manifest,
            self._events(account, manifest) if with_events else (),
            self._metrics(account, manifest) if with_events and manifest.get("kind") == "Pod" else (),
        )

    def members(self, account_name: str, location: str, kind: str, app: str, cluster: str) -> list[dict[str, str]]:
        """Name the objects of a kind that say to be of a cluster."""
        return [coordinates(manifest) for manifest in self._members(account_name, location, kind, app, cluster)]

    def target(
        self, account_name: str, location: str, kind: str, app: str, cluster: str, criteria: str
    ) -> dict[str, str]:
        """Name the one object of a cluster that the criteria choose. Raises `NotFound` when there is none."""
        members = self._members(account_name, location, kind, app, cluster)
        try:
            chosen = choose(members, criteria)
        except ValueError as error:
            raise BadRequest(str(error)) from error
        if chosen is None:
            raise NotFound(
                f"There is no {criteria} {kind} of cluster '{cluster}' of application '{app}' in '{location}' for "
                f"account '{account_name}' ({len(members)} in all)."
            )
        return coordinates(chosen)

    def _members(self, account_name: str, location: str, kind: str, app: str, cluster: str) -> list[Manifest]:
        account = self._accounts.get(account_name)
        known = kind_named(kind)
        namespace = "" if location == "_" else location
        group = None if known.is_built_in else known.group or None
        ref = ResourceRef(kind=known.api_kind, group=group, namespace=namespace, name="")
        _require(account, ref)
        try:
            found = account.client.list(ref.kind, namespace, group=group)
        except KubernetesError as error:
            raise failure(account, f"List {ref.kind} in '{location}'", error) from error
        return of_cluster(found, app, cluster)

    def _find(self, account: Account, ref: ResourceRef) -> Manifest | None:
        known = self._resources.known(account.name, ref)
        if known.fresh and known.manifest is not None:
            return known.manifest
        try:
            manifest = account.client.get(ref)
        except KubernetesError as error:
            if error.reason == "NoSuchKind":
                raise NotFound(error.message) from error
            raise failure(account, f"Read {ref}", error) from error
        if manifest is not None:
            self._resources.put(account.name, manifest)
        return manifest

    def _events(self, account: Account, manifest: Manifest) -> list[Manifest]:
        metadata = metadata_of(manifest)
        selector = f"involvedObject.name={metadata.get('name')},involvedObject.kind={manifest.get('kind')}"
        namespace = str(metadata.get("namespace") or "")
        try:
            return account.client.list("Event", namespace, group="", field_selector=selector)
        except KubernetesError as error:
            _log.info("events.not_read", account=account.name, error=error.message)
            return []

    def _metrics(self, account: Account, manifest: Manifest) -> list[dict[str, Any]]:
        if not account.settings.metrics:
            return []
        metadata = metadata_of(manifest)
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{metadata.get('namespace')}/pods/{metadata.get('name')}"
        try:
            found = account.client.request("GET", path)
        except KubernetesError:
            return []
        return [
            {
                "containerName": container.get("name"),
                "metrics": {
                    "CPU(cores)": mapping(container.get("usage")).get("cpu"),
                    "MEMORY(bytes)": mapping(container.get("usage")).get("memory"),
                },
            }
            for container in items(found.get("containers"))
        ]


def _require(account: Account, ref: ResourceRef) -> None:
    if not account.namespace_allowed(ref.namespace):
        raise Forbidden(
            f"Account '{account.name}' is not for namespace '{ref.namespace}' "
            "(see 'namespaces' and 'omitNamespaces' of the account)."
        )
    if not account.kind_allowed(ref.kind, ref.group):
        raise Forbidden(
            f"Account '{account.name}' is not for kind '{ref.kind}' (see 'kinds' and 'omitKinds' of the account)."
        )


def failure(account: Account, doing: str, error: KubernetesError) -> SpinnakerError:
    """Say that the cluster refused, or couldn't be asked: 502 with the server's words, 503 when it is away."""
    status = 503 if error.status == 0 else 502
    return SpinnakerError(f"{doing} for account '{account.name}' failed: {error.message}", status=status)
