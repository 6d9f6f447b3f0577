"""Building the programs, one after the other, from the Go module proxy."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from testcluster.errors import ClusterError
from testcluster.golang import Go, Version, find_go, parse_version
from testcluster.processes import end_with_parent

_RELEASE_FOLDER = Path(__file__).parent / "release"
_COMPILER_FLAGS = "all=-dwarf=false"
_TICK_SECONDS = 1.0


@dataclass(frozen=True)
class BuildProgress:
    """How the build goes: the `position`-th of `total` programs is being built.

    `elapsed` is in seconds since the whole build began, `packages` the Go packages compiled for this program
    so far, `done` whether this program is ready, `reason` why there is a build at all.
    """

    reason: str
    program: str
    position: int
    total: int
    elapsed: float = 0.0
    packages: int = 0
    done: bool = False

    @property
    def is_first(self) -> bool:
        """Whether nothing was said of this build before."""
        return self.position == 1 and not self.packages and not self.done

    def __str__(self) -> str:
        clock = f"{int(self.elapsed) // 60}:{int(self.elapsed) % 60:02d}"
        state = "ready" if self.done else f"{self.packages} packages compiled"
        return f"{clock}  building {self.position} of {self.total}: {self.program}, {state}"


ProgressListener = Callable[[BuildProgress], None]


@dataclass(frozen=True)
class Release:
    """A release of the programs: what the `go.mod` and `go.sum` of `folder` say."""

    folder: Path
    kubernetes: str
    kwok: str
    go: Version
    digest: str

    @staticmethod
    @cache
    def pinned() -> "Release":
        """Read the release that this package pins."""
        modules = (_RELEASE_FOLDER / "go.mod").read_text()
        sums = (_RELEASE_FOLDER / "go.sum").read_text()

        def version(module: str) -> str:
            found = re.search(rf"^\s*(?:require )?{re.escape(module)} (\S+)", modules, re.MULTILINE)
            if not found:
                raise ClusterError(f"{_RELEASE_FOLDER / 'go.mod'} does not name {module}.")
            return found[1]

        return Release(
            folder=_RELEASE_FOLDER,
            kubernetes=version("k8s.io/kubernetes"),
            kwok=version("sigs.k8s.io/kwok"),
            go=parse_version(version("go")),
            digest=hashlib.sha256(f"{modules}\0{sums}".encode()).hexdigest(),
        )

    @property
    def linker_flags(self) -> str:
        """Name the release inside the programs: clients decide by what `/version` says."""
        major, minor, _ = self.kubernetes.removeprefix("v").split(".")
        names = {
            "k8s.io/component-base/version.gitVersion": self.kubernetes,
            "k8s.io/component-base/version.gitMajor": major,
            "k8s.io/component-base/version.gitMinor": minor,
            "k8s.io/component-base/version.gitTreeState": "clean",
            "k8s.io/component-base/version.buildDate": "1970-01-01T00:00:00Z",
            "sigs.k8s.io/kwok/pkg/consts.Version": self.kwok,
        }
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in names.items())])


def print_progress(progress: BuildProgress) -> None:
    """Show the build on standard error: a line that lives on a terminal, a line per program elsewhere."""
    if progress.is_first:
        print(progress.reason, file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{progress}", end="\n" if progress.done else "", file=sys.stderr, flush=True)
    elif progress.done or progress.packages == 0:
        print(progress, file=sys.stderr, flush=True)


class Builder:
    """Builds programs of one release into a folder. What the folder has was built whole."""

    def __init__(self, release: Release, folder: Path, cache: Path) -> None:
        self._release = release
        self.folder = folder
        self._cache = cache
        self._began = time.monotonic()

    def build(self, packages: Mapping[str, str], progress: ProgressListener | None) -> dict[str, Path]:
        """Build each program of `packages` (name → Go package) that the folder doesn't have yet."""
        tell = progress or (lambda _: None)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            todo = {name: package for name, package in packages.items() if not (self.folder / name).exists()}
            if todo:
                go = find_go(self._release.go, self._cache)
                for position, (name, package) in enumerate(todo.items(), 1):
                    start = BuildProgress(self._reason(todo), name, position, len(todo), self._elapsed)
                    self._build_one(go, package, start, tell)
                if go.build_cache:
                    shutil.rmtree(go.build_cache, ignore_errors=True)
        return {name: self.folder / name for name in packages}

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _reason(self, todo: Mapping[str, str]) -> str:
        return (
            f"Kubernetes {self._release.kubernetes} runs here for real, and {', '.join(todo)} are not built yet: "
            f"building them into {self.folder} (minutes, once)."
        )

    def _build_one(self, go: Go, package: str, start: BuildProgress, tell: ProgressListener) -> None:
        unfinished = self.folder / f".{start.program}"
        command = [go.program, "build", "-v", "-trimpath", "-gcflags", _COMPILER_FLAGS]
        command += ["-ldflags", self._release.linker_flags, "-o", unfinished, package]
        tell(start)
        process = subprocess.Popen(
            command,
            cwd=self._release.folder,
            env=_environment(go),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=end_with_parent,
        )
        output = _Output(process)
        try:
            while output.thread.is_alive():
                output.thread.join(_TICK_SECONDS)
                if output.packages:
                    tell(self._at(start, output.packages))
            failed = process.wait() != 0
        finally:
            process.terminate()
            process.wait()
        if failed:
            raise ClusterError(
                f"{start.program} {self._release.kubernetes} can't be built: {' | '.join(output.lines)}. "
                "The Go module proxy must be reachable (GOPROXY names it); run again to go on from here, "
                "or set KUBEBUILDER_ASSETS to a folder of programs."
            )
        unfinished.rename(self.folder / start.program)
        tell(self._at(start, output.packages, done=True))

    def _at(self, start: BuildProgress, packages: int, *, done: bool = False) -> BuildProgress:
        return replace(start, elapsed=self._elapsed, packages=packages, done=done)


class _Output:
    """What `go build -v` says: a line per package that it compiled, its downloads, its errors."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.packages = 0
        self.lines: deque[str] = deque(maxlen=8)
        self.thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self.thread.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if " " in line.strip():
                self.lines.append(line.strip())
            else:
                self.packages += 1


def _environment(go: Go) -> dict[str, str]:
    """Give `go build` one way to build on every machine, so that compiled packages serve again."""
    fixed = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
    }
    own_cache = {"GOCACHE": str(go.build_cache)} if go.build_cache else {}
    return os.environ | fixed | own_cache
