"""Git triggers: pushes and pull requests at GitHub, GitLab, Bitbucket and Stash."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from kork.documents import Document

from echo.artifacts.extraction import artifacts_of
from echo.events.event import Door, Receipt
from echo.scm.payload import text_at
from echo.settings import EchoSettings
from echo.triggers.constraints import fault_in, matches
from echo.triggers.definition import Facts, missing

_PASSED_ON = ("number", "draft", "state", "title")


class GitTrigger:
    """A change of the repository `project/slug` at `source`, on a matching branch, with the right signature."""

    type: ClassVar[str] = "git"
    events: ClassVar[frozenset[str]] = frozenset({"git"})
    doors: ClassVar[frozenset[Door]] = frozenset({"webhook", "event"})
    once_per_pipeline: ClassVar[bool] = False

    def fault(self, trigger: Document) -> str | None:
        """Source, project and slug must be named."""
        return missing(trigger, "source", "project", "slug")

    def key(self, trigger: Document) -> str:
        """Give where the repository is, in lower case."""
        return _key(trigger["source"], trigger["project"], trigger["slug"])

    def event_key(self, receipt: Receipt) -> str:
        """Give where the repository is, in lower case."""
        content = receipt.event.content
        return _key(receipt.event.source, text_at(content, "repoProject"), text_at(content, "slug"))

    def mismatch(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> str | None:
        """Look at the branch, the action and the signature."""
        content, branch = receipt.event.content, str(trigger.get("branch") or "").strip()
        if branch:
            if fault := fault_in(branch):
                return f"the branch '{branch}' is not a regular expression: {fault}"
            if not matches(branch, text_at(content, "branch")):
                return f"the branch is '{text_at(content, 'branch')}', not '{branch}'"
        wanted = trigger.get("events")
        actions = [str(item) for item in cast(list[Any], wanted)] if isinstance(wanted, list) else []
        if actions and text_at(content, "action") not in actions:
            return f"the action is '{text_at(content, 'action')}', not one of {', '.join(actions)}"
        secret = str(trigger.get("secret") or settings.trigger.git.shared_secret)
        return signature_fault(secret, receipt.event.raw, receipt.event.headers)

    def facts(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> Facts:
        """Give the commit, its branch, what happened, and the changed files as artifacts."""
        content = receipt.event.content
        fields: Document = {key: text_at(content, key) for key in ("hash", "branch", "action")}
        fields |= {key: content[key] for key in _PASSED_ON if key in content}
        return Facts(fields, artifacts_of(receipt.event, settings.webhooks))


def signature_fault(secret: str, raw: bytes, headers: Mapping[str, str]) -> str | None:
    """Say why a delivery can't be believed, or None when it can.

    With a secret the body must be signed (HMAC, SHA-256 or SHA-1) or carry GitLab's token. A signature that
    nobody can check, as no secret is configured, is not believed either: so does Spinnaker's Echo.
    """
    signature = headers.get("x-hub-signature-256") or headers.get("x-hub-signature") or ""
    token = headers.get("x-gitlab-token", "")
    if not secret:
        return "the delivery is signed, and neither the trigger nor echo has a secret" if signature else None
    if signature:
        name, _, given = signature.partition("=")
        algorithm = {"sha256": hashlib.sha256, "sha1": hashlib.sha1}.get(name)
        if algorithm is None:
            return "the delivery's signature is neither sha256 nor sha1"
        expected = hmac.new(secret.encode(), raw, algorithm).hexdigest()
        right = hmac.compare_digest(expected.encode(), given.strip().lower().encode())
        return None if right else "the delivery's signature is not made with the trigger's secret"
    if token:
        right = hmac.compare_digest(secret.encode(), token.encode())
        return None if right else "the delivery's token is not the trigger's secret"
    return "the trigger has a secret, and the delivery is not signed"


def _key(source: str, project: str, slug: str) -> str:
    return f"{source.strip()}/{project.strip()}/{slug.strip()}".lower()
