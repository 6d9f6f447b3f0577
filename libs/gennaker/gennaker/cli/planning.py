"""`gennaker pipeline plan`: what a pipeline would do, before it runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.cli.options import (
    GATE_URL,
    GateOption,
    Output,
    OutputOption,
    ParameterOption,
    read_document,
    read_object,
    read_parameters,
    show_json,
)
from gennaker.exits import Exit, GennakerError

_OUTCOMES = {"runs": "green", "skips": "dim", "fails": "bold red", "unknown": "yellow", "not reached": "dim"}
_ACTIONS = {
    "create": "green",
    "update": "yellow",
    "recreate": "yellow",
    "refused": "bold red",
    "unknown": "yellow",
    "unchanged": "dim",
    "ignored": "dim",
}
_LINES = {"+": "green", "-": "red", "@": "cyan"}
_VALUE_WIDTH = 200

Line = tuple[str, str]


def plan(
    application: Annotated[str | None, typer.Argument(help="The application; may be left out with --file.")] = None,
    name: Annotated[str | None, typer.Argument(help="The pipeline's name or id; may be left out with --file.")] = None,
    parameter: ParameterOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A pipeline that need not be saved, JSON or YAML; '-' reads it.")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option("--artifacts", help="The artifacts of the trigger: a list, JSON or YAML.")
    ] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Show what a pipeline would do if it started now, and change nothing.

    The exit code is 1 when something would go wrong.
    """
    from gennaker.gate import Gate

    trigger = {"type": "manual", "parameters": read_parameters(parameter), "artifacts": _artifacts(artifacts)}
    with Gate(gate_url) as gate:
        if file is not None:
            given = {key: value for key, value in (("application", application), ("name", name)) if value is not None}
            pipeline = {"application": "", "name": str(file)} | read_object(file) | given
            planned = gate.post("pipelines", "plan", body=pipeline | {"trigger": trigger})
        elif application is None or name is None:
            raise GennakerError("Name an application and a pipeline, or give a pipeline with --file.", Exit.USAGE)
        else:
            planned = gate.post("pipelines", application, name, "plan", body=trigger)
    if output is Output.json:
        show_json(planned)
    else:
        _show(planned)
    if planned["problems"]:
        raise typer.Exit(Exit.FAILED)


def _artifacts(file: Path | None) -> list[Any]:
    if file is None:
        return []
    document = read_document(file)
    if not isinstance(document, list):
        raise GennakerError(f"{file} must hold a list of artifacts, not a {type(document).__name__}.", Exit.USAGE)
    return document  # pyright: ignore[reportUnknownVariableType]


def _show(planned: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for text, style in lines_of(planned):
        console.print(Text(text, style=style))


def lines_of(planned: dict[str, Any]) -> Iterator[Line]:
    """Give a plan as lines for people, each with rich's style."""
    start = planned["start"]
    words = {"starts": "would start now", "waits": "would wait its turn", "refused": "would not start"}
    style = {"starts": "bold green", "waits": "bold yellow", "refused": "bold red"}[start["outcome"]]
    yield f"{planned.get('application')} / {planned.get('name')}: {words[start['outcome']]}", style
    for reason in start["reasons"]:
        yield f"  {reason}", ""
    yield from _pairs("PARAMETERS", planned["parameters"])
    yield from _bound(planned["artifacts"])
    yield from _stages(planned["stages"])
    for stage in planned["stages"]:
        yield from _details(stage)
    yield from _problems(planned["problems"])


def _pairs(title: str, values: dict[str, Any]) -> Iterator[Line]:
    if values:
        yield "", ""
        yield title, "bold"
        width = max(map(len, values))
        for key, value in values.items():
            yield f"  {key.ljust(width)}  {_short(value)}", ""


def _bound(artifacts: list[dict[str, Any]]) -> Iterator[Line]:
    if not artifacts:
        return
    yield "", ""
    yield "ARTIFACTS", "bold"
    for each in artifacts:
        artifact = each.get("artifact") or {}
        label = each.get("displayName") or each["id"]
        named = artifact.get("reference") or artifact.get("name") or each.get("message") or ""
        yield f"  {label}  {each['outcome']}  {named}".rstrip(), "red" if each["outcome"] == "none" else ""


def _stages(stages: list[dict[str, Any]]) -> Iterator[Line]:
    from gennaker.cli.tables import when

    head = ("REF", "STAGE", "TYPE", "AFTER", "OUTCOME")
    rows: list[tuple[str, ...]] = [
        (s["refId"], s["name"], s["type"], ", ".join(s["requisiteStageRefIds"]) or "–", s["outcome"]) for s in stages
    ]
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    yield "", ""
    yield "  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)).rstrip(), "bold"
    for stage, row in zip(stages, rows, strict=True):
        yield (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(),
            _OUTCOMES.get(stage["outcome"], ""),
        )
        for reason in stage.get("reasons", []):
            yield f"{' ' * widths[0]}  · {reason}", "dim"
        if stage.get("opensAt"):
            yield f"{' ' * widths[0]}  · its window opens at {when(stage['opensAt'])}", "dim"
        for fault in stage.get("faults", []):
            yield f"{' ' * widths[0]}  ✗ {fault}", "red"


def _details(stage: dict[str, Any]) -> Iterator[Line]:
    expressions, preconditions, deploy = stage["expressions"], stage.get("preconditions", []), stage.get("deploy")
    if not expressions and not preconditions and deploy is None:
        return
    yield "", ""
    yield f"{stage['refId']} {stage['name']}", "bold"
    for precondition in preconditions:
        yield f"  precondition {precondition['outcome']}: {precondition['message']}", _outcome(precondition["outcome"])
    for expression in expressions:
        yield from _expression(expression)
    if deploy is not None:
        yield from _deploy(deploy)


def _expression(expression: dict[str, Any]) -> Iterator[Line]:
    written = f"  {expression['path']}: {_short(expression['expression'])}"
    match expression["outcome"]:
        case "value":
            yield f"{written} = {_short(expression['value'])}", ""
        case "unknown":
            yield f"{written} is not known yet: it depends on {expression['dependsOn']}", "yellow"
        case _:
            yield f"{written} fails", "red"
            for line in str(expression.get("pointed") or expression["message"]).splitlines():
                yield f"    {line}", "red"


def _deploy(deploy: dict[str, Any]) -> Iterator[Line]:
    if deploy.get("unknown"):
        yield f"  deploy: not tried, {deploy['unknown']}", "yellow"
    for error in deploy.get("errors") or []:
        yield f"  deploy: {error}", "red"
    for manifest in deploy.get("manifests") or []:
        where = f" in {manifest['namespace']}" if manifest.get("namespace") else ""
        yield (
            f"  {manifest['action']} {manifest['name']}{where} of {deploy.get('account')}",
            _ACTIONS[manifest["action"]],
        )
        if manifest.get("message"):
            yield f"    {manifest['message']}", "red" if manifest["action"] == "refused" else "dim"
        for note in [*manifest.get("warnings", []), *manifest.get("notes", [])]:
            yield f"    ! {note}", "yellow"
        for line in str(manifest.get("diff") or "").splitlines():
            yield f"    {line}", _LINES.get(line[:1], "dim")


def _problems(problems: list[dict[str, Any]]) -> Iterator[Line]:
    yield "", ""
    if not problems:
        yield "Nothing is known that would go wrong. Nothing was changed.", "green"
        return
    yield f"{len(problems)} PROBLEM{'S' if len(problems) > 1 else ''}", "bold red"
    for problem in problems:
        where = f"stage {problem['stage']}: " if problem.get("stage") else ""
        yield f"  {where}{problem['message']}", "red"


def _outcome(outcome: str) -> str:
    return {"holds": "green", "fails": "red"}.get(outcome, "yellow")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _VALUE_WIDTH else f"{text[:_VALUE_WIDTH]}…"
