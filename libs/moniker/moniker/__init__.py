"""Names: what a resource's name says about the application, cluster and version that it belongs to.

Pure; knows nothing of services, clouds or I/O.
"""

from moniker.frigga import cluster_of, group_name, parse_name
from moniker.kubernetes import (
    APPLICATION,
    CLUSTER,
    DETAIL,
    SEQUENCE,
    STACK,
    moniker_annotations,
    moniker_of,
)
from moniker.model import Moniker
from moniker.sequences import (
    NoFreeSequence,
    next_group_sequence,
    next_version,
    parse_version,
    version_name,
    versioned_name,
)

__all__ = [
    "APPLICATION",
    "CLUSTER",
    "DETAIL",
    "SEQUENCE",
    "STACK",
    "Moniker",
    "NoFreeSequence",
    "cluster_of",
    "group_name",
    "moniker_annotations",
    "moniker_of",
    "next_group_sequence",
    "next_version",
    "parse_name",
    "parse_version",
    "version_name",
    "versioned_name",
]
