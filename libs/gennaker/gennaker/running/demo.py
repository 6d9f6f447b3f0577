"""`gennaker demo`: the tutorial, done for you. It starts what it needs and shows each command before it runs."""

import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gennaker.cli.tables import duration
from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate
from gennaker.platform import Configuration, Platform, Ports
from gennaker.running.status import StatusLines
from gennaker.running.up import addresses, interrupts
from gennaker.sandbox import Cluster, NamedCluster, Sandbox, with_account
from gennaker.watching.follow import follow_execution, has_ended
from gennaker.watching.show import shower

APPLICATION = "tutorial"
_PIPELINE = "pipeline.json"
_FAULTY_PIPELINE = "pipeline-with-a-fault.json"
_PAYLOAD = "webhook.json"
_NAMESPACES = ("staging", "production")
_STARTS_SECONDS = 30.0
_RUN_SECONDS = 300.0
_CONTAINER = ".spec.template.spec.containers[0]"
_BOUND = f"jsonpath={{{_CONTAINER}.image}} {{{_CONTAINER}.envFrom[0].configMapRef.name}}"


def run(home: Path | None, *, kubeconfig: Path | None) -> Exit:
    """Run the demo; gives the result of the pipeline. Raises `GennakerError` when it can't get that far."""
    tutorial = _tutorial()
    with contextlib.ExitStack() as stack:
        stack.enter_context(interrupts())
        folder = home or stack.enter_context(_temporary_home())
        lines = StatusLines()
        _say("Start a cluster and the platform")
        cluster = _cluster(folder, kubeconfig, lines)
        stack.callback(cluster.stop)
        ports = Ports() if not Ports().in_use() else Ports.free()
        platform = Platform(
            folder, configuration=with_account(Configuration(), cluster), ports=ports, report=lines.report
        )
        stack.enter_context(platform)
        with Gate(platform.gate_url) as gate:
            ended = _deliver(gate, cluster, tutorial)
            _undo(gate, cluster, tutorial)
        if sys.stdout.isatty():
            print(f"\n{_result(ended)}\n\nThe platform stays up until Ctrl-C.\n{addresses(platform)}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
            print("\nStopping …", flush=True)
    print(_result(ended), flush=True)
    return Exit.OK if ended["status"] == "SUCCEEDED" else Exit.FAILED


def _deliver(gate: Gate, cluster: Cluster, tutorial: Path) -> dict[str, Any]:
    """The main job: webhook, staging, approval, production."""
    _say("Make the namespaces, the application and the pipeline")
    for namespace in _NAMESPACES:
        _make_namespace(cluster, namespace)
    _gennaker(gate, "application", "save", APPLICATION, "--email", "you@example.com")
    _gennaker(gate, "pipeline", "save", str(tutorial / _PIPELINE))

    _say("CI has built an image and tells of it")
    event_id = _fire_webhook(gate, tutorial / _PAYLOAD)
    execution_id = _started_by(gate, event_id)

    _say("The pipeline deploys to staging and waits for a person")
    _follow(gate, execution_id, until=_waits_for_judgment)
    _say("A person approves, and it goes to production")
    _gennaker(gate, "judge", execution_id, "continue")
    ended = _follow(gate, execution_id)

    _say("What the cluster has now; the ConfigMap has a version, and the Deployment uses that one")
    _kubectl(
        cluster,
        "get",
        "deployment,service,configmap",
        "--namespace=production",
        "--selector=app.kubernetes.io/name=tutorial",
    )
    _kubectl(cluster, "get", "deployment", "web", "--namespace=production", f"--output={_BOUND}")
    return ended


def _undo(gate: Gate, cluster: Cluster, tutorial: Path) -> None:
    """The failing variant: a rollout that can't become ready is undone."""
    _say("A rollout that no node can take: it fails by its deadline, and the pipeline undoes it")
    _gennaker(gate, "pipeline", "save", str(tutorial / _FAULTY_PIPELINE))
    name = str(json.loads((tutorial / _FAULTY_PIPELINE).read_text())["name"])
    started = gate.post("pipelines", APPLICATION, name, body={"type": "manual", "parameters": {"tag": "1.5.0"}})
    print(f"$ gennaker pipeline execute {APPLICATION} {shlex.quote(name)} -p tag=1.5.0 --watch", flush=True)
    ended = _follow(gate, started["ref"].rsplit("/", 1)[-1])
    _kubectl(cluster, "get", "deployment", "web", "--namespace=production", f"--output={_BOUND}")
    _kubectl(cluster, "rollout", "history", "deployment/web", "--namespace=production")
    if ended["status"] != "SUCCEEDED":
        raise GennakerError(f"The failing variant ended {ended['status']} instead of undoing its rollout.", Exit.FAILED)


def _tutorial() -> Path:
    for root in (Path(), *Path(__file__).resolve().parents):
        if (root / "docs" / "tutorial" / _PIPELINE).is_file():
            return root / "docs" / "tutorial"
    raise GennakerError("The demo needs the folder docs/tutorial of Gennaker's source. Run it there.", Exit.USAGE)


@contextlib.contextmanager
def _temporary_home() -> Iterator[Path]:
    """A home that is deleted at the end; kept when the demo fails, for its logs."""
    folder = Path(tempfile.mkdtemp(prefix="gennaker-demo-"))
    try:
        yield folder
    except Exception:
        print(f"The logs are in {folder / 'logs'}.", file=sys.stderr, flush=True)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _cluster(home: Path, kubeconfig: Path | None, lines: StatusLines) -> Cluster:
    if kubeconfig is not None:
        return NamedCluster(kubeconfig)
    sandbox = Sandbox(home / "sandbox")
    begun = lines.ready()
    sandbox.start()
    lines.report("Sandbox", "a Kubernetes control plane on loopback", lines.ready() - begun)
    return sandbox


def _make_namespace(cluster: Cluster, namespace: str) -> None:
    if namespace in cluster.kubectl("get", "namespaces", "--output=jsonpath={.items[*].metadata.name}").split():
        return
    _kubectl(cluster, "create", "namespace", namespace)


def _gennaker(gate: Gate, *arguments: str) -> None:
    """Show a command and run it, as a person would."""
    print(f"$ {shlex.join(['gennaker', *arguments])}", flush=True)
    done = subprocess.run([sys.executable, "-m", "gennaker", *arguments, "--gate", gate.url], check=False)
    if done.returncode != 0:
        raise GennakerError(
            f"'gennaker {arguments[0]} {arguments[1]}' ended with exit code {done.returncode}.", Exit.FAILED
        )


def _kubectl(cluster: Cluster, *arguments: str) -> None:
    print(f"$ {shlex.join(['kubectl', *arguments])}", flush=True)
    print(cluster.kubectl(*arguments).strip(), flush=True)


def _fire_webhook(gate: Gate, payload: Path) -> str:
    url = f"{gate.url}/webhooks/webhook/ci"
    command = ["curl", "-sS", "-H", "Content-Type: application/json", "-d", f"@{payload}", url]
    print(f"$ {shlex.join(command)}", flush=True)
    if shutil.which("curl"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GennakerError(f"curl failed: {done.stderr.strip()}", Exit.FAILED)
        said = done.stdout
    else:
        said = json.dumps(gate.post("webhooks", "webhook", "ci", body=json.loads(payload.read_text())))
    print(said.strip(), flush=True)
    try:
        return str(json.loads(said)["eventId"])
    except (ValueError, KeyError, TypeError) as error:
        raise GennakerError(f"Gate did not take the webhook: {said.strip()}", Exit.FAILED) from error


def _started_by(gate: Gate, event_id: str) -> str:
    """Wait for the execution that an event starts; gives its id."""
    deadline = time.monotonic() + _STARTS_SECONDS
    while time.monotonic() < deadline:
        for execution in gate.get("applications", APPLICATION, "pipelines", limit=5):
            if execution.get("trigger", {}).get("eventId") == event_id:
                return str(execution["id"])
        time.sleep(0.1)
    raise GennakerError(f"No execution was started by event {event_id} within {_STARTS_SECONDS:g} s.", Exit.FAILED)


def _waits_for_judgment(execution: dict[str, Any]) -> bool:
    return any(s["type"] == "manualJudgment" and s["status"] == "RUNNING" for s in execution["stages"])


def _follow(gate: Gate, execution_id: str, until: Any = has_ended) -> dict[str, Any]:
    with shower() as show:
        return follow_execution(gate, execution_id, show, timeout=_RUN_SECONDS, until=until, fresh=True)


def _say(what: str) -> None:
    bold = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold[0]}── {what}{bold[1]}", flush=True)


def _result(execution: dict[str, Any]) -> str:
    took = duration(execution.get("startTime"), execution.get("endTime"))
    return f"Execution {execution['id']} of '{execution['name']}': {execution['status']} in {took}"
