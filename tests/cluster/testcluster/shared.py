"""One cluster for several processes: it runs while any of them uses it, and ends when none is left.

A user holds a shared lock on a file; the keeper, a process of its own that owns the cluster, waits for the
exclusive lock. The kernel drops the locks of a process that dies, however it dies.
"""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testcluster.access import ClusterAccess
from testcluster.controlplane import TestCluster
from testcluster.errors import ClusterError

_USERS = "users.lock"
_STARTING = "starting.lock"
_READY = "ready.json"
_START_SECONDS = 110.0
_POLL_SECONDS = 0.05


@contextmanager
def shared_cluster(folder: Path) -> Iterator[ClusterAccess]:
    """Use the cluster of `folder`, starting it when nobody has; it ends after the last who uses it.

    The programs must be there (`ensure_programs`). Raises `ClusterError` when it can't be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _USERS).open("w") as users:
        with (folder / _STARTING).open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (folder / _READY).exists():
                _start_keeper(folder)
        ready = json.loads((folder / _READY).read_text())
        yield ClusterAccess(Path(ready["kubeconfig"]), ready["url"], Path(ready["kubectl"]), folder / "accounts")


def keep(folder: Path) -> None:
    """Run the cluster of `folder` until nobody uses it any more (the keeper's whole life)."""
    ready = folder / _READY
    with TestCluster(folder / "cluster") as cluster:
        described = {
            "kubeconfig": str(cluster.kubeconfig),
            "url": cluster.url,
            "kubectl": str(cluster.access.program),
        }
        unfinished = ready.with_suffix(".new")
        unfinished.write_text(json.dumps(described))
        unfinished.rename(ready)
        with (folder / _USERS).open("w") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            ready.unlink()


def _start_keeper(folder: Path) -> None:
    log = folder / "keeper.log"
    with log.open("wb") as sink:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "testcluster", "keep", folder],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not (folder / _READY).exists():
        if keeper.poll() is not None:
            raise ClusterError(f"The test cluster did not start: {log.read_text().strip()[-1500:]}")
        if time.monotonic() > deadline:
            keeper.terminate()
            raise ClusterError(f"The test cluster was not ready after {_START_SECONDS:g} s; see {folder}.")
        time.sleep(_POLL_SECONDS)
