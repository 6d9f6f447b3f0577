"""What goes into the image is what the repository pins."""

import re
import tomllib
from pathlib import Path


def pins(file: Path) -> dict[str, set[str]]:
    """Read a lock file: `name==version` → its hashes."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in file.read_text().splitlines():
        if pinned := re.match(r"([A-Za-z0-9_.-]+)==([^ ;]+)", line):
            name = f"{pinned[1]}=={pinned[2]}"
            found[name] = set()
        found[name] |= set(re.findall(r"--hash=(sha256:[0-9a-f]+)", line))
    return found


def direct_dependencies(repository: Path) -> set[str]:
    projects = [repository / "libs" / name for name in ("kork", "spel", "moniker")]
    projects += [folder for folder in (repository / "services").iterdir() if (folder / "pyproject.toml").exists()]
    names: set[str] = set()
    for project in projects:
        listed = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
        names |= {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0].lower().replace(".", "-") for each in listed}
    return {name for name in names if not name.startswith("gennaker-")}


def test_the_image_has_the_versions_of_the_repository(repository: Path) -> None:
    everything = pins(repository / "requirements.lock")
    image = pins(repository / "deploy/docker/requirements.lock")
    assert image
    for pin, hashes in image.items():
        assert pin in everything, f"{pin}: run deploy/docker/lock"
        assert everything[pin] <= hashes, f"{pin}: run deploy/docker/lock"


def test_the_image_has_all_that_the_services_import(repository: Path) -> None:
    image = {pin.split("==")[0] for pin in pins(repository / "deploy/docker/requirements.lock")}
    assert direct_dependencies(repository) - image == set(), "run deploy/docker/lock"


def test_everything_that_is_downloaded_has_a_hash(repository: Path) -> None:
    for name in ("requirements.lock", "build.lock"):
        assert all(pins(repository / "deploy/docker" / name).values())


def test_the_image_runs_as_a_user_that_is_not_root(repository: Path) -> None:
    lines = (repository / "deploy/docker/Dockerfile").read_text().splitlines()
    (user,) = [line.removeprefix("USER ") for line in lines if line.startswith("USER ")]
    assert int(user.split(":")[0]) > 1000
    assert lines.index(f"USER {user}") > max(n for n, line in enumerate(lines) if line.startswith("FROM "))
