"""Version numbers: which one is next, and how it is written.

Kubernetes objects count on without end; server groups by Frigga wrap at 1000.
Source: Clouddriver's `ResourceVersioner` and `AbstractServerGroupNameResolver`.
"""

import re
from collections.abc import Iterable

_VERSION = re.compile(r"v([0-9]+)")
_WRAP = 1000


class NoFreeSequence(Exception):
    """All sequence numbers of a cluster are in use."""


def version_name(sequence: int) -> str:
    """Write a version: `v000`, `v012`, `v1000`."""
    return f"v{sequence:03d}"


def parse_version(version: str | None) -> int | None:
    """Read a version written by `version_name`; anything else is None."""
    match = _VERSION.fullmatch(version or "")
    return int(match[1]) if match else None


def versioned_name(name: str, version: str) -> str:
    """Join an object's name and its version: `config-v000`; an empty version changes nothing."""
    return f"{name}-{version}" if version else name


def next_version(taken: Iterable[int]) -> int:
    """Give the version after the highest of `taken`, 0 for the first. Never wraps."""
    return max(taken, default=-1) + 1


def next_group_sequence(newest: int | None, taken: Iterable[int]) -> int:
    """Give the sequence of a cluster's next server group, 0…999.

    The one after the `newest` group's, wrapping at 1000, that is not in `taken`. Raises `NoFreeSequence`
    when there is none.
    """
    used = set(taken)
    first = 0 if newest is None else (newest + 1) % _WRAP
    for step in range(_WRAP):
        candidate = (first + step) % _WRAP
        if candidate not in used:
            return candidate
    raise NoFreeSequence(f"All {_WRAP} sequence numbers are in use; delete old server groups.")
