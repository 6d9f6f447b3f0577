"""Frigga's rules: `app[-stack[-detail]][-vNNN]`.

Source: Netflix Frigga's `Names` and `NameBuilder`.
"""

import re

from moniker.model import Moniker

_GROUP = re.compile(r"(?P<cluster>[-a-zA-Z0-9._~^]*)-v(?P<sequence>[0-9]{3,6})")
_CLUSTER = re.compile(r"(?P<app>[a-zA-Z0-9._]+)(?:-(?P<stack>[a-zA-Z0-9._]*)(?:-(?P<detail>[-a-zA-Z0-9._~^]*))?)?")
_VARIABLES = re.compile(r"(?:-[cdhpruwz]0[a-zA-Z0-9._~^]+)+$")


def parse_name(name: str) -> Moniker:
    """Read a server group's or a cluster's name.

    A name that breaks the rules has a cluster (the name without its version) and nothing else. Labelled
    variables (`-c0us-d0prod`) at the end belong to the cluster, not to the detail.
    """
    group = _GROUP.fullmatch(name)
    cluster, sequence = (group["cluster"], int(group["sequence"])) if group else (name, None)
    parts = _CLUSTER.fullmatch(_VARIABLES.sub("", cluster))
    if parts is None:
        return Moniker(cluster=cluster or None, sequence=sequence)
    return Moniker(
        app=parts["app"],
        cluster=cluster,
        stack=parts["stack"] or None,
        detail=parts["detail"] or None,
        sequence=sequence,
    )


def cluster_of(app: str, stack: str | None = None, detail: str | None = None) -> str:
    """Build a cluster's name; a detail without a stack keeps the stack's place: `app--detail`."""
    if detail:
        return f"{app}-{stack or ''}-{detail}"
    return f"{app}-{stack}" if stack else app


def group_name(cluster: str, sequence: int | None) -> str:
    """Build a server group's name: `cluster-v007`, or the cluster's own without a sequence."""
    return cluster if sequence is None else f"{cluster}-v{sequence:03d}"
