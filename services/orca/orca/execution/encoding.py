"""JSON as it is stored and sent."""

import json
from typing import Any

import orjson


def write_json(value: Any) -> bytes:
    """Render JSON. Doesn't fail for what an expression or a task may have made (huge numbers, odd texts)."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")


def read_json(text: str | bytes) -> Any:
    """Parse JSON that was stored."""
    return orjson.loads(text)
