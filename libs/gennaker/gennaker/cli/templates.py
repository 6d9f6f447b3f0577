"""`gennaker pipeline-template …`"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, read_object, show_json
from gennaker.exits import Exit, GennakerError

templates = typer.Typer(help="Pipeline templates, and the pipelines that use them.", no_args_is_help=True)

TAGS = ("latest", "stable", "unstable", "experimental", "test", "canary")
_SPINNAKER = "spinnaker://"

IdArgument = Annotated[str, typer.Argument(help="The template's id.", metavar="ID")]
TagOption = Annotated[str | None, typer.Option("--tag", help=f"Which version: {', '.join(TAGS)}.")]
DigestOption = Annotated[str | None, typer.Option("--digest", help="Which version, by its SHA-256.")]


@templates.command("save")
def save(
    file: Annotated[Path, typer.Argument(help="The template, JSON or YAML; '-' reads standard input.")],
    tag: TagOption = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Create a template, or a new version of the one with the same id; it becomes the latest."""
    from gennaker.gate import Gate

    template = read_object(file)
    id = template.get("id")
    if not isinstance(id, str) or not id.strip():
        raise GennakerError(f"{file} names no id; add it.", Exit.USAGE)
    wanted = _tag(tag or template.get("tag"))
    with Gate(gate_url) as gate:
        path = ("update", id) if _is_there(gate, id, wanted) else ("create",)
        task = gate.post("v2", "pipelineTemplates", *path, body={"schema": "v2"} | template, tag=wanted)
    if output is Output.json:
        show_json(task)
    else:
        print(f"Pipeline template {id}{f':{wanted}' if wanted else ''} is saved.")


@templates.command("get")
def get(
    id: IdArgument,
    tag: TagOption = None,
    digest: DigestOption = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.json,
) -> None:
    """Show a template; as JSON unless asked otherwise, so that it can be saved again."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        template = gate.get("v2", "pipelineTemplates", id, tag=_tag(tag), digest=digest)
    if output is Output.json:
        show_json(template)
        return
    from gennaker.cli.tables import table, when

    metadata = template.get("metadata") or {}
    print(f"{template['id']}: {metadata.get('name')}, saved {when(int(template.get('updateTs') or 0))}")
    print(metadata.get("description") or "")
    rows = [
        (each.get("name"), each.get("type") or "object", _shown_default(each), each.get("description"))
        for each in template.get("variables") or []
    ]
    table(("VARIABLE", "TYPE", "DEFAULT", "DESCRIPTION"), rows)


@templates.command("list")
def list_all(
    scopes: Annotated[list[str] | None, typer.Option("--scopes", help="Only of these; may be repeated.")] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """List the templates."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("v2", "pipelineTemplates", scopes=scopes or None)
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import table

    by_id: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_id.setdefault(each["id"], []).append(each)
    rows = [
        (
            id,
            (versions[0].get("metadata") or {}).get("name"),
            ", ".join(sorted({each["tag"] for each in versions if each.get("tag") and "digest" not in each})),
            ", ".join((versions[0].get("metadata") or {}).get("scopes") or []),
        )
        for id, versions in sorted(by_id.items())
    ]
    table(("ID", "NAME", "TAGS", "SCOPES"), rows)


@templates.command("delete")
def delete(id: IdArgument, tag: TagOption = None, digest: DigestOption = None, gate_url: GateOption = GATE_URL) -> None:
    """Delete a version of a template that no pipeline uses."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        gate.delete("v2", "pipelineTemplates", id, tag=_tag(tag), digest=digest)
    print(f"Pipeline template {id}{f':{tag}' if tag else ''} is deleted.")


@templates.command("dependents")
def dependents(id: IdArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """List the pipelines that use a template."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("v2", "pipelineTemplates", id, "dependents")
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import table

    table(
        ("APPLICATION", "PIPELINE", "ID"),
        [(each.get("application"), each.get("pipelineName"), each.get("pipelineConfigId")) for each in found],
    )


@templates.command("plan")
def plan(
    file: Annotated[Path, typer.Argument(help="The pipeline that uses a template; '-' reads standard input.")],
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.json,
) -> None:
    """Show the pipeline that a use of a template becomes; nothing is saved, nothing starts."""
    from gennaker.gate import Gate

    config = read_object(file)
    if not config.get("schema"):
        raise GennakerError(f"{file} names no schema; a use of a template has 'schema: v2'.", Exit.USAGE)
    with Gate(gate_url) as gate:
        planned = gate.post("v2", "pipelineTemplates", "plan", body=config)
    if output is Output.json:
        show_json(planned)
        return
    from gennaker.cli.tables import table

    print(f"{planned.get('name')} of {planned.get('application')}")
    rows = [
        (each.get("refId"), each.get("type"), each.get("name"), ", ".join(each.get("requisiteStageRefIds") or []))
        for each in planned.get("stages") or []
    ]
    table(("REF", "TYPE", "STAGE", "AFTER"), rows)


@templates.command("use")
def use(
    id: IdArgument,
    application: Annotated[str, typer.Option("--application", "-a", help="Whose pipeline it will be.")],
    name: Annotated[str, typer.Option("--name", "-n", help="What the pipeline will be called.")],
    tag: TagOption = None,
    digest: DigestOption = None,
    description: Annotated[str, typer.Option("--description", "-d", help="What it does.")] = "",
    set_values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A variable's value, JSON or text; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    values: Annotated[
        list[Path] | None, typer.Option("--values", help="Values of variables, JSON or YAML; may be repeated.")
    ] = None,
) -> None:
    """Print a pipeline that uses a template, to be saved with `gennaker pipeline save`. Nothing is asked of gate."""
    if tag and digest:
        raise GennakerError("Give --tag or --digest, not both.", Exit.USAGE)
    variables: dict[str, Any] = {}
    for file in values or []:
        variables |= read_object(file)
    for text in set_values or []:
        key, value = _assignment(text)
        variables[key] = value
    version = f":{_tag(tag)}" if tag else f"@sha256:{digest.removeprefix('sha256:')}" if digest else ""
    show_json(
        {
            "schema": "v2",
            "type": "templatedPipeline",
            "application": application,
            "name": name,
            "description": description,
            "template": {
                "artifactAccount": "front50ArtifactCredentials",
                "reference": f"{_SPINNAKER}{id.removeprefix(_SPINNAKER)}{version}",
                "type": "front50/pipelineTemplate",
            },
            "variables": variables,
            "exclude": [],
            "triggers": [],
            "parameters": [],
            "notifications": [],
            "stages": [],
        }
    )


def _assignment(text: str) -> tuple[str, Any]:
    """Take NAME=VALUE apart; a value that is JSON is what it says, any other is text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise GennakerError(f"'{text}' is no variable; write NAME=VALUE.", Exit.USAGE)
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value


def _tag(tag: Any) -> str | None:
    if tag and tag not in TAGS:
        raise GennakerError(f"'{tag}' is no tag; tags are {', '.join(TAGS)}.", Exit.USAGE)
    return tag or None


def _is_there(gate: Any, id: str, tag: str | None) -> bool:
    try:
        gate.get("v2", "pipelineTemplates", id, tag=tag)
    except GennakerError as error:
        if error.code is not Exit.NOT_FOUND:
            raise
        return False
    return True


def _shown_default(variable: dict[str, Any]) -> str:
    default = variable.get("defaultValue")
    if default is not None:
        return str(default)
    return "(null)" if variable.get("nullable") else "(required)"
