"""How a deploy moves traffic from the ReplicaSets that were there to the new one.

Source: Orca's `DeployManifestStage` (`OldManifestActionAppender`).
"""

from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageContext, StageView, Synthetic, TaskFailure, sequence
from orca.stages.operations import maps

REPLACED = "replacedManifests"
_CLUSTER = "moniker.spinnaker.io/cluster"
_KIND = "replicaSet"
_SENT_AS = {"redblack": "RED_BLACK", "bluegreen": "BLUE_GREEN", "highlander": "HIGHLANDER", "none": "NONE"}
_SWITCHING = frozenset({"RED_BLACK", "BLUE_GREEN"})
_HIGHLANDER = "HIGHLANDER"


class TrafficOptions(StageContext):
    """Which services lead to what is deployed, whether at once, and what becomes of what they led to before."""

    enable_traffic: bool = False
    services: list[str] | None = None
    strategy: str | None = None


class TrafficManagement(StageContext):
    """Whether the stage moves traffic, and how."""

    enabled: bool = False
    options: TrafficOptions | None = None

    @property
    def strategy(self) -> str:
        """Give the strategy's name in clouddriver (`RED_BLACK`, …). Raises `TaskFailure` for one that there is not."""
        written = (self.options.strategy if self.enabled and self.options else None) or "none"
        known = _SENT_AS.get(written.lower().replace("_", "").replace("/", ""))
        if known is None:
            raise TaskFailure(
                f"trafficManagement.options.strategy: there is no strategy '{written}'; "
                f"use one of {', '.join(_SENT_AS)}.",
                exception_type="ConfigurationException",
            )
        return known


def traffic_of(management: TrafficManagement | None) -> JsonMap:
    """Give what clouddriver is told about traffic; nothing where the stage doesn't move any."""
    if management is None or not management.enabled:
        return {}
    options = management.options or TrafficOptions()
    return {
        "services": options.services or [],
        "enableTraffic": options.enable_traffic,
        "strategy": management.strategy,
    }


def find_replaced(
    stage: StageView[Any], services: Services, management: TrafficManagement | None, app: str
) -> list[JsonMap]:
    """Find the ReplicaSets of the same clusters as those just deployed: `{manifestName, location, broken}`.

    `broken`: it has neither become stable nor failed, and no pod of it serves.
    """
    strategy = management.strategy if management else "NONE"
    if strategy == "NONE":
        return []
    account = str(stage.raw.get("account"))
    deployed = [each for each in maps(stage.raw.get("outputs.manifests")) if _is_replica_set(each)]
    new = {(_namespace(each), _name(each)) for each in deployed}
    found: dict[tuple[str, str], JsonMap] = {}
    for manifest in deployed:
        namespace, cluster = _namespace(manifest), _cluster(manifest)
        parts = (account, namespace, _KIND, "cluster", app, cluster)
        listed = services.clouddriver.get("/manifests/" + "/".join(quote(part, safe="") for part in parts))
        for name in (str(each.get("name")) for each in maps(listed)):
            if (namespace, name) in new or (namespace, name) in found:
                continue
            broken = strategy in _SWITCHING and _is_broken(services, account, namespace, name)
            if broken is not None:
                target = {"manifestName": f"{_KIND} {name}", "location": namespace, "broken": broken}
                found[namespace, name] = target
    return list(found.values())


def stages_for_replaced(
    stage: StageView[Any], management: TrafficManagement | None, app: str, gone: Iterable[tuple[str, str]]
) -> list[Synthetic]:
    """Give the stages that take traffic from what was replaced, one after the other.

    Red/black and blue/green disable it, or delete it where it is broken; highlander disables all of it and then
    deletes it. `gone` (location, manifestName) has been deleted meanwhile.
    """
    if management is None or management.strategy == "NONE":
        return []
    deleted = set(gone)
    replaced = [
        each
        for each in maps(stage.raw.get(REPLACED))
        if (str(each["location"]), str(each["manifestName"])) not in deleted
    ]
    account = stage.raw.get("account")
    if management.strategy == _HIGHLANDER:
        planned = [("disableManifest", each) for each in replaced] + [("deleteManifest", each) for each in replaced]
    else:
        planned = [("deleteManifest" if each["broken"] else "disableManifest", each) for each in replaced]
    return sequence(*(_synthetic(type, each, account, app) for type, each in planned))


def _synthetic(type: str, target: JsonMap, account: Any, app: str) -> Synthetic:
    verb = "Disable" if type == "disableManifest" else "Delete"
    context: JsonMap = {
        "account": account,
        "app": app,
        "cloudProvider": "kubernetes",
        "manifestName": target["manifestName"],
        "location": target["location"],
    }
    return Synthetic(type, f"{verb} {target['manifestName']}", context)


def _is_broken(services: Services, account: str, namespace: str, name: str) -> bool | None:
    """Say whether a ReplicaSet neither serves nor will; `None` when it is gone."""
    path = "/manifests/" + "/".join(quote(part, safe="") for part in (account, namespace, f"{_KIND} {name}"))
    try:
        found = services.clouddriver.get(path, params={"includeEvents": "false"})
    except UpstreamError as error:
        if error.status == 404:
            return None
        raise
    answer = _map(found)
    counts = _map(_map(answer.get("manifest")).get("status"))
    if _positive(counts.get("readyReplicas")) and _positive(counts.get("availableReplicas")):
        return False
    status = _map(answer.get("status"))
    return not _map(status.get("stable")).get("state") and not _map(status.get("failed")).get("state")


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _map(value: Any) -> JsonMap:
    return cast(JsonMap, value) if isinstance(value, dict) else {}


def _is_replica_set(manifest: JsonMap) -> bool:
    return str(manifest.get("kind")).lower() == _KIND.lower()


def _namespace(manifest: JsonMap) -> str:
    return str(_map(manifest.get("metadata")).get("namespace") or "")


def _name(manifest: JsonMap) -> str:
    return str(_map(manifest.get("metadata")).get("name") or "")


def _cluster(manifest: JsonMap) -> str:
    annotations = _map(_map(manifest.get("metadata")).get("annotations"))
    return str(annotations.get(_CLUSTER) or f"{_KIND} {_name(manifest)}")
