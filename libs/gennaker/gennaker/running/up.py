"""`gennaker up`: the platform in this terminal, until Ctrl-C."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from kork.settings import LoggingSettings, ServiceSettings
from kork.telemetry import configure_logging
from kork.tracing import configure_tracing, end_tracing

from gennaker.exits import Exit
from gennaker.platform import Configuration, Home, Platform, PlatformError, Ports
from gennaker.running.status import StatusLines
from gennaker.sandbox import NamedCluster, Sandbox, with_account


def run(
    home: Path,
    *,
    config: Path | None,
    ports: Ports | None,
    sandbox: bool,
    kubeconfig: Path | None,
    reset: bool,
    logs: bool,
) -> Exit:
    """Run the platform until SIGINT or SIGTERM. Raises `PlatformError` when it can't start."""
    lines = StatusLines()
    configuration = Configuration(config)
    common = configuration.settings(ServiceSettings)
    print(f"Gennaker, with its data in {home.expanduser()}", flush=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(interrupts())
        platform = Platform(home, configuration=configuration, ports=ports, report=lines.report)
        platform.hold(reset=reset)
        stack.callback(platform.stop)
        stack.enter_context(_logging(platform.home, common.logging, to_terminal=logs))
        configure_tracing("gennaker", common.telemetry)
        stack.callback(end_tracing)
        if kubeconfig is not None or sandbox:
            cluster = NamedCluster(kubeconfig) if kubeconfig else _start_sandbox(platform.home, lines)
            stack.callback(cluster.stop)
            platform.configuration = with_account(configuration, cluster)
        platform.settle()
        platform.launch()
        import uvloop

        uvloop.run(_serve(platform, lines))
    print("Stopped.", flush=True)
    return Exit.OK


def _start_sandbox(home: Home, lines: StatusLines) -> Sandbox:
    cluster = Sandbox(home.sandbox)
    begun = lines.ready()
    cluster.start()
    lines.report("Sandbox", f"account 'sandbox'; look into it with {cluster.kubectl_command}", lines.ready() - begun)
    return cluster


async def _serve(platform: Platform, lines: StatusLines) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with platform.serve():
        gc.freeze()
        gc.enable()
        print(f"Ready in {lines.ready():.1f} s.", flush=True)
        print(addresses(platform), flush=True)
        print("Ctrl-C stops it.", flush=True)
        await stop.wait()
        print("\nStopping …", flush=True)


def addresses(platform: Platform) -> str:
    """Give the lines that say where the platform answers."""
    return "\n".join(
        (
            f"  Gate   {platform.gate_url}",
            f"  CI     POST {platform.gate_url}/webhooks/webhook/<source>",
            f"  CLI    gennaker --help{_hint(platform.gate_url)}",
            f"  Logs   {platform.home.logs}",
        )
    )


def _hint(gate_url: str) -> str:
    return "" if gate_url.endswith("127.0.0.1:8084") else f" (with GENNAKER_GATE={gate_url})"


@contextlib.contextmanager
def interrupts() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C, also while things start."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _logging(home: Home, settings: LoggingSettings, *, to_terminal: bool) -> Iterator[None]:
    """Write logs to the home, so that the terminal stays readable."""
    if to_terminal:
        configure_logging(settings)
        yield
        return
    try:
        sink = (home.logs / "platform.log").open("a")
    except OSError as error:
        raise PlatformError(f"{home.logs} can't be written: {(error.strerror or '').lower()}.") from error
    with sink:
        with contextlib.redirect_stderr(sink):
            configure_logging(settings)
        try:
            yield
        finally:
            sys.stderr.flush()
            configure_logging(settings)
