"""`gennaker up` as a person runs it: it comes up, heals, stops whole, and says in one line why it can't start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from gennaker.embedded.process import port_in_use
from gennaker.exits import Exit
from gennaker.platform import Platform, Ports

pytestmark = pytest.mark.timeout(180)


def settings_on_free_ports(folder: Path) -> Path:
    services = "".join(f"  {name}: {{port: {port}}}\n" for name, port in Ports.free().by_name().items())
    file = folder / "gennaker.yml"
    file.write_text(f"services:\n{services}")
    return file


def command(home: Path, config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "gennaker", "up", "--home", str(home), "--config", str(config), *more]


def refusal(home: Path, config: Path, *more: str) -> tuple[int, str]:
    done = subprocess.run(command(home, config, *more), capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr.strip()


class Running:
    """A `gennaker up` and what it has printed."""

    def __init__(self, home: Path, config: Path) -> None:
        self._output = home.parent / "up.out"
        with self._output.open("wb") as sink:
            self.process = subprocess.Popen(command(home, config), stdout=sink, stderr=sink)

    def said(self, words: str) -> bool:
        return words in self._output.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def worker(self) -> psutil.Process | None:
        for child in self.children():
            with suppress(psutil.Error):
                if "gennaker.worker" in child.cmdline():
                    return child
        return None


@pytest.fixture
def running(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[Running]:
    up = Running(tmp_path / "home", settings_on_free_ports(tmp_path))
    try:
        wait_until(lambda: up.said("Ctrl-C stops it") or up.process.poll() is not None, timeout=120)
        assert up.process.poll() is None, (tmp_path / "up.out").read_text()
        yield up
    finally:
        up.process.terminate()
        up.process.wait(30)


def test_it_starts_a_killed_worker_again_and_leaves_nothing_behind(
    running: Running, wait_until: Callable[..., None]
) -> None:
    first = running.worker()
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: (new := running.worker()) is not None and new.pid != first.pid)
    assert running.said("Worker ended; starting it again")

    children = running.children()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == Exit.OK
    assert running.said("Stopped.")
    assert [child for child in children if child.is_running()] == []


def test_a_second_platform_on_the_same_home_is_refused(platform: Platform, tmp_path: Path) -> None:
    code, said = refusal(platform.home.path, settings_on_free_ports(tmp_path))

    assert code == Exit.CANNOT_START
    assert f"Another platform (process {os.getpid()}) runs on {platform.home.path}" in said
    assert len(said.splitlines()) == 1


def test_a_port_in_use_is_named_with_who_has_it(tmp_path: Path) -> None:
    config = settings_on_free_ports(tmp_path)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        config.write_text(f"{config.read_text()}".replace("gate: {port: ", f"gate: {{port: {port}}} # "))
        code, said = refusal(tmp_path / "home", config)

    assert code == Exit.CANNOT_START
    assert f"gate can't listen: port {port} is in use by process {os.getpid()}" in said
    assert len(said.splitlines()) == 1


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = refusal(tmp_path / "file", settings_on_free_ports(tmp_path))

    assert code == Exit.CANNOT_START
    assert str(tmp_path / "file") in said


def test_data_of_another_postgres_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("9\n")
    code, said = refusal(home, settings_on_free_ports(tmp_path))

    assert code == Exit.CANNOT_START
    assert "--reset" in said
    assert (home / "postgres" / "PG_VERSION").read_text() == "9\n"


def test_a_wrong_key_names_the_nearest_right_one(tmp_path: Path) -> None:
    config = tmp_path / "gennaker.yml"
    config.write_text("databse: {url: x}\n")
    code, said = refusal(tmp_path / "home", config)

    assert code == Exit.USAGE
    assert "Did you mean 'database'?" in said


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    config = settings_on_free_ports(tmp_path)
    [port] = {Ports.free().gate}
    config.write_text(f"{config.read_text()}database: {{url: 'postgresql://u:secret@127.0.0.1:{port}/x'}}\n")
    assert not port_in_use(port)
    code, said = refusal(tmp_path / "home", config)

    assert code == Exit.CANNOT_START
    assert f"127.0.0.1:{port}" in said
    assert "secret" not in said
