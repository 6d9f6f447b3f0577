"""What the payloads of source code hosts say, in the same five words: hash, branch, repoProject, slug, action.

Source: Spinnaker's Echo, its git webhook handlers.
"""

from collections.abc import Mapping

from kork.documents import Document

from echo.scm import bitbucket, github, gitlab, stash

_HOSTS = {
    "github": github.normalize,
    "gitlab": gitlab.normalize,
    "bitbucket": bitbucket.normalize,
    "stash": stash.normalize,
}


def normalize(source: str, payload: Document, headers: Mapping[str, str]) -> Document | None:
    """Give `{hash, branch, repoProject, slug, action}` as far as the payload says; None for a mere ping.

    A host that isn't known gives nothing to add.
    """
    host = _HOSTS.get(source.lower())
    return host(payload, headers) if host else {}
