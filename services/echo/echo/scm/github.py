"""GitHub: pushes, pull requests, branches made and deleted."""

from collections.abc import Mapping

from kork.documents import Document, object_in

from echo.scm.payload import at, branch_of, text_at


def normalize(payload: Document, headers: Mapping[str, str]) -> Document | None:
    """Read a GitHub payload; None for a ping."""
    if payload.get("hook_id") is not None:
        return None
    if request := object_in(payload.get("pull_request")):
        return {
            "hash": text_at(request, "head", "sha"),
            "branch": text_at(request, "head", "ref"),
            "repoProject": text_at(payload, "repository", "owner", "login"),
            "slug": text_at(payload, "repository", "name"),
            "action": f"pull_request:{text_at(payload, 'action')}",
            "number": str(at(request, "number") or ""),
            "draft": str(bool(at(request, "draft"))).lower(),
            "state": text_at(request, "state"),
            "title": text_at(request, "title"),
        }
    owner = text_at(payload, "repository", "owner", "name") or text_at(payload, "repository", "owner", "login")
    slug = text_at(payload, "repository", "name")
    if payload.get("ref_type") == "branch":
        event = headers.get("x-github-event", "")
        branch = branch_of(text_at(payload, "ref"))
        return {"hash": "", "branch": branch, "repoProject": owner, "slug": slug, "action": f"branch:{event}"}
    return {
        "hash": text_at(payload, "after"),
        "branch": branch_of(text_at(payload, "ref")),
        "repoProject": owner,
        "slug": slug,
        "action": "push:push",
    }
