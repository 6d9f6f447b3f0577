"""`python -m testcluster`: a control plane for people.

build                  build the programs, or say where they are
start                  run a cluster until Ctrl-C
kubectl ARGUMENT…      speak to the cluster that `start` runs
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from testcluster.controlplane import TestCluster
from testcluster.errors import ClusterError
from testcluster.programs import PROGRAMS, cache_folder, ensure_programs
from testcluster.shared import keep


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testcluster", description="A real Kubernetes control plane on loopback."
    )
    commands = parser.add_subparsers(required=True, metavar="build|start|kubectl")
    commands.add_parser("build", help="build the programs, or say where they are").set_defaults(run=_build)
    start = commands.add_parser("start", help="run a cluster until Ctrl-C")
    start.add_argument("--nodes", type=int, default=1, help="simulated nodes (default: 1)")
    start.set_defaults(run=_start)
    kubectl = commands.add_parser("kubectl", help="speak to the cluster that `start` runs")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    kubectl.set_defaults(run=_kubectl)
    for command in (start, kubectl):
        folder = cache_folder() / "cluster" / "started"
        command.add_argument("--directory", type=Path, default=folder, help=f"its files (default: {folder})")
    keeper = commands.add_parser("keep")
    keeper.add_argument("folder", type=Path)
    keeper.set_defaults(run=_keep)
    return parser


def _build(_: argparse.Namespace) -> int:
    programs = ensure_programs()
    for name in PROGRAMS:
        print(programs[name])
    return 0


def _start(given: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with TestCluster(given.directory, nodes=given.nodes) as cluster:
            print(f"The cluster answers at {cluster.url}. To use it:\n\n  export KUBECONFIG={cluster.kubeconfig}\n")
            print("Ctrl-C ends it; its objects stay for the next start.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


def _kubectl(given: argparse.Namespace) -> int:
    kubeconfig = given.directory / "kubeconfig"
    if not kubeconfig.exists():
        raise ClusterError(f"There is no cluster in {given.directory}. Start one: python -m testcluster start")
    program = ensure_programs()["kubectl"]
    os.execv(program, [program, f"--kubeconfig={kubeconfig}", *given.arguments])


def _keep(given: argparse.Namespace) -> int:
    keep(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
