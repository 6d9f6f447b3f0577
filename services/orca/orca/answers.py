"""Answers of the API."""

from typing import Any

from fastapi import Response

from orca.execution.encoding import write_json


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON; what expressions and tasks have made can always be shown."""
    return Response(write_json(value), status_code=status, media_type="application/json")
