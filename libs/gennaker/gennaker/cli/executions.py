"""`gennaker execution …` and `gennaker judge`"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gennaker.cli.explaining import complete_stage, explain
from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, TimeoutOption, WatchOption, show_json
from gennaker.exits import Exit, GennakerError

if TYPE_CHECKING:
    from gennaker.gate import Gate

executions = typer.Typer(help="Executions: runs of pipelines.", no_args_is_help=True)
ExecutionArgument = Annotated[str, typer.Argument(metavar="EXECUTION", help="The execution's id.")]


class Verdict(StrEnum):
    """What a person says at a manual judgment."""

    go = "continue"
    stop = "stop"


@executions.command("get")
def get(execution: ExecutionArgument, gate_url: GateOption = GATE_URL, output: OutputOption = Output.human) -> None:
    """Show an execution and its stages."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("pipelines", execution)
    if output is Output.json:
        show_json(found)
        return
    from gennaker.watching.lines import headline, plain_lines

    print(headline(found))
    for line in plain_lines(found):
        print(line)


@executions.command("list")
def list_all(
    application: Annotated[str, typer.Argument(help="The application.")],
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many of each pipeline.")] = 10,
    status: Annotated[str | None, typer.Option("--status", "-s", help="Only these, e.g. RUNNING,TERMINAL.")] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """List the executions of an application, the newest first."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        found = gate.get("applications", application, "pipelines", limit=limit, statuses=status, expand="false")
    found.sort(key=lambda e: (e.get("startTime") or e.get("buildTime") or 0, e["id"]), reverse=True)
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import duration, table, when

    table(
        ("ID", "PIPELINE", "STATUS", "STARTED", "TOOK"),
        [
            (
                e["id"],
                e.get("name"),
                e["status"],
                when(e.get("startTime")),
                duration(e.get("startTime"), e.get("endTime")),
            )
            for e in found
        ],
    )


@executions.command("watch")
def watch(
    execution: ExecutionArgument,
    timeout: TimeoutOption = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Follow an execution to its end; the exit code is its result."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        follow(gate, execution, output, timeout)


@executions.command("cancel")
def cancel(
    execution: ExecutionArgument,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the execution.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Now, without waiting for what runs in it.")] = False,
    watching: WatchOption = False,
    gate_url: GateOption = GATE_URL,
) -> None:
    """Cancel an execution."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        gate.get("pipelines", execution)
        if force:
            gate.put("admin", "executions", "forceCancel", executionId=execution, reason=reason)
            print(f"Execution {execution} is cancelled.")
            return
        gate.put("pipelines", execution, "cancel", reason=reason)
        if watching:
            follow(gate, execution, Output.human, None)
        else:
            print(f"Execution {execution} is told to cancel.")


executions.command("explain")(explain)
executions.command("complete-stage")(complete_stage)


@executions.command("pause")
def pause(execution: ExecutionArgument, gate_url: GateOption = GATE_URL) -> None:
    """Pause an execution: what runs goes on, nothing new starts."""
    _tell(gate_url, execution, "pause")


@executions.command("resume")
def resume(execution: ExecutionArgument, gate_url: GateOption = GATE_URL) -> None:
    """Let a paused execution go on."""
    _tell(gate_url, execution, "resume")


def judge(
    execution: ExecutionArgument,
    verdict: Annotated[Verdict, typer.Argument(help="Whether the pipeline goes on.")],
    stage: Annotated[
        str | None, typer.Option("--stage", help="The name, refId or id of the stage, when several wait.")
    ] = None,
    chosen: Annotated[str | None, typer.Option("--input", help="One of the stage's judgment inputs.")] = None,
    watching: WatchOption = False,
    timeout: TimeoutOption = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Answer the manual judgment that an execution waits for."""
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        waiting = _the_judgment(gate.get("pipelines", execution), stage)
        body = {"judgmentStatus": verdict.value} | ({"judgmentInput": chosen} if chosen else {})
        answered = gate.patch("pipelines", execution, "stages", waiting["id"], body=body)
        if watching:
            follow(gate, execution, output, timeout)
        elif output is Output.json:
            show_json(answered)
        else:
            print(f"Told '{waiting['name']}' to {verdict.value}.")


def follow(gate: "Gate", execution_id: str, output: Output, timeout: float | None, *, fresh: bool = False) -> None:
    """Show an execution until its end; exit with its result."""
    from gennaker.watching.follow import follow_execution
    from gennaker.watching.show import shower

    with shower(quiet=output is Output.json) as show:
        ended = follow_execution(gate, execution_id, show, timeout=timeout, fresh=fresh)
    if output is Output.json:
        show_json(ended)
    if ended["status"] != "SUCCEEDED":
        raise typer.Exit(Exit.FAILED)


def _tell(gate_url: str, execution: str, order: str) -> None:
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        gate.get("pipelines", execution)
        gate.put("pipelines", execution, order)
    print(f"Execution {execution} is told to {order}.")


def _the_judgment(execution: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    stages = [s for s in execution["stages"] if s["type"] == "manualJudgment" and s["status"] == "RUNNING"]
    if wanted is not None:
        stages = [s for s in stages if wanted in (s["name"], s["refId"], s["id"])]
    if not stages:
        which = f" named '{wanted}'" if wanted else ""
        raise GennakerError(
            f"Execution {execution['id']} ({execution['status']}) waits for no judgment{which} now.", Exit.NOT_FOUND
        )
    if len(stages) > 1:
        names = ", ".join(f"'{s['name']}'" for s in stages)
        raise GennakerError(f"Several judgments wait: {names}. Choose with --stage.", Exit.USAGE)
    return stages[0]
