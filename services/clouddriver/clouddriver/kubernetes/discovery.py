"""Which kinds an API server serves, and under which path. Pure.

Source: Kubernetes' aggregated discovery (`APIGroupDiscoveryList`), and the lists per group and version for servers
that don't have it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clouddriver.kubernetes.manifest import NATIVE_GROUPS, items, kind_key, mapping

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
AGGREGATED_BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
ACCEPT_DISCOVERY = f"{AGGREGATED},{AGGREGATED_BETA},application/json"


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind at the version that its server prefers."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """Give `apiVersion` as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "", *, version: str = "") -> str:
        """Give the path of a collection, an object or its subresource."""
        version = version or self.version
        parts = ["apis", self.group, version] if self.group else ["api", version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


class Kinds:
    """The kinds that a server serves."""

    def __init__(self, served: Iterable[ServedKind]) -> None:
        self._all = tuple(served)
        self._by_name: dict[str, list[ServedKind]] = {}
        for kind in self._all:
            self._by_name.setdefault(kind.kind.lower(), []).append(kind)

    def __iter__(self) -> Iterator[ServedKind]:
        return iter(self._all)

    def all(self) -> tuple[ServedKind, ...]:
        """List all kinds."""
        return self._all

    def find(self, kind: str, group: str | None = None) -> ServedKind | None:
        """Find a kind by its name in any case, or its short name.

        Without a group: the one of Kubernetes itself, else the only one of that name.
        """
        found = self._by_name.get(kind_key(kind), [])
        if group is not None:
            return next((served for served in found if served.group == ("" if group == "core" else group)), None)
        native = [served for served in found if served.group in NATIVE_GROUPS]
        if native:
            return native[0]
        return found[0] if len(found) == 1 else None


def parse_aggregated(document: Mapping[str, Any]) -> list[ServedKind] | None:
    """Read an `APIGroupDiscoveryList`, each kind at its group's preferred version; `None` when it is none."""
    if document.get("kind") != "APIGroupDiscoveryList":
        return None
    found: list[ServedKind] = []
    for group in items(document.get("items")):
        seen: set[str] = set()
        name = str(mapping(group.get("metadata")).get("name") or "")
        for version in items(group.get("versions")):
            for resource in items(version.get("resources")):
                kind = mapping(resource.get("responseKind")).get("kind")
                if not isinstance(kind, str) or not kind or kind in seen:
                    continue
                seen.add(kind)
                found.append(
                    ServedKind(
                        kind,
                        name,
                        str(version.get("version") or ""),
                        str(resource.get("resource") or ""),
                        resource.get("scope") == "Namespaced",
                        frozenset(str(verb) for verb in resource.get("verbs") or ()),
                    )
                )
    return found


def parse_resources(document: Mapping[str, Any], group: str, version: str) -> list[ServedKind]:
    """Read an `APIResourceList`."""
    return [
        ServedKind(
            str(resource.get("kind") or ""),
            group,
            version,
            str(resource.get("name") or ""),
            bool(resource.get("namespaced")),
            frozenset(str(verb) for verb in resource.get("verbs") or ()),
        )
        for resource in items(document.get("resources"))
        if "/" not in str(resource.get("name") or "")
    ]
