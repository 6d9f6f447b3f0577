"""What a template must be to be saved, under which keys, and what uses it. Pure.

Source: Spinnaker's Front50 (`V2PipelineTemplateController`).
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, cast

from kork.documents import Document, json_type, object_in
from kork.errors import BadRequest

TAGS = ("latest", "stable", "unstable", "experimental", "test", "canary")
LATEST = "latest"
SPINNAKER = "spinnaker://"
SCHEMA = "v2"
TEMPLATED = "templatedPipeline"
FIRST_KIND = (
    "Pipeline templates of schema '1' are not supported. Write it as a v2 template (schema 'v2', SpEL instead of "
    "Jinja), save it under /v2/pipelineTemplates, and point the pipeline's 'template.reference' at spinnaker://<id>."
)
_DIGEST_MARK = "@sha256:"
_BOOKKEEPING = frozenset({"digest", "lastModifiedBy", "updateTs"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,249}")
_SPACE = re.compile(r"[ \t\n\x0b\f\r]+")


def prepare(body: Document, tag: str | None) -> tuple[Document, str | None]:
    """Check a submitted template; give it as it will be stored, and its tag. Raises `BadRequest`."""
    schema = body.get("schema")
    if schema == "1":
        raise BadRequest(FIRST_KIND)
    if schema != SCHEMA:
        raise BadRequest(f"The 'schema' of a pipeline template must be '{SCHEMA}', not {_shown(schema)}.")
    id = body.get("id")
    if not isinstance(id, str) or not _ID.fullmatch(id.strip()):
        raise BadRequest(
            "The 'id' of a pipeline template must have letters, digits, spaces, '-' and '_' only, and begin with a "
            f"letter or a digit; it is {_shown(id)}."
        )
    scopes: Any = object_in(body.get("metadata")).get("scopes")
    if not isinstance(scopes, list) or not scopes or not all(isinstance(each, str) for each in cast(list[Any], scopes)):
        raise BadRequest(
            "A pipeline template must have at least one scope in 'metadata.scopes' (text; try \"global\")."
        )
    for key, kind, name in (("variables", list, "an array"), ("pipeline", dict, "an object")):
        if not isinstance(body.get(key), kind | None):
            raise BadRequest(f"The '{key}' of a pipeline template must be {name}, not {json_type(body[key])}.")
    wanted = check_tag(tag or body.get("tag") or None)
    kept = {key: value for key, value in body.items() if key not in _BOOKKEEPING and key != "tag"} | {"id": id.strip()}
    return kept | ({"tag": wanted} if wanted else {}), wanted


def check_tag(tag: Any) -> str | None:
    """Refuse a tag that doesn't exist."""
    if tag is not None and tag not in TAGS:
        raise BadRequest(
            f"The provided tag {tag} is not supported. Pipeline template must tag be one of {', '.join(TAGS)}"
        )
    return tag


def key_of(id: str, tag: str | None = None, digest: str | None = None) -> str:
    """Give the key of a version. An id may bear its version already. Raises `BadRequest` for two at once."""
    if tag and digest:
        raise BadRequest(
            "Cannot query pipeline by 'tag' and 'digest' simultaneously. Specify one of 'tag' or 'digest'."
        )
    if digest:
        return f"{id}{_DIGEST_MARK}{digest.removeprefix('sha256:')}"
    return f"{id}:{tag}" if tag else id


def undecorated(key: str) -> str:
    """Give the id of the template to which a key belongs."""
    return key.partition(_DIGEST_MARK)[0].partition(":")[0]


def versions_to_write(body: Document, tag: str | None) -> list[tuple[str, Document]]:
    """Give the keys, with their documents, that a save writes: the version itself, the latest, the digest's.

    The digest is that of the document as `latest` has it.
    """
    id = body["id"]
    written = [(key_of(id, tag), body)]
    if tag != LATEST:
        body = body | {"tag": LATEST}
        written.append((key_of(id, LATEST), body))
    digest = digest_of(body)
    return [*written, (key_of(id, digest=digest), body | {"digest": digest})]


def digest_of(body: Document) -> str:
    """Give the SHA-256 of a template, as hexadecimal text: keys sorted, white space and bookkeeping left out."""
    content = {key: value for key, value in body.items() if key not in _BOOKKEEPING}
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(_SPACE.sub("", written).encode()).hexdigest()


def is_in_scope(body: Document, wanted: Iterable[str]) -> bool:
    """Say whether one of a template's scopes is wanted: equal but for case, or a pattern that matches. None: all."""
    asked = [scope for scope in wanted if scope]
    scopes = [str(scope) for scope in cast(list[Any], object_in(body.get("metadata")).get("scopes") or [])]
    return not asked or any(_is_scope(scope, each) for scope in scopes for each in asked)


def _is_scope(stored: str, asked: str) -> bool:
    if stored.lower() == asked.lower():
        return True
    import re2  # pyright: ignore[reportMissingTypeStubs]

    regex: Any = re2
    try:
        return regex.fullmatch(stored, asked) is not None
    except regex.error:
        return False


def reference_of(pipeline: Document) -> str | None:
    """Give the key of the stored template that a pipeline uses; None when it uses none, or one from elsewhere.

    Raises `BadRequest` for a pipeline that uses a template of the first kind.
    """
    if pipeline.get("type") != TEMPLATED:
        return None
    if pipeline.get("schema") != SCHEMA:
        raise BadRequest(FIRST_KIND)
    reference = object_in(pipeline.get("template")).get("reference")
    if not isinstance(reference, str) or not reference.startswith(SPINNAKER) or "${" in reference:
        return None
    return reference.removeprefix(SPINNAKER)


def uses(reference: str, key: str) -> bool:
    """Say whether a reference names the version `key`, or for a key without version any of the template's."""
    asked, known = reference.lower(), key.lower()
    return asked == known or (known == undecorated(known) and undecorated(asked) == known)


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json_type(value)
