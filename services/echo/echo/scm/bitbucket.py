"""Bitbucket, in the cloud and as a server; the header `X-Event-Key` says what happened."""

from collections.abc import Mapping

from kork.documents import Document

from echo.scm.payload import branch_of, text_at


def normalize(payload: Document, headers: Mapping[str, str]) -> Document | None:
    """Read a Bitbucket payload; None for a server's connection test."""
    event = headers.get("x-event-key") or text_at(payload, "event_type") or text_at(payload, "eventKey")
    if event == "diagnostics:ping" or payload.get("test") is True:
        return None
    match event:
        case "repo:push":
            change = ("push", "changes", 0, "new")
            facts = {
                "hash": text_at(payload, "push", "changes", 0, "commits", 0, "hash")
                or text_at(payload, *change, "target", "hash"),
                "branch": text_at(payload, *change, "name"),
            } | _cloud_repository(payload)
        case "pullrequest:fulfilled":
            facts = {
                "hash": text_at(payload, "pullrequest", "merge_commit", "hash"),
                "branch": text_at(payload, "pullrequest", "destination", "branch", "name"),
            } | _cloud_repository(payload)
        case "repo:refs_changed":
            facts = {
                "hash": text_at(payload, "changes", 0, "toHash"),
                "branch": branch_of(text_at(payload, "changes", 0, "refId")),
                "repoProject": text_at(payload, "repository", "project", "key"),
                "slug": text_at(payload, "repository", "slug"),
            }
        case "pr:merged":
            facts = {
                "hash": text_at(payload, "pullRequest", "properties", "mergeCommit", "id"),
                "branch": branch_of(text_at(payload, "pullRequest", "toRef", "id")),
            } | _server_repository(payload, "toRef")
        case "pr:opened" | "pr:from_ref_updated" | "pr:declined" | "pr:deleted":
            facts = {
                "hash": text_at(payload, "pullRequest", "fromRef", "latestCommit"),
                "branch": branch_of(text_at(payload, "pullRequest", "fromRef", "id")),
            } | _server_repository(payload, "fromRef")
        case _:
            facts = {"hash": "", "branch": ""} | _cloud_repository(payload)
    return facts | {"action": event}


def _cloud_repository(payload: Document) -> Document:
    project, _, slug = text_at(payload, "repository", "full_name").partition("/")
    return {
        "repoProject": text_at(payload, "repository", "owner", "username") or project,
        "slug": slug,
    }


def _server_repository(payload: Document, ref: str) -> Document:
    return {
        "repoProject": text_at(payload, "pullRequest", ref, "repository", "project", "key"),
        "slug": text_at(payload, "pullRequest", ref, "repository", "slug"),
    }
