"""GitLab: pushes, tags, merge requests."""

from collections.abc import Mapping

from kork.documents import Document

from echo.scm.payload import branch_of, text_at


def normalize(payload: Document, _: Mapping[str, str]) -> Document | None:
    """Read a GitLab payload; the project is the namespace's display name."""
    return {
        "hash": text_at(payload, "after"),
        "branch": branch_of(text_at(payload, "ref")),
        "repoProject": text_at(payload, "project", "namespace"),
        "slug": text_at(payload, "project", "name"),
        "action": text_at(payload, "object_kind"),
    }
