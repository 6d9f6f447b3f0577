"""`gennaker application …`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, read_object, show_json
from gennaker.exits import Exit, GennakerError

applications = typer.Typer(help="Applications.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The application's name.")]


@applications.command("save")
def save(
    name: NameArgument,
    email: Annotated[str | None, typer.Option(help="Whom to write to about it.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Its attributes, JSON or YAML.")] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Create an application, or update it."""
    from gennaker.gate import Gate

    attributes: dict[str, Any] = read_object(file) if file else {}
    given = {"email": email, "description": description}
    attributes |= {"cloudProviders": "kubernetes"} | {k: v for k, v in attributes.items() if v is not None}
    attributes |= {key: value for key, value in given.items() if value is not None} | {"name": name}
    if not attributes.get("email"):
        raise GennakerError("An application needs an email address: --email.", Exit.USAGE)
    with Gate(gate_url) as gate:
        job = {"type": "createApplication", "application": attributes}
        task = gate.run_task(name, f"Create Application: {name}", job)
    if output is Output.json:
        show_json(task)
    else:
        print(f"Application {name} is saved.")


@applications.command("get")
def get(name: NameArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """Show an application."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        application = gate.get("applications", name, expand="false")
    if output is Output.json:
        show_json(application)
        return
    for key, value in application.get("attributes", {}).items():
        print(f"{key:<18} {value}")


@applications.command("list")
def list_all(gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """List the applications."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = sorted(gate.get("applications"), key=lambda application: str(application.get("name", "")).lower())
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import table

    table(("NAME", "EMAIL", "ACCOUNTS"), [(a.get("name"), a.get("email"), a.get("accounts")) for a in found])


@applications.command("delete")
def delete(name: NameArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """Delete an application; its pipelines go with it."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        gate.get("applications", name, expand="false")
        job = {"type": "deleteApplication", "application": {"name": name}}
        task = gate.run_task(name, f"Delete Application: {name}", job)
    if output is Output.json:
        show_json(task)
    else:
        print(f"Application {name} is deleted.")
