"""`gennaker pipeline …`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.cli.executions import cancel, follow, watch
from gennaker.cli.options import (
    GATE_URL,
    GateOption,
    Output,
    OutputOption,
    ParameterOption,
    TimeoutOption,
    WatchOption,
    read_object,
    read_parameters,
    show_json,
)
from gennaker.cli.planning import plan
from gennaker.exits import Exit, GennakerError

pipelines = typer.Typer(help="Pipelines, and their runs.", no_args_is_help=True)
ApplicationArgument = Annotated[str, typer.Argument(help="The application.")]
PipelineArgument = Annotated[str, typer.Argument(help="The pipeline's name or id.")]


@pipelines.command("save")
def save(
    file: Annotated[Path, typer.Argument(help="The pipeline, JSON or YAML; '-' reads standard input.")],
    application: Annotated[str | None, typer.Option("--application", "-a", help="Instead of the file's.")] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Instead of the file's.")] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Create a pipeline, or update the one of the same name."""
    from gennaker.gate import Gate

    pipeline = read_object(file)
    pipeline |= {k: v for k, v in (("application", application), ("name", name)) if v is not None}
    for key in ("application", "name"):
        if not isinstance(pipeline.get(key), str) or not pipeline[key].strip():
            raise GennakerError(f"{file} names no {key}; add it, or give --{key}.", Exit.USAGE)
    with Gate(gate_url) as gate:
        known = _find(gate, pipeline["application"], pipeline["name"])
        if known is not None:
            pipeline["id"] = known["id"]
        gate.post("pipelines", body=pipeline)
        saved = gate.get("applications", pipeline["application"], "pipelineConfigs", pipeline["name"])
    if output is Output.json:
        show_json(saved)
    else:
        print(f"Pipeline {saved['name']} of {saved['application']} is saved ({saved['id']}).")


@pipelines.command("get")
def get(
    application: ApplicationArgument,
    name: PipelineArgument,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.json,
) -> None:
    """Show a pipeline; as JSON unless asked otherwise, so that it can be saved again."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        pipeline = gate.get("applications", application, "pipelineConfigs", name)
    if output is Output.json:
        show_json(pipeline)
        return
    from gennaker.cli.tables import table, when

    print(f"{pipeline['name']} ({pipeline['id']}), saved {when(int(pipeline.get('updateTs') or 0))}")
    stages: list[dict[str, Any]] = pipeline.get("stages", [])
    rows = [
        (s.get("refId"), s.get("type"), s.get("name"), ", ".join(s.get("requisiteStageRefIds", []))) for s in stages
    ]
    table(("REF", "TYPE", "STAGE", "AFTER"), rows)


@pipelines.command("list")
def list_all(
    application: ApplicationArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human
) -> None:
    """List the pipelines of an application."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("applications", application, "pipelineConfigs")
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import table

    rows = [(p["name"], p["id"], len(p.get("stages", [])), "disabled" if p.get("disabled") else "") for p in found]
    table(("NAME", "ID", "STAGES", ""), rows)


@pipelines.command("delete")
def delete(application: ApplicationArgument, name: PipelineArgument, gate_url: GateOption = GATE_URL) -> None:
    """Delete a pipeline; its executions stay."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        pipeline = gate.get("applications", application, "pipelineConfigs", name)
        gate.delete("pipelines", application, pipeline["name"])
    print(f"Pipeline {pipeline['name']} of {application} is deleted.")


@pipelines.command("execute")
def execute(
    application: ApplicationArgument,
    name: PipelineArgument,
    parameter: ParameterOption = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Parameters, a JSON or YAML object.")] = None,
    watching: WatchOption = False,
    timeout: TimeoutOption = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Start a pipeline by hand; prints the execution's id."""
    from gennaker.gate import Gate
    from gennaker.watching.follow import await_execution

    parameters: dict[str, Any] = read_object(file) if file else {}
    parameters |= read_parameters(parameter)
    with Gate(gate_url) as gate:
        body = {"type": "manual", "parameters": parameters}
        execution_id = gate.post("pipelines", application, name, body=body)["ref"].rsplit("/", 1)[-1]
        if watching:
            follow(gate, execution_id, output, timeout, fresh=True)
            return
        await_execution(gate, execution_id)
        if output is Output.json:
            show_json({"id": execution_id, "ref": f"/pipelines/{execution_id}"})
        else:
            print(execution_id)


def _find(gate: Any, application: str, name: str) -> dict[str, Any] | None:
    try:
        return gate.get("applications", application, "pipelineConfigs", name)
    except GennakerError as error:
        if error.code is not Exit.NOT_FOUND:
            raise
        return None


pipelines.command("plan")(plan)
pipelines.command("watch")(watch)
pipelines.command("cancel")(cancel)
