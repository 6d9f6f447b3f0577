"""The functions of expressions, described for editors."""

import inspect
from collections.abc import Callable
from typing import Any

from orca.execution.model import Execution, StageExecution
from orca.expressions.functions import functions_for


def described_functions() -> list[dict[str, Any]]:
    """Describe each function: `{name, parameters: [{name, type, description}], description}`."""
    stage = StageExecution(id="", ref_id="", type="", name="")
    functions = functions_for(Execution("PIPELINE", "", "", [stage]), stage)
    return [_described(name, function) for name, function in sorted(functions.items())]


def _described(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {
        "name": name,
        "parameters": [{"name": each.name, "type": "Object", "description": ""} for each in parameters],
        "description": (inspect.getdoc(function) or "").split("\n")[0],
        "documentation": None,
    }
