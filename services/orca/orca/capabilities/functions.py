"""The functions of expressions, described for editors."""

import inspect
from collections.abc import Callable
from typing import Any

from orca.execution.model import Execution, StageExecution
from orca.expressions.functions import EXECUTION_AWARE, functions_for

_EXECUTION = {
    "name": "execution",
    "type": "PipelineExecution",
    "description": "The execution; it is passed by itself and not written",
}


def described_functions() -> list[dict[str, Any]]:
    """Describe each function: `{name, parameters: [{name, type, description}], description}`."""
    stage = StageExecution(id="", ref_id="", type="", name="")
    functions = functions_for(Execution("PIPELINE", "", "", [stage]), stage)
    return [_described(name, function) for name, function in sorted(functions.items())]


def _described(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    written = [
        {"name": _camel(each.name), "type": "Object", "description": ""}
        for each in inspect.signature(function).parameters.values()
    ]
    return {
        "name": name,
        "parameters": [_EXECUTION, *written] if name in EXECUTION_AWARE else written,
        "description": (inspect.getdoc(function) or "").split("\n")[0],
        "documentation": None,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
