"""`gennaker up`, `gennaker demo`, `gennaker doctor`"""

import gc
from pathlib import Path
from typing import Annotated

import typer

from gennaker.cli.options import ConfigOption, HomeOption, Output, OutputOption
from gennaker.exits import Exit

_HOME = Path("~/.gennaker")
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Use this cluster, as the account 'sandbox'.", metavar="FILE")
]


def up(
    home: HomeOption = _HOME,
    config: ConfigOption = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Start a Kubernetes cluster to try things on.")] = False,
    kubeconfig: KubeconfigOption = None,
    reset: Annotated[bool, typer.Option("--reset", help="Delete the platform's data first.")] = False,
    port_offset: Annotated[int, typer.Option("--port-offset", help="Move all ports by so much.")] = 0,
    logs: Annotated[bool, typer.Option("--logs", help="Show the APIs' log here instead of keeping it.")] = False,
) -> None:
    """Run the platform until Ctrl-C."""
    # What is imported at the start is no garbage; looking for some costs a twelfth of the start.
    gc.disable()
    from gennaker.platform import Ports
    from gennaker.running.up import run

    ports = Ports.standard(port_offset) if port_offset else None
    code = run(home, config=config, ports=ports, sandbox=sandbox, kubeconfig=kubeconfig, reset=reset, logs=logs)
    raise typer.Exit(code)


def demo(
    home: Annotated[
        Path | None, typer.Option("--home", help="Keep the data here instead of in a temporary folder.")
    ] = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Take a webhook to a rolled-out Deployment: start everything and run the tutorial's pipelines.

    The exit code is the pipeline's result. On a terminal the platform then stays up until Ctrl-C.
    """
    from gennaker.running.demo import run

    raise typer.Exit(run(home, kubeconfig=kubeconfig))


def doctor(home: HomeOption = _HOME, config: ConfigOption = None, output: OutputOption = Output.human) -> None:
    """Check, live, everything that the settings name. Exit code 1 when something is broken."""
    from gennaker.running.doctor import examine, show_findings

    findings = examine(home, config)
    show_findings(findings, as_json=output is Output.json)
    raise typer.Exit(Exit.FAILED if any(finding.state == "broken" for finding in findings) else Exit.OK)
