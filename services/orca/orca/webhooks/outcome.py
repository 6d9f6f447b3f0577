"""What an answer means for a webhook stage: whether to go on, wait, or fail. Pure.

Source: Orca's `CreateWebhookTask` and `MonitorWebhookTask`.
"""

from collections.abc import Collection, Mapping
from typing import Any, cast

import httpx2

from orca.execution.model import JsonMap
from orca.execution.status import Status
from orca.webhooks import jsonpaths
from orca.webhooks.client import Answer


def document(answer: Answer) -> JsonMap:
    """Give an answer as it is shown in a stage's context."""
    return {
        "statusCode": answer.status_name,
        "statusCodeValue": answer.status,
        "body": answer.body,
        "headers": answer.headers,
    }


def is_retried(status: int, codes: Collection[int]) -> bool:
    """Say whether an error status may pass: any 5xx, or one of `codes`."""
    return 500 <= status < 600 or status in codes


def retries_left(status: int, retries: Mapping[str, Any] | None, past: list[int]) -> bool | None:
    """Say whether `retries` lets a status be tried again; `None` when it has no rule for it.

    `retries` is `{"<status>": {"maxAttempts": n}}`; `past` are the statuses so far, this one included.
    """
    rule: Any = (retries or {}).get(str(status))
    if not isinstance(rule, dict):
        return None
    most: Any = cast(JsonMap, rule).get("maxAttempts")
    return past.count(status) <= most if isinstance(most, int) else True


def status_url(answer: Answer, called: str, resolution: str | None, path: str | None) -> str | None:
    """Find where the progress of what was started is told; `None` when the answer doesn't say.

    A relative address belongs to the one that was called, and so does the scheme of the same host.
    """
    match resolution or "getMethod":
        case "getMethod":
            return called
        case "locationHeader":
            found: Any = answer.header("location")
        case _:
            try:
                found = jsonpaths.read(path or "$", answer.body)
            except (jsonpaths.NotFound, ValueError):
                found = None
    if isinstance(found, list) and found:
        found = cast(list[Any], found)[0]
    if not isinstance(found, str) or not found.strip():
        return None
    try:
        base = httpx2.URL(called)
        target = base.join(found.strip())
        return str(target.copy_with(scheme=base.scheme) if target.host == base.host else target)
    except (httpx2.InvalidURL, ValueError):
        return None


class Unreadable(ValueError):
    """The answer doesn't tell a status where the stage expects it."""


def progress(answer: Answer, status_path: str, statuses: Mapping[Status, Collection[str]]) -> tuple[Status, JsonMap]:
    """Read the status that `status_path` leads to; gives what it means and what to show of it.

    A number is a percentage, anything else is looked up in `statuses` (upper-cased words). Raises
    `Unreadable`.
    """
    try:
        value = jsonpaths.read(status_path, answer.body)
    except jsonpaths.NotFound as error:
        raise Unreadable(f"Unable to parse status: JSON property '{status_path}' not found in response body") from error
    except ValueError as error:
        raise Unreadable(f"Unable to parse status: {error}") from error
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int | float):
        return Status.SUCCEEDED if value == 100 else Status.RUNNING, {"percentComplete": value}
    if not isinstance(value, str):
        raise Unreadable(f"The json path '{status_path}' did not resolve to a single value (got {value!r:.100})")
    word = value.strip().upper()
    found = next((status for status, words in statuses.items() if word in words), Status.RUNNING)
    return found, {"resolvedValue": value}


def words_of(listed: str | list[str] | None) -> frozenset[str]:
    """Read a comma-separated list of words, upper-cased."""
    parts = listed.split(",") if isinstance(listed, str) else listed or []
    return frozenset(part.strip().upper() for part in parts if part.strip())
