"""Speaking to one API server: manifests in, manifests out. Thread-safe, blocking.

Every change is made under the field manager `gennaker`. Reads are repeated when the server is busy or the
connection broke; a change is repeated only when nothing of it was sent.
"""

import builtins
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import httpx2 as httpx
import orjson
from kork.tracing import Span, span, traceparent

from clouddriver.kubernetes.discovery import (
    ACCEPT_DISCOVERY,
    Kinds,
    ServedKind,
    parse_aggregated,
    parse_resources,
)
from clouddriver.kubernetes.errors import KubernetesError, Unreachable
from clouddriver.kubernetes.kubeconfig import Connection
from clouddriver.kubernetes.manifest import Manifest, ResourceRef, group_version, items, mapping, metadata_of

__all__ = ["FIELD_MANAGER", "KubernetesClient", "KubernetesError", "Manifest", "ResourceRef"]

FIELD_MANAGER = "gennaker"
PatchStrategy = Literal["strategic", "merge", "json"]

_PATCH_TYPES: dict[str, str] = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
_WAITS = (0.1, 0.4)
_PAGE = 500
_REDISCOVER_SECONDS = 2.0
_CONNECT_TIMEOUT_SECONDS = 5.0
_CONNECTIONS = 32
_WARNING = re.compile(r'^299 \S+ "(.*)"$', re.DOTALL)


class KubernetesClient:
    """One cluster, as one account sees it. Every method may raise `KubernetesError`."""

    def __init__(self, connection: Connection, *, timeout: float = 30.0) -> None:
        self.connection = connection
        self._http = httpx.Client(
            base_url=connection.server,
            verify=connection.verify,
            auth=connection.auth,
            proxy=connection.proxy,
            headers=[("User-Agent", "gennaker"), ("Accept", "application/json"), *connection.headers],
            timeout=httpx.Timeout(timeout, connect=_CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=4, keepalive_expiry=30.0),
        )
        self._extensions = {"sni_hostname": connection.server_name} if connection.server_name else {}
        self._lock = threading.Lock()
        self._kinds: Kinds | None = None
        self._discovered = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, ref: ResourceRef, *, api_version: str | None = None) -> Manifest | None:
        """Read one object; `None` when it is not there. `api_version` (`apps/v1`) instead of the preferred one."""
        served = self.served(ref.kind, ref.group)
        version = api_version.rpartition("/")[2] if api_version else ""
        try:
            return self.request("GET", served.path(ref.namespace, ref.name, version=version))
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        kind: str,
        namespace: str = "",
        *,
        group: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Manifest]:
        """List the objects of a kind, in one namespace or (empty) in all, each with its `apiVersion` and `kind`."""
        served = self.served(kind, group)
        params = {"labelSelector": label_selector, "fieldSelector": field_selector}
        return list(self._pages(served, namespace, {key: value for key, value in params.items() if value}))

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> Manifest:
        """Apply a manifest server-side; a field that another manager owns is a 409 unless `force`."""
        params = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false", **_dry(dry_run)}
        return self.request(
            "PATCH", self._path(manifest, named=True), params, manifest, content_type="application/apply-patch+yaml"
        )

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object; 409 `AlreadyExists` when there is one of that name. Knows `generateName`."""
        params = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        return self.request("POST", self._path(manifest, named=False), params, manifest)

    def replace(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Replace an object; with a `resourceVersion` in the manifest, 409 when it has changed since."""
        params = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        return self.request("PUT", self._path(manifest, named=True), params, manifest)

    def patch(
        self,
        ref: ResourceRef,
        body: Any,
        strategy: PatchStrategy = "strategic",
        subresource: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Manifest:
        """Patch an object, or its subresource (`scale`, `status`)."""
        path = self.served(ref.kind, ref.group).path(ref.namespace, ref.name, subresource or "")
        params = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        return self.request("PATCH", path, params, body, content_type=_PATCH_TYPES[strategy])

    def delete(self, ref: ResourceRef, options: Mapping[str, Any] | None = None) -> Manifest | None:
        """Ask for an object's deletion; `None` when it was not there.

        `options` are those of `DeleteOptions` (`propagationPolicy`, `gracePeriodSeconds`, `preconditions`). The
        answer is the object while it is still ending, else a `Status`.
        """
        path = self.served(ref.kind, ref.group).path(ref.namespace, ref.name)
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **dict(options or {})}
        try:
            return self.request("DELETE", path, None, body)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def text(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """Read something that is no JSON, such as a pod's log."""
        return self._send("GET", path, params, None, {"Accept": "*/*"}).text

    def served(self, kind: str, group: str | None = None) -> ServedKind:
        """Find a kind among those that the server serves, asking it anew for one that is not known.

        Raises `KubernetesError` 404 `NoSuchKind`.
        """
        found = self.kinds().find(kind, group)
        if found is None and self._rediscover():
            found = self.kinds().find(kind, group)
        if found is None:
            wanted = f"{kind}.{group}" if group else kind
            raise KubernetesError(404, "NoSuchKind", f"The cluster at {self.connection.server} has no kind '{wanted}'.")
        return found

    def kinds(self) -> Kinds:
        """List the kinds that the server serves; kept after the first time."""
        known = self._kinds
        if known is None:
            with self._lock:
                known = self._kinds or self._discover()
        return known

    def rediscover(self) -> Kinds:
        """List the kinds that the server serves now."""
        with self._lock:
            return self._discover()

    def version(self) -> Manifest:
        """Ask for the server's version: the cheapest question that needs a working connection."""
        return self.request("GET", "/version")

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str | None = None,
    ) -> Manifest:
        """Send a request and read the JSON answer."""
        headers: dict[str, str] = {}
        if body is not None:
            headers["Content-Type"] = content_type
        if accept:
            headers["Accept"] = accept
        response = self._send(method, path, params, None if body is None else orjson.dumps(body), headers)
        return self._document(path, response)

    def tried(
        self, method: str, path: str, params: Mapping[str, str], body: Any, *, content_type: str = "application/json"
    ) -> tuple[Manifest, "builtins.list[str]"]:
        """Let the server do all of a change but keep it; gives the object as it would be, and the warnings."""
        content = orjson.dumps(body)
        response = self._send(method, path, {**params, **_dry(True)}, content, {"Content-Type": content_type})
        warnings = [_WARNING.sub(r"\1", text) for text in response.headers.get_list("Warning")]
        return self._document(path, response), warnings

    def _document(self, path: str, response: httpx.Response) -> Manifest:
        try:
            return mapping(orjson.loads(response.content))
        except orjson.JSONDecodeError as error:
            raise KubernetesError(502, "NotJson", f"{self.connection.server}{path} didn't answer with JSON.") from error

    def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        with _call_span(method, self.connection.server, path) as traced:
            # API servers go on with a trace, where theirs is switched on.
            if parent := traceparent():
                headers["traceparent"] = parent
            response = self._answered(method, path, params, content, headers)
            traced.note({"http.response.status_code": response.status_code})
            return response

    def _answered(
        self, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        attempt = 0
        while True:
            try:
                response = self._http.request(
                    method, path, params=params, content=content, headers=headers, extensions=self._extensions
                )
            except httpx.TransportError as error:
                unsent = isinstance(error, httpx.ConnectError | httpx.PoolTimeout)
                repeatable = unsent or (method == "GET" and not isinstance(error, httpx.TimeoutException))
                if not repeatable or attempt == len(_WAITS):
                    raise unreachable(self.connection, error) from error
            else:
                if response.is_success:
                    return response
                busy = response.status_code in (429, 503) and (method == "GET" or response.status_code == 429)
                if not busy or attempt == len(_WAITS):
                    raise refusal(response.status_code, response.content)
            time.sleep(_WAITS[attempt])
            attempt += 1

    def _pages(self, served: ServedKind, namespace: str, params: dict[str, str]) -> Iterator[Manifest]:
        params = {"limit": str(_PAGE), **params}
        while True:
            page = self.request("GET", served.path(namespace), params)
            for item in items(page.get("items")):
                yield {"apiVersion": served.api_version, "kind": served.kind, **item}
            more = metadata_of(page).get("continue")
            if not more:
                return
            params["continue"] = str(more)

    def _path(self, manifest: Manifest, *, named: bool) -> str:
        ref = ResourceRef.of(manifest)
        served = self.served(ref.kind, ref.group)
        return served.path(ref.namespace, ref.name if named else "", version=group_version(manifest)[1])

    def _rediscover(self) -> bool:
        with self._lock:
            if time.monotonic() - self._discovered < _REDISCOVER_SECONDS:
                return False
            self._discover()
            return True

    def _discover(self) -> Kinds:
        found: list[ServedKind] = []
        for root in ("/api", "/apis"):
            document = self.request("GET", root, accept=ACCEPT_DISCOVERY)
            aggregated = parse_aggregated(document)
            found += self._discover_one_by_one(root, document) if aggregated is None else aggregated
        self._kinds = Kinds(found)
        self._discovered = time.monotonic()
        return self._kinds

    def _discover_one_by_one(self, root: str, document: Manifest) -> "builtins.list[ServedKind]":
        if root == "/api":
            versions = [("", str(version)) for version in document.get("versions") or []]
        else:
            preferred = [
                str(mapping(group.get("preferredVersion")).get("groupVersion") or "")
                for group in items(document.get("groups"))
            ]
            versions = [(name.partition("/")[0], name.partition("/")[2]) for name in preferred if "/" in name]
        found: list[ServedKind] = []
        for group, version in versions:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            try:
                found += parse_resources(self.request("GET", path), group, version)
            except KubernetesError as error:
                # A group whose own server is away must not hide the others.
                if error.status == 0:
                    raise
        return found


def _call_span(method: str, server: str, path: str) -> Span:
    about = {"http.request.method": method, "server.address": server, "url.path": path}
    return span(f"{method} kubernetes", about, kind="client")


def unreachable(connection: Connection, error: httpx.TransportError) -> Unreachable:
    """Say that no answer came, and why."""
    said = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        said = f"no answer in time ({type(error).__name__})"
    return Unreachable(f"The API server {connection.server} can't be reached: {said}.")


def refusal(status: int, content: bytes) -> KubernetesError:
    """Read the `Status` object of a refusal, or make the best of what was sent instead."""
    try:
        document = mapping(orjson.loads(content))
    except orjson.JSONDecodeError:
        document = {}
    reason = str(document.get("reason") or "") or _REASONS.get(status, "Refused")
    message = str(document.get("message") or "") or content.decode(errors="replace").strip()[:500] or f"HTTP {status}"
    return KubernetesError(status, reason, message, details=document)


_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Gone",
    429: "TooManyRequests",
}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
