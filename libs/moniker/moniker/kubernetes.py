"""The moniker of a Kubernetes object: annotations first, its name where they are silent.

Source: Clouddriver's `KubernetesManifestAnnotater` and `KubernetesDefaultNamer` behaviour.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from moniker.frigga import parse_name
from moniker.model import Moniker

APPLICATION = "moniker.spinnaker.io/application"
CLUSTER = "moniker.spinnaker.io/cluster"
STACK = "moniker.spinnaker.io/stack"
DETAIL = "moniker.spinnaker.io/detail"
SEQUENCE = "moniker.spinnaker.io/sequence"
_REVISION = "deployment.kubernetes.io/revision"
_SYSTEM = re.compile(r"(?P<cluster>system:.*?)(?:-v(?P<sequence>[0-9]{3,6}))?")


def moniker_of(kind: str, name: str, annotations: Mapping[str, Any]) -> Moniker:
    """Say to what a live object belongs.

    Application and cluster come from annotations, else from the name; stack and detail from annotations only;
    the sequence from its annotation, for a `replicaSet` from its Deployment's revision, else from the name.
    """
    named = _from_name(name)
    sequence = _number(annotation(annotations, SEQUENCE))
    if sequence is None and kind.lower() == "replicaset":
        sequence = _number(annotation(annotations, _REVISION))
    return Moniker(
        app=annotation(annotations, APPLICATION) or named.app,
        cluster=annotation(annotations, CLUSTER) or named.cluster,
        stack=annotation(annotations, STACK),
        detail=annotation(annotations, DETAIL),
        sequence=named.sequence if sequence is None else sequence,
    )


def moniker_annotations(moniker: Moniker) -> dict[str, str]:
    """Give the annotations that say a moniker; what is not known is not written."""
    values = {
        APPLICATION: moniker.app,
        CLUSTER: moniker.cluster,
        STACK: moniker.stack,
        DETAIL: moniker.detail,
        SEQUENCE: None if moniker.sequence is None else str(moniker.sequence),
    }
    return {key: value for key, value in values.items() if value is not None}


def annotation(annotations: Mapping[str, Any], key: str) -> str | None:
    """Read an annotation; old writers wrapped texts in JSON quotes, which are taken off."""
    value = annotations.get(key)
    if not isinstance(value, str):
        return None
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            decoded: Any = json.loads(value)
        except ValueError:
            return None
        return cast(str, decoded) if isinstance(decoded, str) else None
    return value


def _from_name(name: str) -> Moniker:
    system = _SYSTEM.fullmatch(name)
    if system:
        sequence = system["sequence"]
        return Moniker("system", system["cluster"], sequence=int(sequence) if sequence else None)
    return parse_name(name)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
