"""Where the control plane's programs are: given, built before, or built now."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testcluster.building import Builder, BuildProgress, ProgressListener, Release, print_progress

PROGRAMS: Mapping[str, str] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
"""Each program and the Go package that it is built from, in the order of building."""


@dataclass(frozen=True)
class Programs:
    """The control plane's programs on this machine."""

    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Give Gennaker's cache: `$GENNAKER_CACHE`, else `gennaker` in the user's cache folder."""
    if given := env.get("GENNAKER_CACHE"):
        return Path(given)
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gennaker"


def find_programs() -> dict[str, Path]:
    """Find what needs no building: programs in `$KUBEBUILDER_ASSETS`, then those of an earlier build."""
    folders = [built_folder(Release.pinned())]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folders.insert(0, Path(assets))
    found: dict[str, Path] = {}
    for name in PROGRAMS:
        if path := next((folder / name for folder in folders if os.access(folder / name, os.X_OK)), None):
            found[name] = path
    return found


def ensure_programs(progress: ProgressListener | None = print_progress) -> Programs:
    """Give the control plane's programs, building those that are missing.

    Looked for in `$KUBEBUILDER_ASSETS`, then in the cache; what neither has is built from the Go module proxy,
    which takes about 8 minutes on 2 cores, once per release. An interrupted build goes on with the program that
    it was at; a second process that asks meanwhile waits for the first. `progress` hears how it goes (standard
    error by default, `None` for silence). Raises `ClusterError` when there is no Go or a build fails.
    """
    found = find_programs()
    missing = {name: package for name, package in PROGRAMS.items() if name not in found}
    if missing:
        release = Release.pinned()
        built = Builder(release, built_folder(release), cache_folder()).build(missing, progress)
        found |= built
    return Programs({name: found[name] for name in PROGRAMS})


def built_folder(release: Release) -> Path:
    """Give the folder of this release's programs: another pin or another kind of machine has another one."""
    inputs = "\0".join([release.digest, *PROGRAMS.values(), platform.system(), platform.machine()])
    key = hashlib.sha256(inputs.encode()).hexdigest()[:12]
    return cache_folder() / "cluster" / f"{release.kubernetes}-{key}"


__all__ = ["PROGRAMS", "BuildProgress", "Programs", "cache_folder", "ensure_programs", "find_programs"]
