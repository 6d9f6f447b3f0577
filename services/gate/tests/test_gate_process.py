"""Gate as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2 as httpx
from gennaker.embedded.process import free_port

STARTS_WITHIN = 60


@contextmanager
def gate(**settings: str) -> Iterator[subprocess.Popen[str]]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GENNAKER_")}
    command = [sys.executable, "-m", "gate", "api"]
    process = subprocess.Popen(command, env=env | settings, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_open_gate_beyond_loopback_ends_with_one_line_that_says_what_to_set():
    with gate(GENNAKER_SERVICES__GATE__HOST="0.0.0.0") as process:
        _, said = process.communicate(timeout=STARTS_WITHIN)
    assert process.returncode == 1
    assert "security.allowAnonymous" in said
    assert "Traceback" not in said


def test_a_gate_that_is_told_to_stop_ends_its_streams_and_stops(redis_url: str, wait_until: Callable[..., None]):
    port = free_port()

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health/liveness").status_code == 200
        except httpx.TransportError:
            return False

    with gate(GENNAKER_SERVICES__GATE__PORT=str(port), GENNAKER_REDIS__URL=redis_url) as process:
        wait_until(answers, timeout=STARTS_WITHIN)
        with httpx.stream("GET", f"http://127.0.0.1:{port}/executions/stream", timeout=30) as response:
            lines = response.iter_lines()
            assert ": up to date" in (next(lines) for _ in range(4))
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert any("gate is stopping" in line for line in rest)
        process.wait(timeout=STARTS_WITHIN)
