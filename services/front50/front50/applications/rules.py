"""What an application must be, how it is answered, merged and found. Pure.

Source: `docs/compatibility.md` (front50, applications).
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from kork.documents import Document
from kork.errors import BadRequest

from front50.documents import Stored
from front50.settings import ApplicationNameValidatorSettings

_HIDDEN = ("id", "lastModified", "createdAt")
_MERGED = ("description", "email", "cloudProviders")


def name_of(body: Document) -> str:
    """Give the trimmed name, or an empty string."""
    name = body.get("name")
    return name.strip() if isinstance(name, str) else ""


def validate(body: Document, names: ApplicationNameValidatorSettings) -> None:
    """Refuse an application without a usable name or an email; all faults at once."""
    errors: list[str] = []
    name = name_of(body)
    if not name:
        errors.append("Application must have a non-empty name")
    elif re.fullmatch(names.validation_regex, name, re.IGNORECASE) is None:
        errors.append(f"Application name '{name}' is not valid: it {names.validation_message}")
    email = body.get("email")
    if not isinstance(email, str) or not email.strip():
        errors.append("Application must have a non-empty email")
    if errors:
        raise BadRequest(". ".join(errors), errors=errors, extra={"error": "Validation Failed."})


def require_same_name(body: Document, path_name: str) -> None:
    """Refuse a body whose name is not the one in the path."""
    if name_of(body).upper() != path_name.strip().upper():
        raise BadRequest(
            f"Application name '{name_of(body)}' in the body does not match the path's '{path_name.strip()}'"
        )


def merge(existing: Document, change: Document) -> Document:
    """Apply a PATCH: what it doesn't name, or names as null, stays as it was."""
    given = {key: value for key, value in change.items() if value is not None or key not in _MERGED}
    merged = existing | given
    for key in ("name", "createTs"):
        if key in existing:
            merged[key] = existing[key]
    return merged


def present(stored: Stored, permissions: Document | None = None) -> Document:
    """Give an application as Spinnaker answers it.

    `permissions` is its stored permission document; it shows only when it restricts something.
    """
    body = {key: value for key, value in stored.body.items() if key not in _HIDDEN}
    body["name"] = name_of(stored.body).upper()
    body["createTs"] = str(stored.created_at)
    body["updateTs"] = str(stored.updated_at)
    body["lastModifiedBy"] = stored.updated_by
    body["cloudProviders"] = _comma_list(body.get("cloudProviders"))
    body["trafficGuards"] = body.get("trafficGuards") or []
    body.pop("permissions", None)
    granted = (permissions or {}).get("permissions")
    if isinstance(granted, dict) and any(cast(Document, granted).values()):
        body["permissions"] = granted
    return body


def _comma_list(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in cast(list[Any], value))
    return value if isinstance(value, str) else ""


def search(applications: list[Document], attributes: Mapping[str, str]) -> list[Document]:
    """Keep the applications that contain every attribute (ignoring case), the best match first.

    Without attributes: all, by name. The score of an attribute is how much of the value it covers, and how
    early in it.
    """
    wanted = {key: value for key, value in attributes.items() if value}
    if not wanted:
        return sorted(applications, key=lambda application: application["name"])
    scored = [(score, application) for application in applications if (score := _score(application, wanted))]
    return [application for _, application in sorted(scored, key=lambda pair: (-pair[0], pair[1]["name"]))]


def _score(application: Document, wanted: Mapping[str, str]) -> int:
    total = 0
    for key, query in wanted.items():
        value = application.get(key)
        position = str(value).lower().find(query.lower()) if value is not None else -1
        if position < 0:
            return 0
        length = len(str(value))
        coverage = len(query) / length * 100
        total += int(coverage + coverage / 100 * (length - position))
    return max(total, 1)
