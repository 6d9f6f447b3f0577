"""The content of an artifact: decoded in place when it is embedded, else fetched through clouddriver."""

import base64
import binascii
from typing import Any

from kork.errors import BadRequest

from orca.artifacts.model import Artifact

_EMBEDDED = "embedded/base64"


def content_of(artifact: Artifact, clouddriver: Any) -> str:
    """Give the text of an artifact.

    Raises `BadRequest` when it is no text or not base64, `UpstreamError` when it can't be fetched.
    """
    if artifact.get("type") == _EMBEDDED:
        return _decoded(artifact)
    response = clouddriver.put("/artifacts/fetch", json=artifact, raw=True)
    return _text(response.content, artifact)


def _decoded(artifact: Artifact) -> str:
    try:
        return _text(base64.b64decode(artifact.get("reference") or "", validate=True), artifact)
    except binascii.Error as error:
        raise BadRequest(f"The reference of the embedded artifact {_name(artifact)} is not base64: {error}.") from error


def _text(content: bytes, artifact: Artifact) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The artifact {_name(artifact)} is not UTF-8 text: {error.reason}.") from error


def _name(artifact: Artifact) -> str:
    return f"'{artifact.get('name') or artifact.get('reference', '')[:100]}' ({artifact.get('type', 'no type')})"
