"""`make bench`: speed and size, as lines `name value unit` on standard output and in `docs/benchmarks.md`.

`make bench ARGS=million` measures over a history of a million executions (some minutes, 8 GB), `ARGS=hotpath` the
engine alone; with `PROFILE=1` that one prints where the time goes.

Everything runs on this machine, the driver on the same cores. Absolute values are this machine's; the column
"Orca / ours" compares with a real Orca 2026.2 (Redis store) that was measured on two such cores.
"""

import argparse
import asyncio
import platform as machine
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import httpx2 as httpx
import psutil
from gennaker.embedded import EmbeddedPostgres
from gennaker.platform import Configuration, Platform, Ports

sys.path.insert(0, str(Path(__file__).parent))

from driver import Ends, Submission, chain, fan_out, submit
from figures import Figure, p50, p95, table, write_part
from history import BIG_APPLICATION, searches, write_history
from hotpath import Engine
from usage import cpu_seconds, resident_mb, resident_sum_mb
from workers import CALL_SECONDS, CALLS_OPEN, another_worker, calls, slow_server
from writes import Writes

_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_WAIT = 300.0
_ROUNDS = 5


def main() -> None:
    """Measure what was asked for and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="which suites (all but million and hotpath)")
    parser.add_argument("--history", type=int, default=10_000, help="executions stored for the list's figure")
    parser.add_argument("--million", type=int, default=1_000_000, help="executions stored by the suite million")
    parser.add_argument("--no-page", action="store_true", help="leave docs/benchmarks.md as it is")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in arguments.suites or DAILY:
        for figure in SUITES[name](arguments.million if name == "million" else arguments.history):
            print(figure.line(), flush=True)
            figures.append(figure)
    for command, suites in {"make bench": list(DAILY), "make bench ARGS=million": ["million"]}.items():
        if not arguments.no_page and (arguments.suites or list(DAILY)) == suites:
            write_part(_PAGE, command, _part(figures))


def up_suite(_: int) -> Iterator[Figure]:
    """How `gennaker up` starts and what it uses when nothing happens."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        first = _up(home)[0]
        ready, memory, busy, summed = _up(home)
    yield Figure("up.first_ready_seconds", first, "s", "≤ 12")
    yield Figure("up.ready_seconds", ready, "s", "≤ 4")
    yield Figure("up.rss_mb", memory, "MB", "≤ 450", orca=846)
    yield Figure("up.rss_sum_mb", summed, "MB", "")
    yield Figure("up.idle_cpu_percent", busy, "%", "≤ 2")


def _up(home: Path, idle_seconds: float = 15.0) -> tuple[float, float, float, float]:
    """Run `gennaker up` as a process: seconds to ready, MB when idle (PSS), per cent of a core when idle, MB (RSS)."""
    offset = next(offset for offset in range(0, 20_000, 100) if not Ports.standard(offset).in_use())
    gate = Ports.standard(offset).gate
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gennaker", "up", "--home", str(home), "--port-offset", str(offset)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(gate):
            if process.poll() is not None:
                raise RuntimeError(f"gennaker up ended with {process.returncode}")
            time.sleep(0.02)
        ready = time.monotonic() - started
        time.sleep(3)
        before, at = cpu_seconds([process.pid]), time.monotonic()
        time.sleep(idle_seconds)
        busy = 100 * (cpu_seconds([process.pid]) - before) / (time.monotonic() - at)
        return ready, resident_mb([process.pid]), busy, resident_sum_mb([process.pid])
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/readiness")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def orca_suite(history: int) -> Iterator[Figure]:
    """Orca's speed, and gate's list over a long history."""
    with tempfile.TemporaryDirectory() as folder, Platform(Path(folder) / "home", ports=Ports.free()) as platform:
        yield from _orca_figures(platform, history)


def _orca_figures(platform: Platform, history: int) -> Iterator[Figure]:
    pids = [part.pid for part in platform.parts().values()]
    _run_all(platform, chain("warm", 10), 50)

    def alone(body: dict[str, object], times: int) -> float:
        return p50([_run_all(platform, body, 1).milliseconds for _ in range(times)])

    yield Figure("orca.one_stage_p50_ms", alone(chain("one", 1), 40), "ms", "≤ 25", orca=305)
    yield from _write_figures(platform)
    yield Figure("orca.ten_stages_p50_ms", alone(chain("ten", 10), 20), "ms", "", orca=3021)
    yield Figure("orca.fanout100_ms", alone(fan_out("fan", 100), 5), "ms", "≤ 500")

    # One round of 200 pipelines takes two seconds, in which a busy moment of the machine shows.
    cpu = cpu_seconds(pids)
    many = [_run_all(platform, chain("many", 10), 200) for _ in range(_ROUNDS)]
    cpu = (cpu_seconds(pids) - cpu) / _ROUNDS
    yield Figure("orca.stages_per_second", p50([2_000_000 / each.milliseconds for each in many]), "1/s", "≥ 1000")
    yield Figure("orca.cpu_ms_per_stage", cpu * 1000 / 2000, "ms", "", orca=86)
    yield Figure("orca.submit_p50_ms", p50([each.submission.start_p50 * 1000 for each in many]), "ms", "", orca=46)

    _run_all(platform, chain("history", 1), history)
    cpu = cpu_seconds(pids)
    for _ in range(_ROUNDS):
        _run_all(platform, chain("later", 10), 200)
    cpu = (cpu_seconds(pids) - cpu) / _ROUNDS
    yield Figure("orca.cpu_ms_per_stage_10k_stored", cpu * 1000 / 2000, "ms", "as with few")

    with httpx.Client(base_url=platform.gate_url, timeout=30) as gate:
        path = "/applications/history/executions/search"
        params = {"size": 25, "expand": "false"}
        listed = gate.get(path, params=params)
        assert listed.status_code == 200, listed.text[:500]
        assert len(listed.json()) == 25, f"{path} does not list the executions"
        times = []
        for _ in range(50):
            started = time.perf_counter()
            gate.get(path, params=params).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    yield Figure("gate.list_executions_p50_ms", p50(times), "ms", "≤ 20")
    yield Figure("platform.rss_mb_after_load", resident_mb(pids), "MB", "")
    for name, part in platform.parts().items():
        yield Figure(f"platform.rss_mb.{name}", resident_mb([part.pid]), "MB", "")


def _write_figures(platform: Platform) -> Iterator[Figure]:
    """What Postgres writes for executions, with all that the platform does around them (events, bells)."""
    writes = Writes(platform.database_url)
    _run_all(platform, chain("written", 10), 20)
    writes.checkpoint()
    _run_all(platform, chain("written", 10), 20)
    single: list[float] = []
    for _ in range(40):
        before = writes.read()
        _run_all(platform, chain("single", 1), 1)
        single.append(float(writes.read().since(before).bytes))
    counted, before = writes.all_transactions(), writes.read()
    _run_all(platform, chain("written", 10), 100)
    written, counted = writes.read().since(before), writes.all_transactions() - counted
    yield Figure("orca.wal_bytes_per_stage", written.bytes / 1000, "B")
    yield Figure("orca.wal_bytes_one_stage_execution_p95", p95(single), "B", "≤ 20480 a transition")
    yield Figure("orca.writing_transactions_per_stage", written.transactions / 1000, "")
    yield Figure("orca.transactions_per_stage", counted / 1000, "")


def workers_suite(_: int) -> Iterator[Figure]:
    """What a second worker brings: with calls that take a second, and with processor time only."""
    configuration = Configuration(overrides=CALLS_OPEN)
    with (
        tempfile.TemporaryDirectory() as folder,
        slow_server() as slow,
        Platform(Path(folder) / "home", ports=Ports.free(), configuration=configuration) as platform,
    ):
        _run_all(platform, chain("warm", 10), 50)
        _run_all(platform, calls("warm", slow, 16), 1)
        one = _calls_per_second(platform, slow), _stages_per_second(platform)
        with another_worker(platform):
            _run_all(platform, chain("warm", 10), 50)
            two = _calls_per_second(platform, slow), _stages_per_second(platform)
    yield Figure("workers.slow_calls_per_second_one", one[0], "1/s", f"≤ {8 / CALL_SECONDS:g} (8 threads)")
    yield Figure("workers.slow_calls_per_second_two", two[0], "1/s")
    yield Figure("workers.slow_calls_two_over_one", two[0] / one[0], "×", "≥ 1.7")
    yield Figure("workers.stages_per_second_one", one[1], "1/s")
    yield Figure("workers.stages_per_second_two", two[1], "1/s")
    yield Figure("workers.stages_two_over_one", two[1] / one[1], "×", f"≥ 1.7 with free cores (here {_cores()})")


def _calls_per_second(platform: Platform, slow: str) -> float:
    return p50([64_000 / _run_all(platform, calls("calls", slow, 32), 2).milliseconds for _ in range(3)])


def _stages_per_second(platform: Platform) -> float:
    return p50([2_000_000 / _run_all(platform, chain("many", 10), 200).milliseconds for _ in range(3)])


def million_suite(executions: int) -> Iterator[Figure]:
    """Lists, searches and the engine over a long history; half of it is one application's."""
    with tempfile.TemporaryDirectory() as folder, Platform(Path(folder) / "home", ports=Ports.free()) as platform:
        pids = [part.pid for part in platform.parts().values()]
        yield from _engine_figures(platform, pids, "million.before")
        size = write_history(platform.database_url, executions)
        yield Figure("million.executions", executions, "")
        yield Figure("million.write_seconds", size.seconds, "s")
        yield Figure("million.tables_gb", size.tables / 1e9, "GB")
        yield Figure("million.indexes_gb", size.indexes / 1e9, "GB")
        for name, service, path, params in searches(executions):
            with httpx.Client(base_url=platform.url(service), timeout=60) as client:
                client.get(path, params=params).raise_for_status()
                times: list[float] = []
                before = cpu_seconds(pids)
                for _ in range(50):
                    started = time.perf_counter()
                    client.get(path, params=params).raise_for_status()
                    times.append((time.perf_counter() - started) * 1000)
                used = cpu_seconds(pids) - before
            goal = "≤ 20" if name == "list_25" else ""
            yield Figure(f"million.{service}.{name}_p50_ms", p50(times), "ms", goal)
            yield Figure(f"million.{service}.{name}_cpu_ms", used * 1000 / len(times), "ms")
        yield from _engine_figures(platform, pids, "million.after")


def _engine_figures(platform: Platform, pids: list[int], prefix: str) -> Iterator[Figure]:
    _run_all(platform, chain(BIG_APPLICATION, 10), 50)
    before = cpu_seconds(pids)
    many = _run_all(platform, chain(BIG_APPLICATION, 10), 200)
    yield Figure(f"{prefix}.stages_per_second", 2_000_000 / many.milliseconds, "1/s")
    yield Figure(f"{prefix}.cpu_ms_per_stage", (cpu_seconds(pids) - before) * 1000 / 2000, "ms")


def hotpath_suite(_: int) -> Iterator[Figure]:
    """The engine alone, in this process."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as postgres:
        engine = Engine(postgres.url)
        engine.advance(engine.start(chain("warm", 10), 20))
        for name, body, count, stages in (
            ("chain10", chain("chain", 10), 200, 10),
            ("one", chain("one", 1), 400, 1),
            ("fan100", fan_out("fan", 100), 20, 102),
        ):
            wall, processor = engine.advance(engine.start(body, count))
            yield Figure(f"hotpath.{name}_ms_per_stage", wall * 1000 / count / stages, "ms")
            yield Figure(f"hotpath.{name}_python_ms_per_stage", processor * 1000 / count / stages, "ms")
        engine.close()


@dataclass(frozen=True, slots=True)
class Run:
    """Executions that have run: how they were started, and the time from the first start to the last end (ms)."""

    submission: Submission
    milliseconds: float


def _run_all(platform: Platform, body: dict[str, object], count: int) -> Run:
    """Run `count` executions of a pipeline to their ends."""
    ends = Ends(platform.redis_url)
    submission = asyncio.run(submit(platform.url("orca"), body, count))
    events = ends.collect(submission.ids, _WAIT)
    failed = [event for event in events.values() if event["status"] != "SUCCEEDED"]
    assert not failed, failed[0]
    return Run(submission, max(event["endTime"] for event in events.values()) - submission.sent_at)


SUITES: dict[str, Callable[[int], Iterator[Figure]]] = {
    "up": up_suite,
    "orca": orca_suite,
    "workers": workers_suite,
    "million": million_suite,
    "hotpath": hotpath_suite,
}
DAILY = ("up", "orca", "workers")


def _cores() -> int:
    return psutil.cpu_count() or 1


def _part(figures: list[Figure]) -> str:
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    load = psutil.getloadavg()[2]
    return (
        f"At {revision} on {datetime.now(UTC):%Y-%m-%d}: {_cores()} cores ({machine.machine()}), Python "
        f"{machine.python_version()}, Postgres and Redis embedded, the driver on the same cores; load of the "
        f"machine over 15 minutes: {load:.1f}.\n\n{table(figures)}"
    )


if __name__ == "__main__":
    main()
