"""Stash, as older Bitbucket servers call themselves."""

from collections.abc import Mapping

from kork.documents import Document

from echo.scm.payload import branch_of, text_at


def normalize(payload: Document, _: Mapping[str, str]) -> Document | None:
    """Read a Stash payload; None when the branch was deleted (a hash of zeros)."""
    to_hash = text_at(payload, "refChanges", 0, "toHash")
    if to_hash and not to_hash.strip("0"):
        return None
    return {
        "hash": to_hash,
        "branch": branch_of(text_at(payload, "refChanges", 0, "refId")),
        "repoProject": text_at(payload, "repository", "project", "key"),
        "slug": text_at(payload, "repository", "slug"),
        "action": "",
    }
