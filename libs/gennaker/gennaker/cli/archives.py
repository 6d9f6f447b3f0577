"""`gennaker execution import`: executions out of an archive."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, show_json
from gennaker.exits import Exit, GennakerError

_THERE = "Execution already exists"


def import_executions(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of an archive: JSON lines, gzipped (.gz) or not.")
    ],
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only this execution; may be repeated.")] = None,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Bring executions back that retention has archived; those that are there are passed over.

    Orca takes them where its setting executions.import.enabled is true.
    """
    from gennaker.gate import Gate

    wanted = set(ids or ())
    imported: list[str] = []
    there: list[str] = []
    refused: dict[str, str] = {}
    with Gate(gate_url) as gate:
        for where, document in (each for file in files for each in _documents(file)):
            name = str(document.get("id"))
            if wanted and name not in wanted:
                continue
            try:
                gate.post("admin", "executions", body=document)
                imported.append(name)
            except GennakerError as error:
                if error.code is Exit.UNREACHABLE or error.code is Exit.NOT_FOUND:
                    raise
                if _THERE in error.message:
                    there.append(name)
                else:
                    refused[where] = error.message
    if output is Output.json:
        show_json({"imported": imported, "there": there, "refused": refused})
    else:
        print(f"{len(imported)} imported, {len(there)} were there, {len(refused)} refused.")
        for where, reason in refused.items():
            print(f"  {where}: {reason}")
    if missing := wanted - set(imported) - set(there) - {key.rsplit(" ", 1)[-1] for key in refused}:
        raise GennakerError(f"Not in these files: {', '.join(sorted(missing))}.", Exit.NOT_FOUND)
    if refused:
        raise typer.Exit(Exit.REFUSED)


def _documents(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the objects of a file, each with where it is. Raises `GennakerError`, exit code 2."""
    number = 0
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            for number, line in enumerate(lines, start=1):
                document = json.loads(line) if line.strip() else None
                if isinstance(document, dict):
                    yield f"{file}:{number} {document.get('id')}", document  # pyright: ignore[reportUnknownMemberType]
                elif document is not None:
                    raise GennakerError(f"{file}:{number} holds no object.", Exit.USAGE)
    except json.JSONDecodeError as error:
        raise GennakerError(f"{file}:{number} is not JSON: {error.msg}.", Exit.USAGE) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GennakerError(f"{file} can't be read: {reason}.", Exit.USAGE) from error
