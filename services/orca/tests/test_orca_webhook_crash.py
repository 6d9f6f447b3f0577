"""A worker that is killed in the middle of a webhook's call: the call is repeated with the same id, and no other."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from kork.testing.peers import Reply, Request, serve
from orca.settings import OrcaSettings
from orca.testing.running import running_orca, working

RESTRICTIONS = {"allowedHostnamesRegex": "", "rejectLocalhost": False, "rejectVerbatimIps": False}


def test_a_call_that_a_crash_cut_off_is_repeated_with_its_id(
    new_orca_settings: Callable[..., OrcaSettings], wait_until: Callable[..., None], tmp_path: Path
):
    quick = {"leaseSeconds": 0.4, "ringAgainSeconds": 0.3}
    settings = new_orca_settings(executions=quick, userConfiguredUrlRestrictions=RESTRICTIONS)
    file = tmp_path / "gennaker.yml"
    file.write_text(
        json.dumps(
            {
                "database": {"url": settings.database.url},
                "redis": {"url": settings.redis.url},
                "executions": quick,
                "userConfiguredUrlRestrictions": RESTRICTIONS,
            }
        )
    )
    dead = threading.Event()

    def reply(request: Request) -> Reply:
        if request.path == "/slow":
            dead.wait(60)
        return 200, {"done": True}

    with serve(reply) as peer, running_orca(settings, worker=False) as running:
        command = [sys.executable, "-m", "orca", "worker"]
        process = subprocess.Popen(
            command,
            env=os.environ | {"GENNAKER_CONFIG": str(file)},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            slow, quick_one = (
                running.start({"type": "webhook", "refId": "1", "name": path, "url": f"{peer.url}/{path}"})
                for path in ("slow", "quick")
            )
            wait_until(lambda: peer.asked("POST", "/slow"), timeout=60)
            assert running.wait_end(quick_one)["status"] == "SUCCEEDED"
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
            dead.set()
        with working(settings):
            ended = running.wait_end(slow)
    assert ended["status"] == "SUCCEEDED", ended
    assert ended["stages"][0]["context"]["webhook"]["body"] == {"done": True}
    keys = [request.headers["idempotency-key"] for request in peer.asked("POST", "/slow")]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert len(peer.asked("POST", "/quick")) == 1
