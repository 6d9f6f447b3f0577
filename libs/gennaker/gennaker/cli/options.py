"""The options that many commands share, and how results are shown."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gennaker.exits import Exit, GennakerError

GATE_URL = "http://127.0.0.1:8084"


class Output(StrEnum):
    """How a result is shown."""

    human = "human"
    json = "json"


GateOption = Annotated[str, typer.Option("--gate", envvar="GENNAKER_GATE", help="Where gate answers.", metavar="URL")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people, or JSON for scripts.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end; the exit code is its result.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Stop waiting after so many seconds (exit code 7).", min=0)
]
HomeOption = Annotated[Path, typer.Option("--home", envvar="GENNAKER_HOME", help="The folder of the platform's data.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", envvar="GENNAKER_CONFIG", help="The settings file (gennaker.yml).", metavar="FILE"),
]


ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="name=value; may be repeated.", metavar="NAME=VALUE")
]


def read_parameters(given: list[str] | None) -> dict[str, str]:
    """Read `NAME=VALUE` texts. Raises `GennakerError`, exit code 2."""
    return dict(_assignment(text) for text in given or [])


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise GennakerError(f"'{text}' is no parameter; write NAME=VALUE.", Exit.USAGE)
    return name.strip(), value


def show_json(value: Any) -> None:
    """Print a document for a script."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def read_document(file: Path) -> Any:
    """Read JSON or YAML from a file, or from standard input for `-`. Raises `GennakerError`, exit code 2."""
    from ruamel.yaml import YAML, YAMLError

    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise GennakerError(f"{name} can't be read: {reason}.", Exit.USAGE) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as not_json:
        try:
            return YAML(typ="safe").load(text)
        except YAMLError:
            raise GennakerError(
                f"{name} is neither JSON ({not_json.msg} at line {not_json.lineno}, column {not_json.colno}) nor YAML.",
                Exit.USAGE,
            ) from not_json


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON or YAML object. Raises `GennakerError`, exit code 2, when it is something else."""
    document = read_document(file)
    if not isinstance(document, dict):
        raise GennakerError(f"{file} must hold an object, not a {type(document).__name__}.", Exit.USAGE)
    return {str(key): value for key, value in document.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
