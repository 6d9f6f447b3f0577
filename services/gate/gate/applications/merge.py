"""How front50's applications and clouddriver's become one. Pure.

Source: Gate's ApplicationService: front50's attributes win; clouddriver adds `accounts` (which replaces
front50's) and clusters; names are in lower case.
"""

from collections.abc import Iterable
from typing import Any, cast

from kork.documents import Document


def merge_lists(kept: Iterable[Document], seen: Iterable[Document]) -> list[Document]:
    """Merge front50's list (`kept`) and clouddriver's (`seen`, an entry for each provider) into flat maps."""
    merged: dict[str, Document] = {}
    accounts: dict[str, set[str]] = {}
    for application in seen:
        name = _lower(application.get("name"))
        attributes = _map(application.get("attributes"))
        known = merged.setdefault(name, {})
        merged[name] = _together(known, attributes) | {"name": name}
        accounts.setdefault(name, set()).update(_map(application.get("clusterNames")))
    for application in kept:
        name = _lower(application.get("name"))
        merged[name] = merged.get(name, {}) | _given(application) | {"name": name}
    for name, names in accounts.items():
        if names:
            merged[name]["accounts"] = ",".join(sorted(names))
    return [merged[name] for name in sorted(merged)]


def merge_one(
    name: str, kept: Document | None, seen: Document | None, known: Document | None = None
) -> Document | None:
    """Merge one application, or give None when nobody knows it.

    `known` are attributes from an earlier list, which fill what the others leave open.
    """
    if kept is None and seen is None:
        return None
    lower = _lower((kept or seen or {}).get("name") or name)
    clusters = _map((seen or {}).get("clusters"))
    attributes = _given(known or {}) | _map((seen or {}).get("attributes")) | _given(kept or {}) | {"name": lower}
    if clusters:
        attributes["accounts"] = ",".join(sorted(clusters))
    elif known and "accounts" in known:
        attributes["accounts"] = known["accounts"]
    return {"name": lower, "attributes": attributes, "clusters": clusters}


def matches(application: Document, account: str, owner: str) -> bool:
    """Say whether a listed application is in `account` and belongs to `owner` (an email); empty ones let all pass."""
    accounts = str(application.get("accounts") or "").split(",")
    if account and account not in accounts:
        return False
    return not owner or str(application.get("email") or "").lower() == owner.lower()


def _together(known: Document, attributes: Document) -> Document:
    """Merge what two providers say of one application: their lists of cloud providers add up."""
    providers = [
        part for side in (known, attributes) for part in str(side.get("cloudProviders") or "").split(",") if part
    ]
    both = known | attributes
    return both | {"cloudProviders": ",".join(sorted(set(providers)))} if providers else both


def _given(application: Document) -> Document:
    return {key: value for key, value in application.items() if value is not None}


def _map(value: Any) -> Document:
    return cast(Document, value) if isinstance(value, dict) else {}


def _lower(name: Any) -> str:
    return str(name or "").strip().lower()
