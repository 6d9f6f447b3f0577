"""Where the programs come from, and building them once."""

import threading
from pathlib import Path

import pytest
from testcluster.building import Builder, BuildProgress, Release
from testcluster.errors import ClusterError
from testcluster.golang import parse_version
from testcluster.programs import PROGRAMS, built_folder, cache_folder, ensure_programs, find_programs


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no programs given."""
    monkeypatch.setenv("GENNAKER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "cache"


def put_programs(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def test_given_programs_win_over_built_ones(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_programs() == {}
    built = built_folder(Release.pinned())
    assert built.is_relative_to(cache)
    put_programs(built, *PROGRAMS)
    assert find_programs() == {name: built / name for name in PROGRAMS}
    given = tmp_path / "assets"
    put_programs(given, "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(given))
    programs = ensure_programs(None)
    assert programs["etcd"] == given / "etcd"
    assert programs["kwok"] == built / "kwok"


def test_the_cache_is_where_the_environment_says() -> None:
    assert cache_folder({"GENNAKER_CACHE": "/c"}) == Path("/c")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/gennaker")
    assert cache_folder({}) == Path.home() / ".cache" / "gennaker"


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8", (1, 26, 8)), ("1.26.0", (1, 26, 0)), ("go1.27", (1, 27, 0)), ("go1.27rc1", (1, 27, 0)), ("", ())],
)
def test_versions_of_go_compare(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_the_pinned_release_names_its_version() -> None:
    release = Release.pinned()
    assert f"gitVersion={release.kubernetes}" in release.linker_flags
    assert release.go >= (1, 26, 0)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A release of two programs, `hello` and `world`."""
    folder = tmp_path / "release"
    for name in ("hello", "world"):
        (folder / name).mkdir(parents=True)
        (folder / name / "main.go").write_text(f'package main\n\nfunc main() {{ println("{name}") }}\n')
    (folder / "go.mod").write_text("module example.invalid/release\n\ngo 1.21\n")
    return Release(folder, "v1.2.3", "v0.1.0", (1, 21, 0), "digest")


PACKAGES = {"hello": "./hello", "world": "./world"}


@pytest.mark.cluster
def test_a_build_reports_each_program_and_is_done_once(release: Release, tmp_path: Path) -> None:
    told: list[BuildProgress] = []

    def build() -> None:
        assert set(Builder(release, tmp_path / "out", cache_folder()).build(PACKAGES, told.append)) == set(PACKAGES)

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(event.program, event.position, event.total) for event in told if event.done] == [
        ("hello", 1, 2),
        ("world", 2, 2),
    ]
    assert told[0].is_first
    assert "hello, world are not built yet" in told[0].reason
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "hello", "world"]


@pytest.mark.cluster
def test_a_build_that_failed_says_why_and_goes_on_where_it_was(release: Release, tmp_path: Path) -> None:
    source = release.folder / "world" / "main.go"
    right = source.read_text()
    source.write_text(right.replace("println", "printline"))
    builder = Builder(release, tmp_path / "out", cache_folder())
    with pytest.raises(ClusterError, match=r"world v1\.2\.3 can't be built: .*undefined: printline"):
        builder.build(PACKAGES, None)
    source.write_text(right)
    told: list[BuildProgress] = []
    builder.build(PACKAGES, told.append)
    assert [event.program for event in told if event.done] == ["world"]
