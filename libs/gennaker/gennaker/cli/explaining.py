"""`gennaker execution explain` and `gennaker execution complete-stage`: what is stuck, and how to free it."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, show_json
from gennaker.exits import Exit, GennakerError

ExecutionArgument = Annotated[str, typer.Argument(metavar="EXECUTION", help="The execution's id.")]


class EndStatus(StrEnum):
    """How a stage may end."""

    succeeded = "SUCCEEDED"
    skipped = "SKIPPED"
    failed_continue = "FAILED_CONTINUE"
    stopped = "STOPPED"
    terminal = "TERMINAL"
    canceled = "CANCELED"


def explain(execution: ExecutionArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """Say why an execution is where it is, what it waits for, and what would move it."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("pipelines", execution, "explain")
    if output is Output.json:
        show_json(found)
        return
    for line in explanation_lines(found):
        print(line)


def complete_stage(
    execution: ExecutionArgument,
    stage: Annotated[str, typer.Argument(help="The name, refId or id of the stage.")],
    status: Annotated[EndStatus, typer.Option("--status", help="How it ends.")] = EndStatus.succeeded,
    gate_url: GateOption = GATE_URL,
) -> None:
    """End a stage that is stuck, whatever it does; what comes after it goes on."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        stage_id = _the_stage(gate.get("pipelines", execution), stage)
        gate.put(
            "admin", "executions", "forceCompleteStage", executionId=execution, stageId=stage_id, status=status.value
        )
    print(f"Stage '{stage}' of execution {execution} is completed as {status.value}.")


def explanation_lines(found: dict[str, Any]) -> list[str]:
    """Write an explanation for people."""
    name = found.get("name") or found["executionId"]
    lines = [f"{name} ({found['application']}), {found['status']}", found["summary"]]
    if found.get("late"):
        lines.append("Something that should have happened already has not.")
    for wait in found.get("waits", []):
        stage = wait.get("stage")
        lines += ["", f"{stage['name']} [{stage['refId']}]: {wait['why']}" if stage else wait["why"]]
        lines += [f"  {label:<10} {text}" for label, text in _facts(wait, found["now"])]
    held = found.get("notStarted", [])
    if held:
        lines += ["", f"Not started: {found['notStartedCount']}"]
        lines += [f"  {each['stage']['name']} [{each['stage']['refId']}]: {each['why']}" for each in held]
    return lines


def _facts(wait: dict[str, Any], now: int) -> list[tuple[str, str]]:
    from gennaker.cli.tables import duration, when

    facts: list[tuple[str, str]] = []
    if wait.get("since"):
        facts.append(("since", f"{when(wait['since'])} ({duration(wait['since'], now)})"))
    for key, label in (("until", "until"), ("timesOutAt", "fails at")):
        at = wait.get(key)
        if at:
            facts.append((label, f"{when(at)} (in {duration(now, at)})" if at > now else when(at)))
    return [*facts, ("moved by", wait["moves"])]


def _the_stage(execution: dict[str, Any], wanted: str) -> str:
    found = [s for s in execution["stages"] if wanted in (s["name"], s["refId"], s["id"])]
    if not found:
        raise GennakerError(f"Execution {execution['id']} has no stage '{wanted}'.", Exit.NOT_FOUND)
    if len(found) > 1:
        choice = ", ".join(f"{s['refId']} ({s['status']})" for s in found)
        raise GennakerError(f"Several stages are named '{wanted}': choose one by its refId: {choice}.", Exit.USAGE)
    return str(found[0]["id"])
