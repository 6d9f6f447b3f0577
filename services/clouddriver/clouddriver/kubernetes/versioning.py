"""Which version an object gets: the one whose content is the same, else the next. Pure.

Source: Clouddriver's `ResourceVersioner`. Unlike there, objects that were applied server-side are recognized too,
by a hash of their content in an annotation.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from moniker import next_version, parse_version
from moniker.kubernetes import annotation

from clouddriver.kubernetes.annotations import ARTIFACT_NAME, ARTIFACT_VERSION, CONTENT_HASH, DeployStrategy
from clouddriver.kubernetes.document import (
    LAST_APPLIED,
    Manifest,
    annotations_of,
    kind_of_manifest,
    mapping_at,
    text_at,
)


@dataclass(frozen=True, slots=True)
class PriorVersion:
    """A version that is there, or is promised to a deploy that is under way."""

    sequence: int
    content: str | None


def is_versioned(manifest: Manifest, strategy: DeployStrategy, wanted: bool | None) -> bool:
    """Say whether a manifest gets versions: by its annotation, else by the stage's `versioned`, else by its kind.

    An object whose name the API server makes (`generateName`) never does.
    """
    if not text_at(manifest, "metadata", "name"):
        return False
    if strategy.versioned is not None:
        return strategy.versioned
    return kind_of_manifest(manifest).versioned if wanted is None else wanted


def content_of(manifest: Manifest) -> str:
    """Give the hash of what a manifest says apart from its metadata."""
    content = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def prior_versions(live: Iterable[Manifest], name: str) -> list[PriorVersion]:
    """List the versions of the object `name` among live objects, the oldest first."""
    found = [item for item in live if annotation(annotations_of(item), ARTIFACT_NAME) == name]
    found.sort(key=lambda item: text_at(item, "metadata", "creationTimestamp"))
    versions = [(parse_version(annotation(annotations_of(item), ARTIFACT_VERSION)), item) for item in found]
    return [PriorVersion(number, _content_of_live(item)) for number, item in versions if number is not None]


def choose_version(content: str, priors: Iterable[PriorVersion]) -> int:
    """Choose the version for a content: the oldest that is the same, else the one after the highest."""
    known = list(priors)
    same = next((prior.sequence for prior in known if prior.content == content), None)
    return next_version(prior.sequence for prior in known) if same is None else same


def _content_of_live(manifest: Manifest) -> str | None:
    recorded = text_at(manifest, "metadata", "annotations", CONTENT_HASH)
    if recorded:
        return recorded
    try:
        applied: Any = orjson.loads(text_at(manifest, "metadata", "annotations", LAST_APPLIED))
    except orjson.JSONDecodeError:
        return None
    return content_of(mapping_at({"applied": applied}, "applied"))
