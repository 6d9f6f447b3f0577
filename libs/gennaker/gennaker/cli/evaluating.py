"""`gennaker eval`"""

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gennaker.cli.options import GATE_URL, GateOption, show_json
from gennaker.exits import Exit, GennakerError

if TYPE_CHECKING:
    from gennaker.gate import Gate


def evaluate(
    expression: Annotated[str, typer.Argument(help="With or without ${}, e.g. \"#stage('Deploy').status\".")],
    execution: Annotated[str, typer.Option("--execution", "-e", metavar="ID", help="The execution, also a past one.")],
    stage: Annotated[
        str | None,
        typer.Option("--stage", "-s", help="As this stage (its name, refId or id) sees it; else as one after all."),
    ] = None,
    gate_url: GateOption = GATE_URL,
) -> None:
    """Evaluate an expression against an execution, and print its value as JSON.

    Nothing is changed. Where it fails, the place at fault is shown, and the exit code is 1.
    """
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        path = ["pipelines", execution]
        if stage is not None:
            path.append(_stage_id(gate, execution, stage))
        told = cast(dict[str, Any], gate.get(*path, "evaluateExpression", expression=expression))
    problems = _problems(told.get("detail"))
    failed = [problem for problem in problems if problem.get("level") != "INFO"]
    for problem in failed or problems:
        print(problem.get("pointed") or problem.get("description"), file=sys.stderr)
    if failed:
        raise typer.Exit(Exit.FAILED)
    result = told.get("result")
    show_json(None if any(_is_all_of(result, problem) for problem in problems) else result)


def _is_all_of(result: Any, problem: dict[str, Any]) -> bool:
    """Say whether an absent value is all that the text consists of, so that the text came back as it was."""
    whole = result.strip() if isinstance(result, str) else ""
    return whole.startswith("${") and whole.removeprefix("${").removesuffix("}").strip() == problem.get("failed")


def _problems(detail: Any) -> list[dict[str, Any]]:
    entries = cast(dict[str, Any], detail).values() if isinstance(detail, dict) else ()
    return [problem for listed in entries for problem in cast(list[dict[str, Any]], listed)]


def _stage_id(gate: "Gate", execution: str, wanted: str) -> str:
    stages = cast(list[dict[str, Any]], gate.get("pipelines", execution).get("stages") or [])
    found = [each for each in stages if wanted in (each["id"], each["refId"], each["name"])]
    if not found:
        raise GennakerError(f"Execution {execution} has no stage '{wanted}' (by id, refId or name).", Exit.NOT_FOUND)
    if len(found) > 1 and not any(wanted == each["id"] for each in found):
        ids = ", ".join(f"{each['name']} ({each['refId']}: {each['id']})" for each in found)
        raise GennakerError(f"Several stages are '{wanted}': {ids}. Choose one by its id.", Exit.USAGE)
    return str(found[0]["id"])
