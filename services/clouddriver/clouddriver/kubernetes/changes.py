"""Changes to one object, each safe to repeat: apply, create, replace, recreate, patch, delete.

What changed is written through to what we know of the cluster, so that the next read has it.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal

from clouddriver.kubernetes import field_ownership
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.client import KubernetesClient
from clouddriver.kubernetes.document import Manifest, full_name_of, mapping_at, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.kinds import NATIVE_GROUPS, Kind
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.kubernetes.resources import ResourceStore

OPERATION = "gennaker.io/operation"
_GONE_TIMEOUT_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 2.0
_TAKE_OVER_ATTEMPTS = 3
_SERVED_TIMEOUT_SECONDS = 20.0
_PATCH_TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}


def ref_to(kind: Kind, name: str, namespace: str) -> ResourceRef:
    """Give the place of an object of a kind; the API server is asked for the group of a kind of Kubernetes itself."""
    group = None if kind.group.lower() in NATIVE_GROUPS else kind.group
    return ResourceRef(kind=kind.api_kind, name=name, namespace=namespace, group=group)


class Changes:
    """Changes the objects of one account. Every method may raise `KubernetesError`."""

    def __init__(self, account: Account, resources: ResourceStore, marker: str) -> None:
        self._account = account
        self._resources = resources
        self._marker = marker

    @property
    def client(self) -> KubernetesClient:
        """Give the way to the cluster."""
        return self._account.client

    def await_kind(self, manifest: Manifest) -> None:
        """Wait until the cluster serves the manifest's kind, whose definition was applied just before."""
        ref = ResourceRef.of(manifest)
        deadline = time.monotonic() + _SERVED_TIMEOUT_SECONDS
        pause = 0.1
        while self.client.kinds().find(ref.kind, ref.group) is None and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_WAIT_SECONDS)
            self.client.rediscover()

    def apply(self, manifest: Manifest, *, force: bool) -> Manifest:
        """Apply server-side. A field of another manager is refused, unless `force`, with its owner's name."""
        self._take_over(manifest)
        try:
            return self._written(self.client.apply(manifest, force=force))
        except KubernetesError as error:
            conflicts = field_ownership.conflicts_in(error.details) if error.status == 409 else []
            if field_ownership.only_with_ourselves(conflicts):
                return self._written(self.client.apply(manifest, force=True))
            if conflicts:
                explained = field_ownership.explain(conflicts)
                raise KubernetesError(409, error.reason, explained, details=error.details) from error
            raise

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; one that this operation has made before is given back."""
        marked = self._marked(manifest)
        try:
            return self._written(self.client.create(marked))
        except KubernetesError as error:
            live = self.client.get(ResourceRef.of(manifest)) if error.status == 409 else None
            if live is None or not self._made_here(live):
                raise
            return self._written(live)

    def replace(self, manifest: Manifest) -> Manifest:
        """Replace the object, or create it."""
        try:
            return self._written(self.client.replace(manifest))
        except KubernetesError as error:
            if error.status != 404 or error.reason == "NoSuchKind":
                raise
            return self._written(self.client.create(manifest))

    def recreate(self, manifest: Manifest) -> Manifest:
        """Delete the object, wait until it is gone, and create it anew; once, however often this is called."""
        ref = ResourceRef.of(manifest)
        live = self.client.get(ref)
        if live is not None and self._made_here(live):
            return self._written(live)
        if live is not None:
            self.delete(ref, {"propagationPolicy": "Background"}, uid=text_at(live, "metadata", "uid"))
        return self.create(manifest)

    def patch(
        self,
        ref: ResourceRef,
        body: Any,
        strategy: Literal["strategic", "merge", "json"] = "strategic",
        *,
        manager: str = field_ownership.OPERATION_MANAGER,
    ) -> Manifest:
        """Patch an object under a field manager of the operation's own."""
        served = self.client.served(ref.kind, ref.group)
        path = served.path(ref.namespace, ref.name)
        answer = self.client.request(
            "PATCH", path, {"fieldManager": manager}, body, content_type=_PATCH_TYPES[strategy]
        )
        return self._written(answer)

    def scale(self, ref: ResourceRef, replicas: int) -> None:
        """Set the number of replicas by the object's scale."""
        served = self.client.served(ref.kind, ref.group)
        self.client.request(
            "PATCH",
            served.path(ref.namespace, ref.name, "scale"),
            {"fieldManager": field_ownership.OPERATION_MANAGER},
            {"spec": {"replicas": replicas}},
            content_type=_PATCH_TYPES["merge"],
        )
        live = self.client.get(ref)
        if live is not None:
            self._written(live)

    def delete(self, ref: ResourceRef, options: Mapping[str, Any], *, uid: str) -> None:
        """Delete the object with that uid, and wait until it is gone (minutes at most); no fault when it is."""
        try:
            self.client.delete(ref, {**options, "preconditions": {"uid": uid}})
        except KubernetesError as error:
            # Another object has the name by now: the one that was meant is gone.
            if error.status != 409:
                raise
        self._wait_until_gone(ref, uid)
        self._resources.remove(self._account.name, ref, uid=uid)

    def _wait_until_gone(self, ref: ResourceRef, uid: str) -> None:
        deadline = time.monotonic() + _GONE_TIMEOUT_SECONDS
        pause = 0.05
        while (live := self.client.get(ref)) is not None and text_at(live, "metadata", "uid") == uid:
            if time.monotonic() > deadline:
                finalizers = mapping_at(live, "metadata").get("finalizers") or []
                held = f" Finalizers hold it: {', '.join(map(str, finalizers))}." if finalizers else ""
                raise KubernetesError(
                    409, "NotGone", f"{full_name_of(live)} is not gone after {_GONE_TIMEOUT_SECONDS:g} s.{held}"
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_WAIT_SECONDS)

    def _take_over(self, manifest: Manifest) -> None:
        for _ in range(_TAKE_OVER_ATTEMPTS):
            live = self.client.get(ResourceRef.of(manifest))
            fields = field_ownership.taken_over(live) if live is not None else None
            if live is None or fields is None:
                return
            version = text_at(live, "metadata", "resourceVersion")
            try:
                self.patch(
                    ResourceRef.of(manifest),
                    [
                        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
                    ],
                    "json",
                )
                return
            except KubernetesError as error:
                # The object changed in between; look again.
                if error.status not in (409, 422):
                    raise

    def _marked(self, manifest: Manifest) -> Manifest:
        metadata = mapping_at(manifest, "metadata")
        annotations = mapping_at(metadata, "annotations") | {OPERATION: self._marker}
        return manifest | {"metadata": metadata | {"annotations": annotations}}

    def _made_here(self, live: Manifest) -> bool:
        return text_at(live, "metadata", "annotations", OPERATION) == self._marker

    def _written(self, manifest: Manifest) -> Manifest:
        self._resources.put(self._account.name, manifest)
        return manifest
