"""`front50/pipelineTemplate`: pipeline templates, kept by front50 and named `spinnaker://id[:tag|@sha256:digest]`.

Source: Spinnaker's Clouddriver (`Front50ArtifactCredentials`).
"""

from typing import Any, Protocol
from urllib.parse import quote

from kork.errors import BadRequest, NotFound, UpstreamError

from clouddriver.artifacts.fetching import ArtifactAccount, DownloadFailed
from clouddriver.kubernetes.artifact import Artifact

_SPINNAKER = "spinnaker://"
_DIGEST = "@sha256:"


class Front50(Protocol):
    """A client of front50."""

    def get(self, path: str, *, params: Any = None, raw: bool = False, **options: Any) -> Any: ...


class Front50Account(ArtifactAccount):
    """Templates of pipelines."""

    def __init__(self, front50: Front50) -> None:
        super().__init__("front50ArtifactCredentials", ("front50/pipelineTemplate",), "artifacts-front50")
        self._front50 = front50

    def fetch(self, artifact: Artifact) -> bytes:
        """Give a version of a template as JSON. Raises `NotFound` when front50 has none."""
        id, params = read_reference(artifact.reference or "")
        try:
            response = self._front50.get(f"/v2/pipelineTemplates/{quote(id, safe='')}", params=params, raw=True)
        except UpstreamError as error:
            if error.status == 404:
                raise NotFound(error.upstream_message) from error
            if error.network or error.status >= 500:
                raise DownloadFailed(f"front50 did not give {artifact.reference}: {error.upstream_message}") from error
            raise BadRequest(error.upstream_message) from error
        return bytes(response.content)


def read_reference(reference: str) -> tuple[str, dict[str, str]]:
    """Take a reference apart: the template's id, and the tag or digest. Raises `BadRequest`."""
    if not reference.startswith(_SPINNAKER):
        raise BadRequest(
            f"'front50/pipelineTemplate' artifacts must be specified with a 'reference' starting with {_SPINNAKER}, "
            f"got: {reference}"
        )
    named = reference.removeprefix(_SPINNAKER)
    mark, key = (_DIGEST, "digest") if _DIGEST in named else (":", "tag")
    id, *versions = named.split(mark)
    if not id or len(versions) > 1 or versions == [""]:
        raise BadRequest(f"Malformed Front50 artifact reference: {named}; write {_SPINNAKER}id[:tag|@sha256:digest].")
    return id, {key: versions[0]} if versions else {}
